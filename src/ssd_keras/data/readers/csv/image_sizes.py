"""The sizes of images that tables state in columns `width` and `height`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ssd_keras.data.checks import usable_size
from ssd_keras.data.readers.csv.table import Line

SAME_SIDE = 1.0
"""Pixels between the side of a box and what is stated of it: some count the last pixel, too."""


def columns_are_of_images(lines: Iterable[Line]) -> bool:
    """Tell whether what is stated is the size of the images: in some tables it is that of each box."""
    is_stated = are_of_boxes = False
    for line in lines:
        size = _size_in(line)
        is_stated = is_stated or size is not None
        if size is None or not line.has_box:
            continue
        try:
            x0, y0, x1, y1 = map(float, line.corners)
        except ValueError:  # told when the box is read
            continue
        if abs(y1 - y0 - size[0]) > SAME_SIDE or abs(x1 - x0 - size[1]) > SAME_SIDE:
            return True
        are_of_boxes = True
    return is_stated and not are_of_boxes


def stated_size(lines: Sequence[Line], size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Give (height, width) that the lines of an image state, the first that is not its `size` if any is."""
    stated = [found for line in lines if (found := _size_in(line)) is not None]
    return next((one for one in stated if one != size), stated[0] if stated else None)


def _size_in(line: Line) -> tuple[int, int] | None:
    if "height" not in line.cells:
        return None
    return usable_size(line.cells["height"], line.cells.get("width"))
