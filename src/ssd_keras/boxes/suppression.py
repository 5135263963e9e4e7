"""Greedy non-maximum suppression, exact and without a loop over the boxes.

Greedy suppression keeps a box when no better box that is itself kept overlaps it too much:

    keep_j = no i < j with keep_i and IoU(i, j) > threshold        (boxes sorted, best score first)

Starting from "keep all" and applying this rule to all boxes at once, the first box is right after the first
round, and each further round settles at least one more link of every chain of overlaps. When nothing changes
any more the rule holds everywhere, and only the greedy result satisfies it. Real images need a handful of
rounds, whatever the number of boxes, with static shapes and for whole batches.
"""

from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.boxes.iou import pairwise_iou


def suppress(boxes: Array, valid: Array, iou_threshold: float) -> Array:
    """Say which boxes greedy non-maximum suppression keeps.

    Args:
        boxes: (..., K, 4) `xyxy`, best score first.
        valid: (..., K) bool, false for padding, which is never kept and suppresses nothing.
        iou_threshold: a box whose IoU with a kept better one is greater than this is dropped.

    Returns:
        (..., K) bool.

    Source: Caffe's `ApplyNMSFast` (without its adaptive threshold).
    """
    rank = ops.arange(ops.shape(boxes)[-2])
    better = rank[:, None] < rank[None, :]
    overlaps = ops.cast((pairwise_iou(boxes, boxes) > iou_threshold) & better, "float32")

    def changes(keep: Array, before: Array) -> Array:
        return ops.any(keep != before)

    def apply_rule(keep: Array, before: Array) -> tuple[Array, Array]:
        # How many kept better boxes overlap each box: a product of a row with a matrix.
        overlapping = ops.matmul(ops.cast(keep, "float32")[..., None, :], overlaps)[..., 0, :]
        return valid & (overlapping < 0.5), keep

    keep, _ = ops.while_loop(changes, apply_rule, apply_rule(valid, valid))
    return keep
