"""GIoU, DIoU and CIoU: measures of overlap that a network can learn from.

The IoU of two boxes that do not touch is 0 wherever they lie, so it does not say in which direction to move.
Each of the three subtracts from it something that still tells, c being the smallest box around both:

    GIoU = IoU − (|c| − |union|) / |c|                                  (Rezatofighi et al. 2019, algorithm 1)
    DIoU = IoU − (distance of the centres)² / (diagonal of c)²          (Zheng et al. 2020, equation 7)
    CIoU = DIoU − α v,  v = 4/π² (arctan w_a/h_a − arctan w_b/h_b)²     (the same, equations 8 to 11)

with α = v / (1 − IoU + v). All three are 1 for equal boxes. What 1 minus the measure tells a network is a
gradient, so none of these divides by anything that may vanish: values and gradients are finite for boxes
without area, for disjoint boxes and for boxes whose corners are swapped.
"""

import math
from collections.abc import Sequence

from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.boxes.formats import box_area, xyxy_to_cxcywh
from ssd_keras.boxes.iou import intersection_and_union

SMALLEST = 1e-6
"""A side, or a share, below this counts as none."""

SMALLEST_AREA = SMALLEST**2
"""An area, or a squared length, below this counts as none: its reciprocal's square still is a float32."""

FARTHEST = 62.5
"""How far, in sides of its anchor, a box may move, and how many times it may stretch or shrink (1000 / 16).

Further than any object may lie from its anchor, and near enough for areas and squares in float32.
"""


def iou(a: Array, b: Array) -> Array:
    """IoU of boxes with boxes, 0 to 1, with a gradient wherever they overlap.

    Here and below: two tensors (..., 4) float32 `xyxy` in the same unit, broadcast against each other, give
    (...) float32.
    """
    return _share(*intersection_and_union(a, b))


def giou(a: Array, b: Array) -> Array:
    """Generalised IoU, −1 to 1; the same for any unit of either axis. Shapes as for `iou`."""
    intersection, union = intersection_and_union(a, b)
    enclosing = box_area(_enclosing(a, b))
    return _share(intersection, union) - _share(enclosing - union, enclosing)


def diou(a: Array, b: Array) -> Array:
    """Distance-IoU, −1 to 1. Shapes as for `iou`."""
    centres = xyxy_to_cxcywh(a)[..., :2] - xyxy_to_cxcywh(b)[..., :2]
    diagonal = xyxy_to_cxcywh(_enclosing(a, b))[..., 2:]
    return iou(a, b) - _share(_squared_length(centres), _squared_length(diagonal))


def ciou(a: Array, b: Array) -> Array:
    """Complete IoU, −1.5 to 1: it also compares the proportions. Shapes as for `iou`.

    As in the original, no gradient runs through α, the weight of that comparison.
    """
    difference = _slant(a) - _slant(b)
    v = 4 / math.pi**2 * difference * difference
    alpha = ops.stop_gradient(v / ops.maximum(1 - iou(a, b) + v, SMALLEST))
    return diou(a, b) - alpha * v


def bounded_offsets(offsets: Array, variances: Sequence[float]) -> Array:
    """Draw offsets (..., 4) back to where `FARTHEST` allows, so that the decoded box and its area are finite.

    An untrained network predicts offsets of any size, and sides are exponentials of them. Offsets within the
    bound stay as they are. The others keep a gradient, which plain clipping would take from them: the network
    is still told to come back.
    """
    reach = [FARTHEST, FARTHEST, math.log(FARTHEST), math.log(FARTHEST)]
    limits = ops.array(
        [most / variance for most, variance in zip(reach, variances, strict=True)], offsets.dtype
    )
    return offsets * ops.stop_gradient(limits / ops.maximum(ops.abs(offsets), limits))


def _share(part: Array, whole: Array) -> Array:
    """Give part / whole, where there is a whole."""
    return part / ops.where(whole > SMALLEST_AREA, whole, 1.0)


def _enclosing(a: Array, b: Array) -> Array:
    """Give the smallest boxes that hold both."""
    low, high = ops.minimum(a[..., :2], b[..., :2]), ops.maximum(a[..., 2:], b[..., 2:])
    return ops.concatenate([low, high], axis=-1)


def _squared_length(vector: Array) -> Array:
    return vector[..., 0] * vector[..., 0] + vector[..., 1] * vector[..., 1]


def _slant(boxes: Array) -> Array:
    """Give arctan(width / height), 0 to π/2."""
    sides = ops.maximum(xyxy_to_cxcywh(boxes)[..., 2:], 0.0)
    return ops.arctan(sides[..., 0] / ops.maximum(sides[..., 1], SMALLEST))
