"""Decoding: from raw predictions to boxes, scores and labels.

Two procedures. `decode_per_class` is the original's: every class looks at every anchor, so one anchor may
yield several classes, and suppression runs in each class for itself. `decode_best_class` is the fast one of
the Keras ports: each anchor yields its best class only, and one suppression runs over all.

Everything has static shapes and compiles; what is padding has score 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.boxes.offsets import decode_offsets
from ssd_keras.boxes.suppression import suppress

Suppress = Callable[[Array, Array, float], Array]
"""Computes the suppression of boxes (..., K, 4), as `boxes.suppression.suppress` does."""


class Decoded(NamedTuple):
    """Found objects of a batch, best first, padded to K.

    Attributes:
        boxes: (B, K, 4) float32 `xyxy`, relative to the image, not cut off at its edges.
        scores: (B, K) float32, 0 for padding.
        labels: (B, K) int32, 0-based.
    """

    boxes: Array
    scores: Array
    labels: Array


@dataclass(frozen=True)
class Decoding:
    """Settings of the decoding, by default those with which SSD is evaluated.

    Attributes:
        min_score: only scores greater than this count.
        iou_threshold: of the suppression.
        candidates: how many of a class's best boxes go into the suppression; with `fast`, of the image's.
        max_detections: how many of the image's best boxes come out.
        fast: best class of each anchor only, one suppression for all classes.

    Source: Caffe's `DetectionOutputLayer`; for `fast`, the 2018 port's `decode_detections_fast`.
    """

    min_score: float = 0.01
    iou_threshold: float = 0.45
    candidates: int = 400
    max_detections: int = 200
    fast: bool = False

    def __call__(
        self,
        offsets: Array,
        logits: Array,
        anchors: Array,
        variances: tuple[float, ...],
        suppress: Suppress = suppress,
    ) -> Decoded:
        """Decode a batch in float32.

        Args:
            offsets: (B, A, 4) raw predictions.
            logits: (B, A, C) raw predictions, background first.
            anchors: (A, 4) float32 `xyxy`.
            variances: the four of `decode_offsets`.
            suppress: computes the suppression, by default the loop of `boxes.suppression`.
        """
        scores = ops.softmax(ops.cast(logits, "float32"), axis=-1)[..., 1:]
        boxes = decode_offsets(ops.cast(offsets, "float32"), anchors, variances)
        decode = decode_best_class if self.fast else decode_per_class
        return decode(boxes, scores, self, suppress)


def decode_per_class(
    boxes: Array, scores: Array, settings: Decoding, suppress: Suppress = suppress
) -> Decoded:
    """Decode as the original does, each class for itself.

    Args:
        boxes: (B, A, 4) `xyxy`, one an anchor.
        scores: (B, A, C − 1), without background.
        settings: the thresholds and limits.
        suppress: as `boxes.suppression.suppress`.
    """
    by_class = ops.transpose(scores, (0, 2, 1))  # (B, C − 1, A)
    classes = by_class.shape[1]
    best, anchor = ops.top_k(by_class, min(settings.candidates, by_class.shape[2]))  # (B, C − 1, candidates)
    candidate_boxes = ops.take_along_axis(boxes[:, None], anchor[..., None], axis=2)  # the same and 4
    kept = suppress(candidate_boxes, best > settings.min_score, settings.iou_threshold)
    labels = ops.broadcast_to(ops.arange(classes, dtype="int32")[:, None], ops.shape(best)[1:])
    labels = ops.broadcast_to(labels[None], ops.shape(best))
    return _best_of_image(
        ops.reshape(candidate_boxes, (-1, classes * best.shape[2], 4)),
        ops.reshape(ops.where(kept, best, 0.0), (-1, classes * best.shape[2])),
        ops.reshape(labels, (-1, classes * best.shape[2])),
        settings.max_detections,
    )


def decode_best_class(
    boxes: Array, scores: Array, settings: Decoding, suppress: Suppress = suppress
) -> Decoded:
    """Decode fast: the best class of each anchor, and one suppression for all classes.

    An anchor whose best guess is background yields nothing, and an object under the better box of another
    class is lost. Arguments as for `decode_per_class`.
    """
    background = 1 - ops.sum(scores, axis=-1)
    best_class = ops.max(scores, axis=-1)
    score = ops.where(best_class > background, best_class, 0.0)
    label = ops.cast(ops.argmax(scores, axis=-1), "int32")
    best, anchor = ops.top_k(score, min(settings.candidates, score.shape[1]))
    candidate_boxes = ops.take_along_axis(boxes, anchor[..., None], axis=1)
    kept = suppress(candidate_boxes, best > settings.min_score, settings.iou_threshold)
    return _best_of_image(
        candidate_boxes,
        ops.where(kept, best, 0.0),
        ops.take_along_axis(label, anchor, axis=1),
        settings.max_detections,
    )


def _best_of_image(boxes: Array, scores: Array, labels: Array, max_detections: int) -> Decoded:
    best, index = ops.top_k(scores, min(max_detections, scores.shape[1]))
    return Decoded(
        ops.take_along_axis(boxes, index[..., None], axis=1),
        best,
        ops.take_along_axis(labels, index, axis=1),
    )


class DecodeDetections(keras.layers.Layer):
    """Decoding as a layer: {"offsets", "logits"} to {"boxes", "scores", "labels"}, as in `Decoded`."""

    def __init__(
        self,
        anchors: Any,
        variances: tuple[float, ...],
        settings: Decoding,
        suppress: Suppress = suppress,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype="float32", trainable=False, **kwargs)
        self.anchors = anchors
        self.variances = variances
        self.settings = settings
        self.suppress = suppress

    def call(self, raw: dict[str, Array]) -> dict[str, Array]:
        """Decode a batch: "offsets" (B, A, 4) and "logits" (B, A, C) give what `Decoded` has."""
        anchors = ops.convert_to_tensor(self.anchors, "float32")
        decoded = self.settings(raw["offsets"], raw["logits"], anchors, self.variances, self.suppress)
        return decoded._asdict()

    def compute_output_spec(self, raw: dict[str, Array]) -> dict[str, keras.KerasTensor]:
        """Give the shapes without decoding: the torch backend would decode a made-up batch to find them.

        Arguments as for `call`.
        """
        batch, anchors, logits = raw["logits"].shape
        found = min(self.settings.candidates, anchors) * (1 if self.settings.fast else logits - 1)
        shape = (batch, min(self.settings.max_detections, found))
        return {
            "boxes": keras.KerasTensor((*shape, 4), "float32"),
            "scores": keras.KerasTensor(shape, "float32"),
            "labels": keras.KerasTensor(shape, "int32"),
        }
