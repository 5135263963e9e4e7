"""How well a detector does on a split whose ground truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssd_keras.data.samples import Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.voc import Protocol, VocResult, evaluate_voc
from ssd_keras.inference.detecting import BATCH_SIZE, detect_images

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD


def detect_split(
    model: SSD, split: Split, fast: bool = False, batch_size: int = BATCH_SIZE
) -> list[Detections]:
    """Run a detector over all images of a split, keeping even the least sure detections, in order.

    Raises:
        InputError: an image cannot be read. A score needs every one.
    """
    found: dict[int, Detections] = {}
    sources = [sample.image for sample in split]
    for index, detections in detect_images(model, sources, threshold=0.0, fast=fast, batch_size=batch_size):
        if isinstance(detections, InputError):
            raise detections
        found[index] = detections
    return [found[index] for index in range(len(split))]


def evaluate(
    model: SSD,
    split: Split,
    protocol: Protocol = "voc10",
    iou_threshold: float = 0.5,
    fast: bool = False,
    batch_size: int = BATCH_SIZE,
) -> VocResult:
    """Measure the average precision of a detector on a split.

    Args:
        model: the detector.
        split: of a data set opened with the detector's class names.
        protocol: "voc07" (11 points) or "voc10" (area).
        iou_threshold: from which on a detection counts as right.
        fast: decode the best class of each anchor only.
        batch_size: images that go through the network at once.

    Raises:
        InputError: an image cannot be read, or the classes are not the detector's.
    """
    if not len(split):
        raise InputError(f"split {split.name!r} has no image: choose another with --split")
    detections = detect_split(model, split, fast, batch_size)
    truths = [sample.ground_truth for sample in split]
    return evaluate_voc(detections, truths, split.class_names, protocol, iou_threshold)
