"""Boxes given for an image as it is stored, and the EXIF orientation that turns it when it is shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRANSPOSED = frozenset({5, 6, 7, 8})
"""Orientations that make a row of a column."""

MIRRORED_X, MIRRORED_Y = frozenset({2, 3, 7, 8}), frozenset({3, 4, 6, 7})
"""Orientations that start from the right edge of the stored image, and from its lower edge."""


def upright_boxes(
    boxes_px: NDArray[np.float32], orientation: int, stored_size: tuple[int, int]
) -> NDArray[np.float32]:
    """Move boxes (N, 4) `xyxy` in pixels of the stored image to where they are in the upright one.

    Args:
        boxes_px: x0, y0, x1, y1 in pixels of the image before it is turned. N may be 0.
        orientation: 1-8, the EXIF tag; 1 leaves all as it is.
        stored_size: (height, width) of the image before it is turned.

    Returns:
        (N, 4) float32, in pixels of the image as it is read.

    Source: the Exif standard 2.32, tag 274 (which edge of the scene the first row and column are).
    """
    height, width = stored_size
    x0, y0, x1, y1 = boxes_px.T
    if orientation in MIRRORED_X:
        x0, x1 = width - x1, width - x0
    if orientation in MIRRORED_Y:
        y0, y1 = height - y1, height - y0
    corners = (y0, x0, y1, x1) if orientation in TRANSPOSED else (x0, y0, x1, y1)
    return np.stack(corners, axis=1).astype(np.float32)
