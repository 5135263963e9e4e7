"""Figures of matching and encoding: which anchors predict an object, and what they are to say."""

import numpy as np
from figure_style import (
    INK,
    OBJECTS,
    POSITIVE,
    STREET,
    TRUTH,
    draw_box,
    heading,
    note,
    scene_boxes,
    sheet,
    show_scene,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from street_example import SIDE, STREET_CLASSES, VARIANCES, anchor_boxes, matching, scene

from ssd_keras.boxes.formats import px_to_relative, xyxy_to_cxcywh
from ssd_keras.boxes.offsets import encode_offsets

TRUCK = 2
"""The object whose encoding is shown."""


def both_steps() -> Figure:
    """Draw the best anchor of each object, and then all matched ones."""
    figure, panels = sheet(7.2, 2, 1)
    found, truths, anchors = matching(), scene_boxes(), anchor_boxes() * SIDE
    labels = scene()[1].labels
    for axes in panels.flat:
        show_scene(axes, 0.5, STREET)
    for number, (truth, anchor) in enumerate(zip(truths, found.best, strict=True)):
        colour = OBJECTS[number]
        draw_box(panels[0, 0], anchors[anchor], colour, 1.3, "--")
        overlap = found.iou[number, anchor]
        _name(panels[0, 0], anchors[anchor], f"{STREET_CLASSES[labels[number]]}  IoU {overlap:.2f}", colour)
        matched = np.flatnonzero(found.matches == number)
        for one in matched:
            draw_box(panels[1, 0], anchors[one], colour, 0.7)
        words = f"{STREET_CLASSES[labels[number]]}  {len(matched)} anchor{'s' if len(matched) > 1 else ''}"
        around = truth if number == TRUCK else np.minimum(truth, anchors[matched].min(axis=0))
        _name(panels[1, 0], around, words, colour)
        for axes in panels.flat:
            draw_box(axes, truth, colour, 2.0)
    heading(panels[0, 0], "Step 1: each object (solid) gets the anchor that overlaps it best (dashed)")
    heading(panels[1, 0], "Step 2: every other anchor with an IoU of at least 0.5 as well")
    return figure


def _name(axes: Axes, box: np.ndarray, text: str, colour: str) -> None:
    """Write above a box, to the left where it stands near the right edge."""
    x0, y0, x1, _ = box
    right = x0 > SIDE * 0.7
    place = (min(x1 + 3, SIDE - 2), "right") if right else (x0 - 1, "left")
    note(axes, place[0], y0 - 6, text, colour, ha=place[1], fontweight="bold")


def encoding() -> Figure:
    """Draw the truck, its best anchor, and the four numbers between them."""
    figure, (panels,) = sheet(2.75, 1, 2, width_ratios=(1.75, 1))
    axes, words = panels
    found = matching()
    index = found.best[TRUCK]
    anchor = anchor_boxes()[index]
    truth = px_to_relative(scene_boxes()[TRUCK], (SIDE, SIDE))
    g, d = xyxy_to_cxcywh(truth) * SIDE, xyxy_to_cxcywh(anchor) * SIDE
    show_scene(axes, 0.6, (50, 290, 212, 76))
    draw_box(axes, truth * SIDE, TRUTH, 1.8)
    draw_box(axes, anchor * SIDE, POSITIVE, 1.8, "--")
    axes.plot(*g[:2], "o", color=TRUTH, markersize=4, zorder=5)
    axes.plot(*d[:2], "o", color=POSITIVE, markersize=4, zorder=5)
    axes.annotate("", g[:2], d[:2], arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.2}, zorder=6)
    note(axes, truth[0] * SIDE + 3, truth[1] * SIDE + 6, "ground truth g", TRUTH, fontweight="bold")
    note(
        axes, anchor[2] * SIDE - 3, anchor[3] * SIDE - 6, "anchor d", POSITIVE, ha="right", fontweight="bold"
    )
    heading(axes, "The arrow and the two sizes are what is encoded")
    t = encode_offsets(truth, anchor, VARIANCES)
    rows = [
        ("", "g", "d", "t"),
        ("x", f"{g[0]:.1f}", f"{d[0]:.1f}", f"{t[0]:+.2f}"),
        ("y", f"{g[1]:.1f}", f"{d[1]:.1f}", f"{t[1]:+.2f}"),
        ("w", f"{g[2]:.1f}", f"{d[2]:.1f}", f"{t[2]:+.2f}"),
        ("h", f"{g[3]:.1f}", f"{d[3]:.1f}", f"{t[3]:+.2f}"),
    ]
    words.axis("off")
    words.set_xlim(0, 1)
    words.set_ylim(1, 0)
    colours = (INK, TRUTH, POSITIVE, INK)
    for line, row in enumerate(rows):
        for x, text, colour in zip((0.05, 0.42, 0.72, 1.0), row, colours, strict=True):
            weight = "bold" if line == 0 or x == 1.0 else "normal"
            words.text(x, 0.24 + 0.14 * line, text, ha="right" if x > 0.1 else "left", va="center",
                       fontsize=8.5, color=colour, fontweight=weight)  # fmt: skip
    words.text(0.05, 0.06, "in pixels, and the offsets t", fontsize=8.5, color=INK, va="center")
    return figure
