"""Figures of the anchors: where they stand, and how large and of which shape they are."""

import numpy as np
from figure_style import (
    FONT,
    GREY,
    INK,
    OBJECTS,
    PALE,
    SHAPES,
    bare,
    chart,
    draw_box,
    heading,
    note,
    sheet,
    show_scene,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from street_example import ANCHORS, FEATURE_SIZES, LAYERS, SIDE

PLACE = (160, 148)
"""The cell whose centre is nearest to this point, the middle of the truck, shows its boxes."""

NAMES = ("1", "1'", "2", "1/2", "3", "1/3")

NAME_PLACES = {
    "1": (-29, -25),
    "1'": (-40, -45.5),
    "2": (24, -16),
    "1/2": (-8, -36),
    "3": (34, 13),
    "1/3": (-9, 57),
}
"""Where each name stands beside its box, in pixels from the centre."""


def per_layer() -> Figure:
    """Draw, for each feature map, the centres of all cells and the boxes of one."""
    figure, panels = sheet(5.1, 2, 3)
    layers = ANCHORS.per_layer((SIDE, SIDE), FEATURE_SIZES)
    for axes, (name, side), boxes, count in zip(
        panels.flat, LAYERS.items(), layers, ANCHORS.boxes_per_cell, strict=True
    ):
        show_scene(axes, 0.55, (-45, 345, 345, -45))
        cells = (boxes * SIDE).reshape(-1, count, 4)
        centres = (cells[:, 0, :2] + cells[:, 0, 2:]) / 2
        axes.plot(*centres.T, ".", color=INK, markersize=1.2 if side > 20 else 2.2, markeredgewidth=0)
        shown = np.linalg.norm(centres - PLACE, axis=1).argmin()
        for shape, box in zip(NAMES, cells[shown], strict=False):
            draw_box(axes, box, SHAPES[shape], 1.3, "--" if shape == "1'" else "-")
        heading(axes, f"{name}: {side} × {side} cells × {count} = {len(boxes):,}")
    return figure


def of_a_cell() -> Figure:
    """Draw the six boxes of a cell of fc7, and the sizes of the squares of all layers."""
    figure, (panels,) = sheet(3.1, 1, 2, width_ratios=(1, 1.25))
    axes = panels[0]
    shapes = ANCHORS.cell_shapes((SIDE, SIDE))[1]
    axes.set_xlim(-66, 66)
    axes.set_ylim(64, -64)
    axes.set_aspect("equal")
    bare(axes)
    axes.plot(0, 0, "+", color=INK, markersize=6)
    for name, (width, height) in zip(NAMES, shapes, strict=True):
        box = (-width / 2, -height / 2, width / 2, height / 2)
        draw_box(axes, box, SHAPES[name], 1.5, "--" if name == "1'" else "-")
    for name, (x, y) in NAME_PLACES.items():
        note(axes, x, y, name, SHAPES[name], fontweight="bold")
    heading(axes, "fc7: the six boxes of a cell")
    _sizes_of_squares(panels[1])
    return figure


def _sizes_of_squares(axes: Axes) -> None:
    for row, (low, high) in enumerate(zip(ANCHORS.min_sizes, ANCHORS.max_sizes, strict=True)):
        axes.plot((low, high), (row, row), color=PALE, linewidth=4, solid_capstyle="butt", zorder=1)
        axes.plot(low, row, "s", color=OBJECTS[1], markersize=6.5, zorder=3)
        between = np.sqrt(low * high)
        axes.plot(between, row, "s", color="white", markeredgecolor=OBJECTS[1], markersize=6, zorder=3)
        axes.annotate(f"{low:g}", (low, row - 0.24), ha="center", fontsize=7, color=INK, **FONT)
        axes.annotate(f"{between:.0f}", (between, row + 0.5), ha="center", fontsize=7, color=GREY, **FONT)
    chart(axes, "side of the square in pixels", "")
    axes.set_yticks(range(len(LAYERS)), LAYERS, fontsize=7.5, color=INK)
    axes.set_ylim(len(LAYERS) - 0.2, -0.8)
    axes.set_xlim(0, 330)
    heading(axes, "■ first square   □ second square, at √(size · next size)")
