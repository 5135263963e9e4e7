"""Average precision by the rules of the Pascal VOC devkit, and its mean over the classes, mAP.

A detector trades precision (how many of its detections are right) for recall (how many of the objects it
finds): the lower the score it asks for, the more it finds and the more often it is wrong. Average precision
sums up that curve for one class, in one of two ways:

- "voc07", VOC 2007 to 2009: the mean of the best precision still to be had at recall 0, 0.1, ..., 1.
- "voc10", VOC 2010 and later: the area under the curve, after precision was made to fall monotonically.

Source: `VOCevaldet.m` of the VOC2007 and the VOC2012 devkit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.classes import checked_class_names
from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError

Protocol = Literal["voc07", "voc10"]
"""How average precision is computed from the curve of precision over recall."""

PIXEL_BORDER = 1.0
"""The corners of a VOC box name the first and the last pixel inside: a box from 3 to 3 is one pixel wide."""


@dataclass(frozen=True, eq=False)
class ClassCurve:
    """Precision over recall for one class. K counts its detections except the ignored ones; K may be 0.

    Attributes:
        name: the class.
        positives: how many objects there are to be found: its ground truth, difficult and crowd left out.
        scores: (K,) float64, descending over all images.
        recall: (K,) float64, 0-1, the share of the objects found down to this score; NaN without positives.
        precision: (K,) float64, 0-1, the share of true positives among the detections down to this score.
        ap: average precision, 0-1; NaN without positives.
    """

    name: str
    positives: int
    scores: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    ap: float


@dataclass(frozen=True, eq=False)
class VocResult:
    """What `evaluate_voc` found out.

    Attributes:
        protocol: "voc07" or "voc10".
        iou_threshold: the IoU from which on a detection meets an object.
        classes: one curve per class, in the order of the class names.
    """

    protocol: Protocol
    iou_threshold: float
    classes: tuple[ClassCurve, ...]

    @property
    def mAP(self) -> float:  # noqa: N802 - the field's own spelling
        """Mean average precision, 0-1, over the classes that have objects to be found."""
        return float(np.nanmean([curve.ap for curve in self.classes]))

    @property
    def per_class(self) -> dict[str, float]:
        """Average precision by class name, 0-1; NaN for a class without objects to be found."""
        return {curve.name: curve.ap for curve in self.classes}

    def as_json(self) -> dict[str, Any]:
        """Give the numbers as `ssd evaluate --json` prints them; None stands for NaN, which JSON lacks."""
        return {
            "protocol": self.protocol,
            "iou_threshold": self.iou_threshold,
            "mAP": self.mAP,
            "per_class": {name: None if math.isnan(ap) else ap for name, ap in self.per_class.items()},
        }


def evaluate_voc(
    detections: Sequence[Detections],
    ground_truths: Sequence[GroundTruth],
    class_names: Sequence[str],
    protocol: Protocol = "voc10",
    iou_threshold: float = 0.5,
) -> VocResult:
    """Compare what was found in each image with what is in it, as the Pascal VOC devkit does.

    Detections of equal score keep the order of the images. Crowd boxes, which VOC does not have, are treated
    like its difficult ones. Pixel boxes are taken as they are, corners inclusive.

    Args:
        detections: what was found, image by image; their class names are `class_names`.
        ground_truths: what is in the same images, in the same order.
        class_names: the classes, in the order of the labels.
        protocol: "voc07" (11 points) or "voc10" (area).
        iou_threshold: the IoU from which on a detection meets an object, above 0 and at most 1.

    Raises:
        InputError: the protocol is unknown, the threshold is out of range, the detections are of other
            classes, or no class has an object to be found.
        ValueError: there are not as many detections as ground truths, or a label has no class name.
    """
    names = checked_class_names(class_names)
    _check_settings(protocol, iou_threshold)
    _check_images(detections, ground_truths, names)
    positives = _count_positives(ground_truths, len(names))
    if not positives.any():
        raise InputError(
            "no class has an object to be found (difficult and crowd boxes do not count): "
            "evaluate on a split that has labelled objects"
        )
    judged = _judge_images(detections, ground_truths, iou_threshold)
    curves = tuple(
        _class_curve(name, judged.of_class(label), int(positives[label]), _AVERAGE_PRECISION[protocol])
        for label, name in enumerate(names)
    )
    return VocResult(protocol, iou_threshold, curves)


def average_precision_11_point(true_positive: NDArray[np.bool_], positives: int) -> float:
    """Mean over recall 0, 0.1, ..., 1 of the best precision at that recall or a higher one; VOC 2007 to 2009.

    Recall is compared exactly, in integers: k of n objects reach the recall j/10 if 10 k >= j n. The devkit
    compares floating-point numbers, where 3/10 is smaller than 3 * 0.1: a recall of exactly .3 can be lost.

    Args:
        true_positive: (K,) bool, best score first: is this detection a true positive, or a false one?
        positives: how many objects there are to be found.

    Returns:
        Average precision, 0-1; 0 without detections, NaN without positives.
    """
    if positives == 0:
        return math.nan
    reached = np.searchsorted(10 * np.cumsum(true_positive), np.arange(11) * positives)
    best_precision = np.append(_precision_envelope(true_positive), 0.0)  # 0 where the recall is never reached
    return float(best_precision[reached].mean())


def average_precision_area(true_positive: NDArray[np.bool_], positives: int) -> float:
    """Area under precision over recall, precision made monotone; VOC 2010 and later.

    Each true positive is a step of 1/positives in recall, as high as the best precision there or beyond.

    Args:
        true_positive: (K,) bool, best score first: is this detection a true positive, or a false one?
        positives: how many objects there are to be found.

    Returns:
        Average precision, 0-1; 0 without detections, NaN without positives.
    """
    if positives == 0:
        return math.nan
    return float(_precision_envelope(true_positive)[true_positive].sum() / positives)


_AVERAGE_PRECISION: dict[str, Callable[[NDArray[np.bool_], int], float]] = {
    "voc07": average_precision_11_point,
    "voc10": average_precision_area,
}


@dataclass(frozen=True, eq=False)
class _Judged:
    """Detections (K,) that count, of all images, best score first: true positives and false positives."""

    scores: NDArray[np.float64]
    labels: NDArray[np.int32]
    true_positive: NDArray[np.bool_]

    def of_class(self, label: int) -> _Judged:
        chosen = self.labels == label
        return _Judged(self.scores[chosen], self.labels[chosen], self.true_positive[chosen])


def _judge_images(
    detections: Sequence[Detections], ground_truths: Sequence[GroundTruth], iou_threshold: float
) -> _Judged:
    """Judge each image by itself, then sort: an object can only be taken by detections of its own image."""
    verdicts = [
        _judge_image(found, truth, iou_threshold)
        for found, truth in zip(detections, ground_truths, strict=True)
    ]
    true_positive = np.concatenate([positive for positive, _ in verdicts])
    ignored = np.concatenate([unjudged for _, unjudged in verdicts])
    scores = np.concatenate([found.scores for found in detections]).astype(np.float64)
    labels = np.concatenate([found.labels for found in detections])
    order = np.argsort(-scores, kind="stable")
    order = order[~ignored[order]]
    return _Judged(scores[order], labels[order], true_positive[order])


def _judge_image(
    found: Detections, truth: GroundTruth, iou_threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of each detection (K,) of one image whether it is a true positive, and whether it is ignored.

    Each detection looks only at the object of its class it overlaps best (the first, on ties), be that
    difficult or taken: it never falls back on the second best.
    """
    true_positive = np.zeros(len(found), bool)
    ignored = np.zeros(len(found), bool)
    if not len(found) or not len(truth):
        return true_positive, ignored
    iou = pairwise_iou(found.boxes_px.astype(np.float64), truth.boxes_px.astype(np.float64), PIXEL_BORDER)
    iou[found.labels[:, None] != truth.labels] = 0.0  # below every threshold
    nearest = iou.argmax(axis=1)
    meets = iou.max(axis=1) >= iou_threshold
    ignored = meets & _not_counted(truth)[nearest]
    takers = np.flatnonzero(meets & ~ignored)
    # Detections are sorted by score: the first to meet an object takes it, the others found it twice.
    _, first = np.unique(nearest[takers], return_index=True)
    true_positive[takers[first]] = True
    return true_positive, ignored


