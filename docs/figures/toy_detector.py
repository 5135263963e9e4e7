"""A network small enough to be trained while the figures are made: to show what a network gives.

It predicts from six feature maps with the sides of SSD300's, so that it has SSD300's 8,732 anchors. It begins
to learn sixteen scenes by heart, the one of the figures among them, and is stopped while it still errs: this
says how SSD works and nothing of how well.
"""

from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from street_example import ANCHORS, SEED, SIDE, STREET_CLASSES, scene

from ssd_keras.boxes.formats import px_to_relative
from ssd_keras.models.ssd import SSD

STEPS = 30
"""Of training, with all sixteen scenes in each."""

EARLY = 10
"""After this many steps the figure of the mined negatives is made."""

FILTERS = (16, 32, 64, 64, 64, 64)
MOST_OBJECTS = 9


class RawPredictions(NamedTuple):
    """What the network gives for the scene: offsets (A, 4) and logits (A, C), background first."""

    offsets: NDArray[np.float32]
    logits: NDArray[np.float32]


def toy_features(image: Any) -> list[Any]:
    """Build six feature maps of 38, 19, 10, 5, 3 and 1 cells a side for an image of 300 pixels a side."""
    x, maps = image, []
    for number, filters in enumerate(FILTERS):
        x = _block(x, filters, 2, "same", f"down{number}")
        if number >= 2:
            x = _block(x, filters, 1, "same", f"map{number}")
            maps.append(x)
    for number in (6, 7):
        x = _block(x, FILTERS[-1], 1, "valid", f"map{number}")
        maps.append(x)
    return maps


def _block(x: Any, filters: int, stride: int, padding: str, name: str) -> Any:
    x = layers.Conv2D(filters, 3, stride, padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def repeat_exactly() -> None:
    """Let the same program on the same machine compute the same, for as long as the process runs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def make_detector() -> SSD:
    """Make the untrained detector."""
    keras.utils.set_random_seed(0)
    return SSD.from_backbone(toy_features, STREET_CLASSES, (SIDE, SIDE), anchors=ANCHORS)


def training_batch() -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
    """Draw the sixteen scenes: images, and padded boxes and labels."""
    images, boxes, labels = [], [], []
    for seed in range(SEED, SEED + 16):
        image, truth = scene(seed)
        padding = (0, MOST_OBJECTS - len(truth))
        images.append(image)
        boxes.append(np.pad(px_to_relative(truth.boxes_px, (SIDE, SIDE)), (padding, (0, 0))))
        labels.append(np.pad(truth.labels, padding, constant_values=-1))
    return np.stack(images), {"boxes": np.stack(boxes), "labels": np.stack(labels)}


@cache
def trained(steps: int = STEPS, early: int = EARLY) -> tuple[RawPredictions, RawPredictions]:
    """Train the detector; give what it predicts for the scene early and at last."""
    detector = make_detector()
    detector.compile(optimizer=keras.optimizers.Adam(2e-3))
    images, truth = training_batch()
    predicted = []
    for part in (min(early, steps), steps - min(early, steps)):
        for _ in range(part):
            detector.train_on_batch(images, truth)
        predicted.append(_predictions(detector, images))
    return predicted[0], predicted[1]


def _predictions(detector: SSD, images: NDArray[np.uint8]) -> RawPredictions:
    """Predict with the statistics of the batch, which running means do not have yet after few steps."""
    raw = detector(images, training=True)
    return RawPredictions(*(keras.ops.convert_to_numpy(raw[key])[0] for key in RawPredictions._fields))
