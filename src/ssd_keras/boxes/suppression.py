"""Greedy non-maximum suppression, exact and without a loop over the boxes.

Greedy suppression keeps a box when no better box that is itself kept overlaps it too much:

    keep_j = no i < j with keep_i and IoU(i, j) > threshold        (boxes sorted, best score first)

Starting from "keep all" and applying this rule to all boxes at once, the first box is right after the first
round, and each further round settles at least one more link of every chain of overlaps. When nothing changes
any more the rule holds everywhere, and only the greedy result satisfies it. Real images need a handful of
rounds, whatever the number of boxes, with static shapes and for whole batches.

To spare most of the work the boxes are taken in tiles: what the better tiles kept is final, so it suppresses
in one pass, and rounds are needed only within a tile.
"""

from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.boxes.iou import pairwise_iou

TILE = 100
"""Boxes in a tile: small ones mean more passes, large ones costlier rounds."""


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
    kept: list[Array] = []
    for start in range(0, boxes.shape[-2], TILE):
        tile, free = boxes[..., start : start + TILE, :], valid[..., start : start + TILE]
        if kept:
            overlaps = pairwise_iou(boxes[..., :start, :], tile) > iou_threshold
            free = free & ~_overlapped(ops.concatenate(kept, axis=-1), overlaps)
        kept.append(_suppress_tile(tile, free, iou_threshold))
    return ops.concatenate(kept, axis=-1)


def _suppress_tile(boxes: Array, valid: Array, iou_threshold: float) -> Array:
    """Apply the rule to all boxes at once until nothing changes any more."""
    rank = ops.arange(boxes.shape[-2])
    overlaps = (pairwise_iou(boxes, boxes) > iou_threshold) & (rank[:, None] < rank[None, :])

    def changes(keep: Array, before: Array) -> Array:
        return ops.any(keep != before)

    def apply_rule(keep: Array, before: Array) -> tuple[Array, Array]:
        return valid & ~_overlapped(keep, overlaps), keep

    keep, _ = ops.while_loop(changes, apply_rule, apply_rule(valid, valid))
    return keep


def _overlapped(keep: Array, overlaps: Array) -> Array:
    """(..., K) bool: which boxes a kept one overlaps; keep (..., N), overlaps (..., N, K)."""
    return ops.any(keep[..., :, None] & overlaps, axis=-2)
