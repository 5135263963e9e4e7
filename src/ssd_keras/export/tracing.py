"""A detector as one TensorFlow function, from images to detections."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ssd_keras.boxes.suppression import suppress
from ssd_keras.models.decoding import DecodeDetections, Suppress

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD

INPUT = "images"


def trace_detector(model: SSD, raw: bool = False, suppress: Suppress = suppress) -> Any:
    """Trace a detector as a `tf.function` of `images` (B, H, W, 3) uint8, for any B.

    Args:
        model: the detector.
        raw: stop at the raw predictions, "offsets" and "logits"; else "boxes", "scores" and "labels".
        suppress: computes the suppression in place of the usual loop, for formats that have better.
    """
    import tensorflow as tf

    settings = replace(model.decoding, fast=False)
    decode = DecodeDetections(model.anchor_boxes, model.variances, settings, suppress)

    def detect(images: Any) -> dict[str, Any]:
        predictions = model(images, training=False)
        found = predictions if raw else decode(predictions)
        return {name: tf.identity(value, name=name) for name, value in found.items()}

    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name=INPUT)
    function = tf.function(detect, input_signature=[images])
    function.get_concrete_function()
    return function
