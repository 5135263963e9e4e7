"""Precision over recall, class by class, and the average precision that sums a curve up.

A detector trades precision (how many of its detections are right) for recall (how many of the objects it
finds): the lower the score it asks for, the more it finds and the more often it is wrong. Average precision
sums up that curve for one class, in one of three ways:

- "voc07", VOC 2007 to 2009: the mean of the best precision still to be had at recall 0, 0.1, ..., 1.
- "voc10", VOC 2010 and later: the area under the curve, after precision was made to fall monotonically.
- "coco": the mean of the best precision still to be had at recall 0, 0.01, ..., 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.evaluation.judging import Verdicts
from ssd_keras.evaluation.table import Table

POINTS = 101
"""So many points of a curve go into a document, at recall 0, 0.01, ..., 1."""


@dataclass(frozen=True, eq=False)
class ClassCurve:
    """Precision over recall for one class. K counts its detections except the ignored ones; K may be 0.

    Attributes:
        name: the class.
        positives: how many objects there are to be found.
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

    @property
    def found(self) -> NDArray[np.intp]:
        """(K,) how many objects are found down to this score."""
        return np.rint(self.precision * np.arange(1, len(self.precision) + 1)).astype(np.intp)

    def as_json(self) -> dict[str, Any]:
        """Give the curve at recall 0, 0.01, ...: precision and score, as far as recall goes."""
        reached = (
            np.searchsorted(self.recall, np.linspace(0, 1, POINTS)) if self.positives else np.zeros(0, int)
        )
        reached = reached[reached < len(self.recall)]
        envelope = falling(self.precision)
        return {
            "class": self.name,
            "objects": self.positives,
            "ap": None if math.isnan(self.ap) else self.ap,
            "precision_at_recall_percent": envelope[reached].tolist(),
            "score_at_recall_percent": self.scores[reached].tolist(),
        }


def class_curves(
    table: Table, verdicts: Verdicts, positives: NDArray[np.intp], protocol: str
) -> tuple[ClassCurve, ...]:
    """Give the curve of each class, in the order of the class names.

    Detections of equal score keep the order of the images.

    Args:
        table: the detections.
        verdicts: what became of each of them.
        positives: (classes,) how many objects there are to be found.
        protocol: by which average precision sums up a curve.
    """
    order = np.argsort(-table.scores, kind="stable")
    order = order[~verdicts.ignored[order]]
    order = order[np.argsort(table.labels[order], kind="stable")]
    ends = np.searchsorted(table.labels[order], np.arange(1, len(table.class_names)))
    right = verdicts.true_positive
    return tuple(
        _class_curve(name, table.scores[chosen], right[chosen], int(count), AVERAGE_PRECISION[protocol])
        for name, chosen, count in zip(table.class_names, np.split(order, ends), positives, strict=True)
    )


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
    return _mean_at(reached, true_positive)


def average_precision_101_point(true_positive: NDArray[np.bool_], positives: int) -> float:
    """Mean over recall 0, 0.01, ..., 1 of the best precision at that recall or a higher one; COCO.

    Recall is compared as floating-point numbers, as pycocotools does. Arguments and result as for
    `average_precision_11_point`.
    """
    if positives == 0:
        return math.nan
    reached = np.searchsorted(np.cumsum(true_positive) / positives, np.linspace(0, 1, 101))
    return _mean_at(reached, true_positive)


def average_precision_area(true_positive: NDArray[np.bool_], positives: int) -> float:
    """Area under precision over recall, precision made monotone; VOC 2010 and later.

    Each true positive is a step of 1/positives in recall, as high as the best precision there or beyond.
    Arguments and result as for `average_precision_11_point`.
    """
    if positives == 0:
        return math.nan
    return float(falling(_precision(true_positive))[true_positive].sum() / positives)


AVERAGE_PRECISION: dict[str, Callable[[NDArray[np.bool_], int], float]] = {
    "voc07": average_precision_11_point,
    "voc10": average_precision_area,
    "coco": average_precision_101_point,
}


def falling(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Best precision (K,) at each detection or any later one: the curve made to fall monotonically."""
    envelope: NDArray[np.float64] = np.maximum.accumulate(precision[::-1])[::-1]
    return envelope


def mean_ap(curves: tuple[ClassCurve, ...]) -> float:
    """Mean average precision over the classes that have objects to be found; NaN where none has."""
    aps = [curve.ap for curve in curves]
    return math.nan if all(map(math.isnan, aps)) else float(np.nanmean(aps))


def _class_curve(
    name: str,
    scores: NDArray[np.float32],
    true_positive: NDArray[np.bool_],
    positives: int,
    average_precision: Callable[[NDArray[np.bool_], int], float],
) -> ClassCurve:
    found = np.cumsum(true_positive)
    return ClassCurve(
        name=name,
        positives=positives,
        scores=scores.astype(np.float64),
        recall=found / positives if positives else np.full(len(found), np.nan),
        precision=_precision(true_positive),
        ap=average_precision(true_positive, positives),
    )


def _mean_at(reached: NDArray[np.intp], true_positive: NDArray[np.bool_]) -> float:
    best_precision = np.append(falling(_precision(true_positive)), 0.0)  # 0 where the recall is never reached
    return float(best_precision[reached].mean())


def _precision(true_positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of true positives (K,) among the first 1, 2, ..., K detections."""
    share: NDArray[np.float64] = np.cumsum(true_positive) / np.arange(1, len(true_positive) + 1)
    return share
