"""How well a detector does on a split whose ground truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ssd_keras.data.samples import Dataset, Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.analysis import SCORE_THRESHOLD, Analysis, analyse
from ssd_keras.evaluation.coco import CocoResult, evaluate_coco
from ssd_keras.evaluation.protocols import Protocol, rules_of
from ssd_keras.evaluation.voc import VocResult, evaluate_voc
from ssd_keras.inference.detecting import BATCH_SIZE, detect_images
from ssd_keras.inference.part_times import PartTimes

if TYPE_CHECKING:
    from ssd_keras.runtimes.detector import Detector

Result = VocResult | CocoResult
"""Both have `protocol`, `mAP`, `per_class`, `objects` and `as_json()`."""


def evaluate(
    model: Detector,
    split: Split,
    protocol: Protocol = "voc10",
    iou_threshold: float = 0.5,
    fast: bool = False,
    batch_size: int = BATCH_SIZE,
) -> Result:
    """Measure the average precision of a detector on a split.

    Of an image nothing is kept but its detections, some 3 kB; pixels are read as they are needed.

    Args:
        model: the detector.
        split: of a data set opened with the detector's class names.
        protocol: "voc07" (11 points), "voc10" (area) or "coco" (twelve numbers).
        iou_threshold: from which on a detection counts as right; COCO has its own ten.
        fast: decode the best class of each anchor only.
        batch_size: images that go through the network at once.

    Raises:
        InputError: an image cannot be read, or the classes are not the detector's.
    """
    check_split(split)
    return score(detect_split(model, split, fast, batch_size), split, protocol, iou_threshold)


def detect_split(
    model: Detector,
    split: Split,
    fast: bool = False,
    batch_size: int = BATCH_SIZE,
    times: PartTimes | None = None,
) -> list[Detections]:
    """Run a detector over all images of a split, keeping even the least sure detections, in order.

    Where `times` are given, what reading, network and decoding take is added to them.

    Raises:
        InputError: an image cannot be read. A score needs every one.
    """
    found: dict[int, Detections] = {}
    sources = [sample.image for sample in split]
    with (times or PartTimes()).of_detecting(model):
        for index, detections in detect_images(
            model, sources, threshold=0.0, fast=fast, batch_size=batch_size
        ):
            if isinstance(detections, InputError):
                raise detections
            found[index] = detections
    return [found[index] for index in range(len(split))]


def score(
    detections: Sequence[Detections], split: Split, protocol: Protocol = "voc10", iou_threshold: float = 0.5
) -> Result:
    """Measure the average precision of detections, image by image those of `split`; as `evaluate` does."""
    check_split(split)
    rules_of(protocol)  # an unknown one is said
    truths = [sample.ground_truth for sample in split]
    if protocol == "coco":
        return evaluate_coco(detections, truths, split.class_names, [sample.image_id for sample in split])
    return evaluate_voc(detections, truths, split.class_names, protocol, iou_threshold)


def analyse_split(
    detections: Sequence[Detections],
    split: Split,
    protocol: Protocol = "voc10",
    iou_threshold: float = 0.5,
    score_threshold: float = SCORE_THRESHOLD,
    seconds: Mapping[str, float] | None = None,
) -> Analysis:
    """Say where detections, image by image those of `split`, are wrong; see `evaluation.analysis.analyse`."""
    truths = [sample.ground_truth for sample in split]
    return analyse(detections, truths, split.class_names, protocol, iou_threshold, score_threshold, seconds)


def choose_split(dataset: Dataset, name: str | None = None) -> Split:
    """Give the split to evaluate on: `name`, else "test", else "val", else the only one.

    Raises:
        InputError: it does not exist, or nothing says which.
    """
    if name:
        return dataset[name]
    for usual in ("test", "val"):
        found = dataset.usual(usual)
        if found is not None:
            return found
    if len(dataset) == 1:
        return next(iter(dataset.values()))
    raise InputError(f"none of the splits {', '.join(dataset)} is 'test' or 'val': name one with --split")


def check_split(split: Split) -> None:
    """Raise `InputError` where there is no image to be scored."""
    if not len(split):
        raise InputError(f"split {split.name!r} has no image: choose another with --split")
