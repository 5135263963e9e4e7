"""The MultiBox loss: what the network is told about each of its thousands of anchors.

    L = (L_conf + α · L_loc) / max(1, N)                                   (the paper's equation 1)

N is the number of matched anchors of the batch, L_conf the softmax cross-entropy of the matched anchors and
of the hardest of the others, L_loc the smooth L1 distance of the offsets of the matched anchors (equation 2).
Nearly all anchors show background. Counting them all would drown the objects, so only those negatives count
that the network gets most wrong, at most three per matched anchor ("hard negative mining").
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.boxes.matching import NEUTRAL, match_anchors
from ssd_keras.boxes.offsets import encode_offsets

IGNORED = -1
"""Target class of an anchor that is neither trained as an object nor as background."""


class Targets(NamedTuple):
    """What each anchor is to predict.

    Attributes:
        classes: (B, A) int32, index into the logits: 0 background, label + 1, or `IGNORED`.
        offsets: (B, A, 4) float32, 0 where nothing is matched.
    """

    classes: Array
    offsets: Array


class LossParts(NamedTuple):
    """The loss of a batch, float32 scalars: total, its two terms (already divided by N), and N."""

    total: Array
    confidence: Array
    location: Array
    positives: Array


def make_targets(
    anchors: Array,
    boxes: Array,
    labels: Array,
    variances: tuple[float, ...],
    iou_threshold: float = 0.5,
    neutral_threshold: float | None = None,
) -> Targets:
    """Match the anchors and encode the ground truth, for a padded batch.

    Args:
        anchors: (A, 4) float32 `xyxy`, relative.
        boxes: (B, M, 4) float32 `xyxy`, relative.
        labels: (B, M) int32, 0-based, −1 for padding.
        variances: the four of `encode_offsets`.
        iou_threshold: of `match_anchors`.
        neutral_threshold: of `match_anchors`.
    """
    matches = match_anchors(anchors, boxes, labels >= 0, iou_threshold, neutral_threshold)
    matched = matches >= 0
    box_index = ops.maximum(matches, 0)
    matched_labels = ops.take_along_axis(labels, box_index, axis=1)
    background = ops.where(matches == NEUTRAL, IGNORED, 0)
    classes = ops.where(matched, ops.cast(matched_labels, "int32") + 1, background)
    matched_boxes = ops.take_along_axis(boxes, box_index[..., None], axis=1)
    # Where nothing is matched the anchor stands for the box: its offsets are 0, never the logarithm of 0.
    targets = ops.where(matched[..., None], matched_boxes, anchors[None])
    return Targets(classes, encode_offsets(targets, anchors[None], variances))


@dataclass(frozen=True)
class MultiBoxLoss:
    """The loss with its settings; calling it gives the `LossParts` of a batch.

    Attributes:
        neg_pos_ratio: how many negatives count at most per matched anchor.
        location_weight: α of the equation.
        negatives: "image": mined in each image for itself, as in Caffe; an image without objects gives none.
            "batch": the hardest of the whole batch, as in the Keras port of 2018.
        min_negatives: with "batch", how many negatives count at least.

    Source: Caffe's `MultiBoxLossLayer`; for "batch", the port's `SSDLoss`.
    """

    neg_pos_ratio: float = 3.0
    location_weight: float = 1.0
    negatives: Literal["image", "batch"] = "image"
    min_negatives: int = 0

    def __call__(self, targets: Targets, offsets: Array, logits: Array) -> LossParts:
        """Compute the loss in float32, whatever the precision of the network.

        Args:
            targets: of `make_targets`.
            offsets: (B, A, 4) as predicted.
            logits: (B, A, C) as predicted, background first.
        """
        positive = targets.classes > 0
        log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        cross_entropy = -ops.take_along_axis(
            log_probabilities, ops.maximum(targets.classes, 0)[..., None], axis=-1
        )[..., 0]
        counted = positive | self._hard_negatives(targets.classes, cross_entropy)

        distance = smooth_l1(targets.offsets - ops.cast(offsets, "float32"))
        number = ops.sum(ops.cast(positive, "float32"))
        divisor = ops.maximum(number, 1.0)
        confidence = ops.sum(ops.where(counted, cross_entropy, 0.0)) / divisor
        location = ops.sum(ops.where(positive[..., None], distance, 0.0)) / divisor
        return LossParts(confidence + self.location_weight * location, confidence, location, number)

    def _hard_negatives(self, classes: Array, cross_entropy: Array) -> Array:
        """(B, A) bool: the negatives with the largest cross-entropy. No gradient runs through the choice."""
        difficulty = ops.stop_gradient(cross_entropy)
        negative, positive = classes == 0, ops.cast(classes > 0, "float32")
        if self.negatives == "image":
            count = self.neg_pos_ratio * ops.sum(positive, axis=1)
            return hardest(difficulty, negative, count)
        count = ops.maximum(self.neg_pos_ratio * ops.sum(positive), float(self.min_negatives))
        flat = hardest(ops.reshape(difficulty, (1, -1)), ops.reshape(negative, (1, -1)), count[None])
        return ops.reshape(flat, ops.shape(classes))

    def get_config(self) -> dict[str, Any]:
        """Give the settings."""
        return dataclasses.asdict(self)


def hardest(difficulty: Array, eligible: Array, count: Array) -> Array:
    """Choose in each row the `count` eligible entries of greatest difficulty; of equal ones, the first.

    Args:
        difficulty: (R, N) float32, 0 or greater.
        eligible: (R, N) bool.
        count: (R,) float32, how many to choose (a fraction does not count), or all eligible ones.

    Returns:
        (R, N) bool.
    """
    ranked = ops.where(eligible, difficulty, -1.0)
    count = ops.minimum(count, ops.sum(ops.cast(eligible, "float32"), axis=1))
    ascending = ops.sort(ranked, axis=1)
    length = ops.shape(ranked)[1]
    place = ops.minimum(length - ops.cast(count, "int32"), length - 1)
    lowest = ops.take_along_axis(ascending, place[:, None], axis=1)
    above, tied = ranked > lowest, ranked == lowest
    room = count - ops.sum(ops.cast(above, "float32"), axis=1)
    first_ones = ops.cumsum(ops.cast(tied, "float32"), axis=1) <= room[:, None]
    return eligible & (above | (tied & first_ones)) & (count > 0)[:, None]


def smooth_l1(difference: Array) -> Array:
    """Give 0.5 d² where |d| < 1, else |d| − 0.5 (the paper's equation 2, after Fast R-CNN)."""
    size = ops.abs(difference)
    return ops.where(size < 1, 0.5 * size * size, size - 0.5)
