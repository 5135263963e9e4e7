"""Figure of the augmentation: one scene, each change for itself, and all together."""

import numpy as np
from figure_style import INK, OBJECTS, bare, draw_box, heading, sheet
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from street_example import SIDE, scene, sharp_picture

from ssd_keras.boxes.formats import px_to_relative
from ssd_keras.data.augment.geometry import Geometry, Window, centre_inside, locate, project
from ssd_keras.data.augment.photometric import ColourChange

SHARP = 2 * SIDE
COLOURS = ColourChange(brightness=-14, contrast=1.15, saturation=1.35, hue=9)
CANVAS: Window = (-150, -60, 390, 480)
"""Of expanding, in pixels of the scene: 1.8 times its side."""
CROP: Window = (0.16, 0.24, 0.86, 0.72)
"""Relative to what is cropped."""


def each_change() -> Figure:
    """Draw the scene, five changes, and which objects stay."""
    whole: Window = (0, 0, SIDE, SIDE)
    crop = locate(CROP, whole)
    together = locate((0.12, 0.1, 0.82, 0.8), CANVAS)
    figure, panels = sheet(5.1, 2, 3)
    shown = [
        ("the photograph", whole, False, None),
        ("colours changed", whole, False, COLOURS),
        ("expanded 1.8 times", CANVAS, False, None),
        ("cropped", crop, False, None),
        ("flipped", whole, True, None),
        ("all of them", together, True, COLOURS),
    ]
    for axes, (name, window, flip, colours) in zip(panels.flat, shown, strict=True):
        _show(axes, window, flip, colours)
        heading(axes, name)
    return figure


def _show(axes: Axes, window: Window, flip: bool, colours: ColourChange | None) -> None:
    image = sharp_picture()
    doubled: Window = tuple(2 * side for side in window)  # type: ignore[assignment]
    geometry = Geometry(image.shape[:2], doubled, (SHARP, SHARP), flip_horizontally=flip)
    patch = geometry.resize(image)
    pixels = geometry.place(colours.apply(patch) if colours else patch)
    axes.imshow(pixels, extent=(0, SIDE, SIDE, 0), interpolation="bilinear")
    axes.set_xlim(0, SIDE)
    axes.set_ylim(SIDE, 0)
    bare(axes)
    boxes, kept = seen_boxes(window, flip)
    for box, stays, colour in zip(boxes, kept, OBJECTS, strict=True):
        draw_box(axes, box * SIDE, colour if stays else INK, 1.6, "-" if stays else ":")


def seen_boxes(window: Window, flip: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the objects (M, 4) relative to a window of the scene, cut off at its edges, and which are kept."""
    relative = tuple(side / SIDE for side in window)
    seen = project(px_to_relative(scene()[1].boxes_px, (SIDE, SIDE)).astype(float), relative)  # type: ignore[arg-type]
    kept = centre_inside(seen)
    cut = np.clip(seen, 0, 1)
    return (cut[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [1, 0, 1, 0] if flip else cut), kept
