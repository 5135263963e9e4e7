"""Matching: which anchor is to predict which ground-truth box.

The paper's two steps (section 2.2, "Matching strategy"; Caffe's `MatchBBox`): first every ground-truth box
gets the free anchor that overlaps it best, so that none is left out; then every other anchor at or above the
threshold takes the box it overlaps best. Everything works on whole padded batches and compiles on every
backend.
"""

from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.boxes.iou import pairwise_iou

NEGATIVE = -1
"""An anchor that shows background."""

NEUTRAL = -2
"""An anchor that overlaps a box too much for background and too little for a match: not trained on."""

SMALLEST_OVERLAP = 1e-6
"""An IoU has to be greater than this to count as any (Caffe's `MatchBBox`)."""


def match_anchors(
    anchors: Array,
    boxes: Array,
    valid: Array,
    iou_threshold: float = 0.5,
    neutral_threshold: float | None = None,
) -> Array:
    """Match every anchor to a ground-truth box, to background, or to nothing.

    Args:
        anchors: (A, 4) float32 `xyxy`.
        boxes: (B, M, 4) float32 `xyxy`, padded.
        valid: (B, M) bool, false where `boxes` is padding. A box without area matches nothing.
        iou_threshold: an anchor with at least this IoU with a box is matched to it.
        neutral_threshold: an unmatched anchor with at least this IoU is neutral. None: no neutral zone, as
            in the original.

    Returns:
        (B, A) int32: the index of the matched box (0 to M − 1), `NEGATIVE` or `NEUTRAL`.
    """
    # The second step first, for all anchors; the first is written over it.
    iou = ops.where(valid[..., None], pairwise_iou(boxes, anchors), 0.0)  # (B, M, A)
    best_iou = ops.max(iou, axis=1)  # (B, A)
    unmatched = ops.full(ops.shape(best_iou), NEGATIVE, dtype="int32")
    if neutral_threshold is not None:
        unmatched = ops.where(best_iou >= neutral_threshold, NEUTRAL, unmatched)
    best_box = ops.cast(ops.argmax(iou, axis=1), "int32")
    matches = ops.where(best_iou >= iou_threshold, best_box, unmatched)
    return _assign(matches, match_bipartite(iou))


def match_bipartite(iou: Array) -> Array:
    """Give every box the free anchor that overlaps it best, the best pair of all first.

    The greedy rule of the original takes the pair of free anchor and free box with the largest IoU (ties: the
    lowest anchor, then the first box) until no pair overlaps. The same assignment comes out of letting all
    boxes choose at once: where several want one anchor, the one with the largest IoU keeps it and the others
    choose again (deferred acceptance; with one order of all pairs its outcome is the greedy one). That takes
    as many rounds as boxes get displaced in a row, mostly one or two, instead of one per box.

    Args:
        iou: (B, M, A) float32, 0 for padding.

    Returns:
        (B, M) int32: the anchor of each box, −1 for a box that no free anchor overlaps.
    """
    anchor_index = ops.arange(ops.shape(iou)[-1], dtype="int32")
    earlier = ops.arange(ops.shape(iou)[1])[None, :] < ops.arange(ops.shape(iou)[1])[:, None]

    def choose(open_iou: Array) -> tuple[Array, Array, Array]:
        choice = ops.cast(ops.argmax(open_iou, axis=-1), "int32")
        overlap = ops.max(open_iou, axis=-1)
        same = (choice[:, :, None] == choice[:, None, :]) & (overlap[:, None, :] > SMALLEST_OVERLAP)
        mine, others = overlap[:, :, None], overlap[:, None, :]
        displaced = ops.any(same & ((others > mine) | ((others == mine) & earlier)), axis=-1)
        return choice, overlap, displaced & (overlap > SMALLEST_OVERLAP)

    def someone_displaced(open_iou: Array, choice: Array, overlap: Array, displaced: Array) -> Array:
        return ops.any(displaced)

    def choose_again(
        open_iou: Array, choice: Array, overlap: Array, displaced: Array
    ) -> tuple[Array, Array, Array, Array]:
        # A box that lost an anchor never asks for it again: who has it now only gives way to a better one.
        lost = displaced[..., None] & (anchor_index == choice[..., None])
        open_iou = ops.where(lost, 0.0, open_iou)
        return open_iou, *choose(open_iou)

    _, choice, overlap, _ = ops.while_loop(someone_displaced, choose_again, (iou, *choose(iou)))
    return ops.where(overlap > SMALLEST_OVERLAP, choice, -1)


def _assign(matches: Array, anchor_of_box: Array) -> Array:
    """Write box m into matches (B, A) at its anchor (B, M), over what stands there."""
    batch, boxes = ops.shape(anchor_of_box)
    anchors = ops.shape(matches)[1]
    # A box without an anchor writes into one more column, which is cut off again.
    columns = ops.where(anchor_of_box < 0, anchors, anchor_of_box)
    rows = ops.broadcast_to(ops.arange(batch, dtype="int32")[:, None], (batch, boxes))
    numbers = ops.broadcast_to(ops.arange(boxes, dtype="int32")[None, :], (batch, boxes))
    padded = ops.pad(matches, ((0, 0), (0, 1)), constant_values=NEGATIVE)
    indices = ops.reshape(ops.stack([rows, columns], axis=-1), (-1, 2))
    return ops.scatter_update(padded, indices, ops.reshape(numbers, (-1,)))[:, :anchors]
