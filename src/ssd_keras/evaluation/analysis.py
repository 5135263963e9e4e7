"""All that can be said about a detector beside its score: where it errs, and at which threshold to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.evaluation.calibration import Calibration, calibration
from ssd_keras.evaluation.confusion import ConfusionMatrix, confusion_matrix
from ssd_keras.evaluation.curves import ClassCurve, class_curves
from ssd_keras.evaluation.error_kinds import ErrorKinds, error_kinds
from ssd_keras.evaluation.judging import Verdicts, judge
from ssd_keras.evaluation.object_size import SizeScore, size_scores
from ssd_keras.evaluation.protocols import Protocol, check_iou_threshold, rules_of
from ssd_keras.evaluation.table import Table, gather
from ssd_keras.evaluation.thresholds import ThresholdScores, threshold_scores

SCORE_THRESHOLD = 0.5
"""From which score on detections are looked at where a threshold is needed: that of `ssd detect`."""


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """How well each image was done, among detections that reach the threshold; (images,) int each.

    Attributes:
        found: objects that were found.
        wrong: false positives.
        missed: objects that were not found.
    """

    found: NDArray[np.intp]
    wrong: NDArray[np.intp]
    missed: NDArray[np.intp]

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each image (images,), 0-1; 1 where nothing is and nothing was found."""
        errors = self.wrong + self.missed
        f1: NDArray[np.float64] = np.where(
            errors, 2 * self.found / np.maximum(1, 2 * self.found + errors), 1.0
        )
        return f1

    def worst(self, count: int) -> list[int]:
        """Number the images with the most errors, worst first; the first of several that are as bad."""
        return list(map(int, np.argsort(-(self.wrong + self.missed), kind="stable")[:count]))

    def best(self, count: int) -> list[int]:
        """Number the images with the most objects found among those with the fewest errors, best first."""
        return list(map(int, np.lexsort((-self.found, self.wrong + self.missed))[:count]))


@dataclass(frozen=True, eq=False)
class Analysis:
    """What `analyse` found out. All of it is counted at one threshold of the IoU.

    Attributes:
        protocol: by whose rules detections were judged.
        iou_threshold: from which overlap on a detection meets an object.
        score_threshold: from which score on detections count for `confusion`, `errors` and `images`.
        curves: precision over recall of each class, in the order of the class names.
        thresholds: F1 by threshold, and the best threshold of each class.
        confusion: which classes are taken for which.
        errors: errors by kind, and what each kind costs.
        sizes: average precision of small, medium and large objects.
        calibration: how far scores can be taken for probabilities.
        images: objects found, missed, and false positives of each image.
        seconds: what each part of the evaluation took, by its name; empty where nobody measured it.
    """

    protocol: Protocol
    iou_threshold: float
    score_threshold: float
    curves: tuple[ClassCurve, ...]
    thresholds: ThresholdScores
    confusion: ConfusionMatrix
    errors: ErrorKinds
    sizes: tuple[SizeScore, ...]
    calibration: Calibration
    images: ImageCounts
    seconds: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give everything but the single images, curves at 101 points, as `ssd evaluate --json` prints it."""
        return {
            "protocol": self.protocol,
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "curves": [curve.as_json() for curve in self.curves],
            "thresholds": self.thresholds.as_json(),
            "confusion": self.confusion.as_json(),
            "errors": self.errors.as_json(),
            "sizes": {score.size: score.as_json() for score in self.sizes},
            "calibration": self.calibration.as_json(),
            "seconds": dict(self.seconds),
        }


def analyse(
    detections: Sequence[Detections],
    ground_truths: Sequence[GroundTruth],
    class_names: Sequence[str],
    protocol: Protocol = "voc10",
    iou_threshold: float = 0.5,
    score_threshold: float = SCORE_THRESHOLD,
    seconds: Mapping[str, float] | None = None,
) -> Analysis:
    """Look at what was found in each image from all sides.

    Data without a single object can be analysed too: there is nothing to be found, but much to be made up.

    Args:
        detections: what was found, image by image; their class names are `class_names`.
        ground_truths: what is in the same images, in the same order.
        class_names: the classes, in the order of the labels.
        protocol: by whose rules a detection is right: "voc07", "voc10" or "coco".
        iou_threshold: the overlap from which on a detection meets an object, above 0 and at most 1.
        score_threshold: from which score on detections count where a threshold is needed.
        seconds: what each part of the evaluation took, where somebody measured it.

    Raises:
        InputError: the protocol is unknown, the threshold is out of range, or the detections are of other
            classes.
        ValueError: there are not as many detections as ground truths, or a label has no class name.
    """
    return analyse_table(
        gather(detections, ground_truths, class_names), protocol, iou_threshold, score_threshold, seconds
    )


def analyse_table(
    table: Table,
    protocol: Protocol,
    iou_threshold: float = 0.5,
    score_threshold: float = SCORE_THRESHOLD,
    seconds: Mapping[str, float] | None = None,
) -> Analysis:
    """Do the work of `analyse` for detections that are gathered already."""
    check_iou_threshold(iou_threshold)
    rules = rules_of(protocol)
    counted = table.counted(rules)
    verdicts = judge(table, rules, iou_threshold)
    curves = class_curves(table, verdicts, table.positives(counted), protocol)
    judged = ~verdicts.ignored
    return Analysis(
        protocol=protocol,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        curves=curves,
        thresholds=threshold_scores(curves),
        confusion=confusion_matrix(table, rules, iou_threshold, score_threshold),
        errors=error_kinds(table, rules, verdicts, iou_threshold, score_threshold, protocol),
        sizes=size_scores(table, rules, iou_threshold, protocol),
        calibration=calibration(table.scores[judged], verdicts.true_positive[judged]),
        images=_image_counts(table, counted, verdicts, score_threshold),
        seconds=seconds or {},
    )


def _image_counts(
    table: Table, counted: NDArray[np.bool_], verdicts: Verdicts, score_threshold: float
) -> ImageCounts:
    seen = table.scores >= np.float32(score_threshold)
    found = np.bincount(table.image[seen & verdicts.true_positive], minlength=table.images)
    wrong = np.bincount(table.image[seen & verdicts.false_positive], minlength=table.images)
    there = np.bincount(table.object_image[counted], minlength=table.images)
    return ImageCounts(found, wrong, there - found)