def _class_curve(
    name: str,
    judged: _Judged,
    positives: int,
    average_precision: Callable[[NDArray[np.bool_], int], float],
) -> ClassCurve:
    found = np.cumsum(judged.true_positive)
    return ClassCurve(
        name=name,
        positives=positives,
        scores=judged.scores,
        recall=found / positives if positives else np.full(len(found), np.nan),
        precision=_precision(judged.true_positive),
        ap=average_precision(judged.true_positive, positives),
    )


def _precision(true_positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of true positives (K,) among the first 1, 2, ..., K detections."""
    share: NDArray[np.float64] = np.cumsum(true_positive) / np.arange(1, len(true_positive) + 1)
    return share


def _precision_envelope(true_positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Best precision (K,) at each detection or any later one: the curve made to fall monotonically."""
    envelope: NDArray[np.float64] = np.maximum.accumulate(_precision(true_positive)[::-1])[::-1]
    return envelope


def _not_counted(truth: GroundTruth) -> NDArray[np.bool_]:
    """Objects (M,) nobody has to find and whose detection is neither right nor wrong."""
    return truth.difficult | truth.crowd


def _count_positives(ground_truths: Sequence[GroundTruth], classes: int) -> NDArray[np.intp]:
    """Count the objects to be found of each class: (classes,)."""
    positives = np.zeros(classes, np.intp)
    for truth in ground_truths:
        positives += np.bincount(truth.labels[~_not_counted(truth)], minlength=classes)
    return positives


def _check_settings(protocol: str, iou_threshold: float) -> None:
    if protocol not in _AVERAGE_PRECISION:
        raise InputError(f"protocol {protocol!r} is unknown: choose one of {', '.join(_AVERAGE_PRECISION)}")
    if not 0 < iou_threshold <= 1:
        raise InputError(f"IoU threshold {iou_threshold} is out of range: choose one above 0 and at most 1")


def _check_images(
    detections: Sequence[Detections], ground_truths: Sequence[GroundTruth], class_names: tuple[str, ...]
) -> None:
    if len(detections) != len(ground_truths):
        raise ValueError(f"detections of {len(detections)} images, ground truth of {len(ground_truths)}")
    for index, (found, truth) in enumerate(zip(detections, ground_truths, strict=True)):
        if found.class_names != class_names:
            raise InputError(
                f"image {index}: the detector knows the classes {', '.join(found.class_names)}, the data has "
                f"{', '.join(class_names)}: evaluate on data with the same classes in the same order"
            )
        if len(truth) and not 0 <= truth.labels.min() <= truth.labels.max() < len(class_names):
            raise ValueError(f"image {index}: a label of {truth.labels.tolist()} has no class name")
