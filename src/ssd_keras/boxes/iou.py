"""Intersection over union (the paper: Jaccard overlap)."""

from ssd_keras.boxes.arrays import Array, array_library
from ssd_keras.boxes.formats import box_area


def intersection_and_union(a: Array, b: Array, border: float = 0.0) -> tuple[Array, Array]:
    """Areas that boxes (..., 4) share, and areas that they cover together: both (...), 0 where there is none.

    `a` and `b` are broadcast against each other; `xyxy` in the same unit. `border` as in `box_area`.
    """
    xp = array_library(a, b)

    def shared_side(low: int, high: int) -> Array:
        # One side at a time: no array with a last axis of 2, which vectorises badly, is ever made.
        first = xp.maximum(a[..., low], b[..., low])
        last = xp.minimum(a[..., high], b[..., high])
        return xp.maximum(last - first + border, 0)

    intersection = shared_side(0, 2) * shared_side(1, 3)
    return intersection, box_area(a, border) + box_area(b, border) - intersection


def pairwise_intersection(a: Array, b: Array, border: float = 0.0) -> Array:
    """Areas that each box of `a` shares with each of `b`: (..., N, 4), (..., M, 4) -> (..., N, M)."""
    return intersection_and_union(a[..., :, None, :], b[..., None, :, :], border)[0]


def pairwise_iou(a: Array, b: Array, border: float = 0.0) -> Array:
    """IoU of each box of `a` with each of `b`: (..., N, 4), (..., M, 4) -> (..., N, M), 0-1.

    Both in `xyxy` and in the same unit. Two boxes without area have IoU 0, never NaN. `border` as in
    `box_area`; it counts for the intersection and for the areas alike, so a box always has IoU 1 with itself.

    Examples:
        >>> import numpy as np
        >>> box, shifted, apart = [0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [2.0, 0.0, 4.0, 2.0]
        >>> pairwise_iou(np.array([box]), np.array([box, shifted, apart])).round(2).tolist()
        [[1.0, 0.33, 0.0]]
    """
    xp = array_library(a, b)
    intersection, union = intersection_and_union(a[..., :, None, :], b[..., None, :, :], border)
    return intersection / xp.where(union > 0, union, 1)
