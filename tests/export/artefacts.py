"""A small detector and its exports, each made once a process."""

import functools
import json
import tempfile
from pathlib import Path

import numpy as np

from ssd_keras.boxes.anchors import ScaledAnchors
from ssd_keras.export.artefact_files import write_artefact
from ssd_keras.export.check_images import images_for_check
from ssd_keras.export.worker import describe, found_by_keras
from ssd_keras.inference.detector import load_detector, save_detector
from ssd_keras.models.decoding import Decoding
from ssd_keras.models.ssd import SSD
from ssd_keras.runtimes.formats import SUFFIXES

CLASSES = ("blue", "red")
FORMATS = tuple(SUFFIXES)
IMAGE_SIZE = (64, 96)


@functools.cache
def folder() -> Path:
    """Give a folder that lives as long as the tests."""
    made = tempfile.TemporaryDirectory(prefix="ssd-test-exports-")
    _KEPT.append(made)
    return Path(made.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def small_detector(**changes) -> SSD:
    """Build SSD7 for small images, whose untrained heads are loud enough to find things."""
    import keras

    keras.utils.set_random_seed(3)
    anchors = ScaledAnchors(scales=(0.2, 0.3, 0.4, 0.6, 0.8), aspect_ratios=(0.5, 1.0, 2.0))
    decoding = Decoding(candidates=100, max_detections=80)  # quick to trace
    settings = {"image_size": IMAGE_SIZE, "anchors": anchors, "decoding": decoding, **changes}
    model = SSD.from_preset("ssd7", CLASSES, **settings)
    for layer in model.layers:
        if layer.name.endswith("_mbox_conf"):
            layer.set_weights([3 * weights for weights in layer.get_weights()])
    return model


@functools.cache
def keras_file() -> Path:
    """Save the small detector."""
    save_detector(small_detector(), folder() / "small.keras")
    return folder() / "small.keras"


@functools.cache
def keras_detector():
    """Give the small detector as it was saved."""
    return load_detector(keras_file())


def artefact(kind: str, raw: bool = False) -> Path:
    """Export the small detector, in this process."""
    return _artefact(kind, raw)


@functools.cache
def _artefact(kind: str, raw: bool) -> Path:
    path = folder() / f"{'raw' if raw else 'small'}{SUFFIXES[kind]}"
    model = keras_detector()
    write_artefact(model, kind, path, describe(model, raw).as_text(), raw)
    return path


@functools.cache
def found_in_check_images() -> dict[str, np.ndarray]:
    """Give the generated images of the check, and what Keras finds in them."""
    images = images_for_check(None, IMAGE_SIZE)
    return {"images": images, **found_by_keras(keras_detector(), images)}


def boxes_in(text: str) -> list[tuple[str, list[tuple[str, float, list[float]]]]]:
    """Give what `ssd detect --json` found: the images with their detections."""
    return [
        (entry["image"], [(one["label"], one["score"], one["box"]) for one in entry["detections"]])
        for entry in json.loads(text)
    ]
