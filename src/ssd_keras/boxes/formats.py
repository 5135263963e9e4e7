"""Formats of a box: corners, centre and size; relative to the image, or in pixels.

Inside the package a box is `xyxy` (x0, y0, x1, y1), float32, relative to the image (0-1). Sizes of images are
(height, width).
"""

from ssd_keras.boxes.arrays import Array, array_library


def xyxy_to_cxcywh(boxes: Array) -> Array:
    """Turn corners into centre and size: (..., 4) x0, y0, x1, y1 -> (..., 4) cx, cy, w, h.

    Examples:
        >>> import numpy as np
        >>> xyxy_to_cxcywh(np.array([0.25, 0.5, 0.75, 1.0])).tolist()
        [0.5, 0.75, 0.5, 0.5]
    """
    xp = array_library(boxes)
    low, high = boxes[..., :2], boxes[..., 2:]
    return xp.concatenate([(low + high) / 2, high - low], axis=-1)


def cxcywh_to_xyxy(boxes: Array) -> Array:
    """Turn centre and size into corners: (..., 4) cx, cy, w, h -> (..., 4) x0, y0, x1, y1."""
    xp = array_library(boxes)
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return xp.concatenate([centre - half, centre + half], axis=-1)


def px_to_relative(boxes_px: Array, size: tuple[int, int]) -> Array:
    """Divide pixel boxes (..., 4) by the image's (height, width): no shift by one pixel, as in Caffe.

    Examples:
        >>> import numpy as np
        >>> px_to_relative(np.array([0.0, 30.0, 240.0, 300.0]), (300, 480)).tolist()
        [0.0, 0.1, 0.5, 1.0]
    """
    height, width = size
    xp = array_library(boxes_px)
    return boxes_px / xp.array([width, height, width, height], dtype=boxes_px.dtype)


def relative_to_px(boxes: Array, size: tuple[int, int]) -> Array:
    """Multiply relative boxes (..., 4) by the image's (height, width)."""
    height, width = size
    xp = array_library(boxes)
    return boxes * xp.array([width, height, width, height], dtype=boxes.dtype)


def clip_to_image(boxes: Array) -> Array:
    """Cut relative boxes (..., 4) off at the edges of the image, [0, 1]."""
    return array_library(boxes).clip(boxes, 0.0, 1.0)


def clip_to_size(boxes_px: Array, size: tuple[int, int]) -> Array:
    """Cut pixel boxes (..., 4) off at the edges of an image of `size` (height, width)."""
    height, width = size
    xp = array_library(boxes_px)
    return xp.clip(boxes_px, 0.0, xp.array([width, height, width, height], dtype=boxes_px.dtype))


def box_area(boxes: Array, border: float = 0.0) -> Array:
    """Areas (...) of `xyxy` boxes (..., 4); a box whose corners are swapped has none.

    `border` is added to each side: 1 for boxes whose corners name the first and the last pixel inside, as in
    the Pascal VOC devkit.

    Examples:
        >>> import numpy as np
        >>> boxes_px = np.array([[0.0, 0.0, 2.0, 3.0], [2.0, 3.0, 0.0, 0.0]])
        >>> box_area(boxes_px).tolist(), box_area(boxes_px, border=1).tolist()
        ([6.0, 0.0], [12.0, 0.0])
    """
    xp = array_library(boxes)
    sides = xp.maximum(boxes[..., 2:] - boxes[..., :2] + border, 0)
    return sides[..., 0] * sides[..., 1]
