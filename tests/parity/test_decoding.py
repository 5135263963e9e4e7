"""Decoding against Caffe's and the Keras port's procedure, on random batches judged by transcriptions."""

import numpy as np
import pytest
from on_backend import called_once
from parity.caffe import Found, detection_output
from parity.keras_port import decode_detections_fast

from ssd_keras.models.decoding import Decoding, decode_best_class, decode_per_class

pytestmark = pytest.mark.backends

JUDGES = {decode_per_class: detection_output, decode_best_class: decode_detections_fast}

CASES = {
    # name: anchors, classes, sharpness of the scores, places, settings
    "as in evaluation": (500, 4, 3, 12, {}),
    "fewer anchors than candidates": (40, 3, 3, 5, {}),
    "few confident": (300, 5, 2, 20, {"min_score": 0.6}),
    "many candidates in the same places": (450, 1, 1, 2, {"candidates": 50}),
    "more found than may come out": (400, 4, 1, 200, {"max_detections": 60}),
    "as in the port": (300, 3, 4, 10, {"min_score": 0.5, "iou_threshold": 0.3}),
}


def random_batch(anchors, classes, sharpness, places):
    """Boxes (2, A, 4) around a few places and softmax scores (2, A, C − 1) without background."""
    random = np.random.default_rng(anchors + classes)
    centres = random.uniform(0, 1, (2, places, 2))
    near = np.take_along_axis(centres, random.integers(0, places, (2, anchors, 1)), axis=1)
    near = near + random.normal(0, 0.02, near.shape)
    sides = random.uniform(0.1, 0.2, near.shape)
    boxes = np.concatenate([near - sides / 2, near + sides / 2], axis=-1).astype(np.float32)
    exponential = np.exp(sharpness * random.normal(size=(2, anchors, classes + 1)))
    scores = (exponential / exponential.sum(axis=-1, keepdims=True))[..., 1:].astype(np.float32)
    return boxes, scores


def found_in(decoded, image):
    return [
        Found(float(score), int(label), tuple(map(float, box)))
        for box, score, label in zip(
            decoded.boxes[image], decoded.scores[image], decoded.labels[image], strict=True
        )
        if score > 0
    ]


@pytest.mark.parametrize("case", CASES)
def test_random_batches(case):
    *shape, options = CASES[case]
    settings = Decoding(**options)
    batch = random_batch(*shape)
    decoded = called_once(lambda *batch: [decode(*batch, settings) for decode in JUDGES], *batch)
    for found, judge in zip(decoded, JUDGES.values(), strict=True):
        for image, (boxes, scores) in enumerate(zip(*batch, strict=True)):
            expected = judge(
                boxes,
                scores,
                settings.min_score,
                settings.iou_threshold,
                settings.candidates,
                settings.max_detections,
            )
            assert found_in(found, image) == expected
            assert expected
