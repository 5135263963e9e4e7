"""The MultiBox loss: what the network is told about each of its thousands of anchors.

    L = (L_conf + α · L_loc) / max(1, N)                                   (the paper's equation 1)

N is the number of matched anchors of the batch, L_conf the softmax cross-entropy of the matched anchors and
of the hardest of the others, L_loc the smooth L1 distance of the offsets of the matched anchors (equation 2).
Nearly all anchors show background. Counting them all would drown the objects, so only those negatives count
that the network gets most wrong, at most three per matched anchor ("hard negative mining").

That is the original. Instead of mining, the focal loss counts all anchors, the easy ones hardly; instead of
the offsets, the boxes they stand for can be compared (GIoU, DIoU, CIoU).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.boxes.generalized_iou import bounded_offsets, ciou, diou, giou
from ssd_keras.boxes.matching import NEUTRAL, match_anchors
from ssd_keras.boxes.offsets import decode_offsets, encode_offsets
from ssd_keras.errors import InputError

Negatives = Literal["image", "batch"]
Classification = Literal["softmax", "focal"]
Location = Literal["smooth_l1", "giou", "diou", "ciou"]

OVERLAPS = {"giou": giou, "diou": diou, "ciou": ciou}

SMALLEST_DOUBT = 1e-7
"""The focal loss takes no probability to be nearer to 1 than this."""


class Targets(NamedTuple):
    """What each anchor is to predict.

    Attributes:
        classes: (B, A) int32, index into the logits: 0 background, label + 1, or `NEUTRAL`,
            which is trained as neither.
        offsets: (B, A, 4) float32, 0 where nothing is matched.
        boxes: (B, A, 4) float32 `xyxy`, relative: the boxes of those offsets, the anchor where nothing is
            matched. Only the losses that compare boxes need them.
    """

    classes: Array
    offsets: Array
    boxes: Array = None


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
    unmatched = ops.where(matches == NEUTRAL, NEUTRAL, 0)
    classes = ops.where(matched, ops.cast(matched_labels, "int32") + 1, unmatched)
    matched_boxes = ops.take_along_axis(boxes, box_index[..., None], axis=1)
    # Where nothing is matched the anchor stands for the box: its offsets are 0, never the logarithm of 0.
    targets = ops.where(matched[..., None], matched_boxes, anchors[None])
    return Targets(classes, encode_offsets(targets, anchors[None], variances), targets)


@dataclass(frozen=True)
class MultiBoxLoss:
    """The loss with its settings; calling it gives the `LossParts` of a batch. By default it is the original.

    Attributes:
        neg_pos_ratio: how many negatives count at most per matched anchor.
        location_weight: α of the equation.
        negatives: "image": mined in each image for itself, as in Caffe; an image without objects gives none.
            "batch": the hardest of the whole batch, as in the Keras port of 2018.
        min_negatives: with "batch", how many negatives count at least.
        classification: "softmax": cross-entropy of matched anchors and mined negatives. "focal": that of all
            anchors, each times (1 − p)^γ, p being the softmax probability of its target class; nothing is
            mined, so the settings of negatives have no effect. The scores stay those of a softmax.
        focal_gamma: γ, 0 or more; with 0 all anchors count alike.
        focal_alpha: weight of the matched anchors; background weighs 1 minus that. None: both weigh 1.
        label_smoothing: the part of each target that is spread evenly over all classes, from 0 to below 1.
        location: "smooth_l1": of the offsets. "giou", "diou", "ciou": 1 minus that measure of the decoded box
            and the ground truth, both relative to the image; from 0 to 2 an anchor (CIoU: 2.5).

    Raises:
        InputError: a setting is unknown or out of its bounds.

    Source: Caffe's `MultiBoxLossLayer`; for "batch", the port's `SSDLoss`; focal loss: Lin et al. 2017,
    equation 5, on the softmax instead of a sigmoid; label smoothing: Szegedy et al. 2016, section 7.
    """

    neg_pos_ratio: float = 3.0
    location_weight: float = 1.0
    negatives: Negatives = "image"
    min_negatives: int = 0
    classification: Classification = "softmax"
    focal_gamma: float = 2.0
    focal_alpha: float | None = 0.25
    label_smoothing: float = 0.0
    location: Location = "smooth_l1"

    def __post_init__(self) -> None:
        for name, choices in (
            ("negatives", Negatives),
            ("classification", Classification),
            ("location", Location),
        ):
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise InputError(f"loss: {name} is {getattr(self, name)!r}: choose one of {known}")
        for name in ("neg_pos_ratio", "location_weight", "min_negatives", "focal_gamma"):
            _check_number(name, getattr(self, name), 0)
        _check_number("label_smoothing", self.label_smoothing, 0, 1)
        if self.focal_alpha is not None:
            _check_number("focal_alpha", self.focal_alpha, 0, 1)

    def __call__(
        self,
        targets: Targets,
        offsets: Array,
        logits: Array,
        anchors: Array = None,
        variances: Sequence[float] | None = None,
    ) -> LossParts:
        """Compute the loss in float32, whatever the precision of the network.

        Args:
            targets: of `make_targets`.
            offsets: (B, A, 4) as predicted.
            logits: (B, A, C) as predicted, background first.
            anchors: (A, 4) float32 `xyxy`, relative; they and the variances are needed to compare boxes.
            variances: the four of `decode_offsets`.
        """
        positive = targets.classes > 0
        classification = self._classification(targets.classes, ops.cast(logits, "float32"))
        distance = self._distance(targets, ops.cast(offsets, "float32"), anchors, variances)
        number = self.over_the_batch(ops.sum(ops.cast(positive, "float32")))
        divisor = ops.maximum(number, 1.0)
        confidence = ops.sum(classification) / divisor
        location = ops.sum(ops.where(positive[..., None], distance, 0.0)) / divisor
        return LossParts(confidence + self.location_weight * location, confidence, location, number)

    @property
    def share(self) -> float:
        """The part of a term that is no sum over the images, such as a penalty on weights, that counts here.

        Less than 1 only where several devices see a part of the batch each, and their losses add up.
        """
        return 1.0

    def over_the_batch(self, number: Array) -> Array:
        """Give the sum of `number`, a scalar, over the whole batch; this may be one device's part of it."""
        return number

    def _classification(self, classes: Array, logits: Array) -> Array:
        """Give what each anchor adds to the confidence loss, (B, A), 0 where it does not count."""
        log_probabilities = ops.log_softmax(logits, axis=-1)
        cross_entropy = -ops.take_along_axis(log_probabilities, ops.maximum(classes, 0)[..., None], axis=-1)[
            ..., 0
        ]
        loss = cross_entropy
        if self.label_smoothing:
            spread = -ops.mean(log_probabilities, axis=-1)
            loss = (1 - self.label_smoothing) * cross_entropy + self.label_smoothing * spread
        if self.classification == "focal":
            counted = classes != NEUTRAL
            loss = loss * self._focal_weight(classes, cross_entropy)
        else:
            # Mined by the plain cross-entropy: smoothing must not make a sure and right anchor a hard one.
            counted = (classes > 0) | self._hard_negatives(classes, cross_entropy)
        return ops.where(counted, loss, 0.0)

    def _focal_weight(self, classes: Array, cross_entropy: Array) -> Array:
        """Give (1 − p)^γ times the weight of matched anchors or of background, (B, A)."""
        # Away from 0, where the derivative of a root would be infinite; expm1, because p is mostly near 1.
        doubt = ops.maximum(-ops.expm1(-cross_entropy), SMALLEST_DOUBT)
        weight = ops.power(doubt, self.focal_gamma)
        if self.focal_alpha is None:
            return weight
        return ops.where(classes > 0, self.focal_alpha, 1 - self.focal_alpha) * weight

    def _distance(
        self, targets: Targets, offsets: Array, anchors: Array, variances: Sequence[float] | None
    ) -> Array:
        """Give how far each anchor's prediction is from its target: (B, A, 4) by offset, or (B, A, 1)."""
        if self.location == "smooth_l1":
            return smooth_l1(targets.offsets - offsets)
        if anchors is None or variances is None or targets.boxes is None:
            raise ValueError(f"location {self.location!r} needs anchors, variances and the targets' boxes")
        boxes = decode_offsets(bounded_offsets(offsets, variances), anchors, variances)
        return 1 - OVERLAPS[self.location](boxes, targets.boxes)[..., None]

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
    # `top_k` would need one number for all rows. So each row is sorted to find the lowest difficulty that is
    # still chosen; of the entries that have just that one, as many are taken as there is room for.
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
    """Give 0.5 d² where |d| < 1, else |d| − 0.5: (…, 4) for (…, 4) or any other shape.

    Source: the paper's equation 2, after Fast R-CNN.
    """
    size = ops.abs(difference)
    return ops.where(size < 1, 0.5 * size * size, size - 0.5)


def _check_number(name: str, value: Any, least: float, below: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < below:
        bounds = f"a number from {least:g}" + ("" if below == math.inf else f" to below {below:g}")
        raise InputError(f"loss: {name} is {value!r}: give {bounds}")
