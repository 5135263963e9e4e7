"""F1 by the score threshold, and the threshold at which each class does best.

F1 is the harmonic mean of precision and recall, 2 TP / (detections + objects): one number for a detector that
is used at one threshold, where average precision judges all thresholds together.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.evaluation.curves import ClassCurve

GRID: NDArray[np.float64] = np.linspace(0, 1, 101)
"""The thresholds at which F1 is given for drawing: 0, 0.01, ..., 1."""

ALL = "all classes"

MOST_IN_A_FLAG = 20
"""Thresholds of so many classes can be copied into a command."""


@dataclass(frozen=True)
class BestThreshold:
    """Where F1 is highest: detections with a score of at least `threshold` are taken.

    The highest such threshold, where several are as good; NaN and zeros for a class that is never found.
    """

    name: str
    threshold: float
    f1: float
    precision: float
    recall: float

    def as_json(self) -> dict[str, Any]:
        """Give the numbers; None stands for NaN."""
        threshold = None if math.isnan(self.threshold) else self.threshold
        return {"threshold": threshold, "f1": self.f1, "precision": self.precision, "recall": self.recall}


@dataclass(frozen=True, eq=False)
class ThresholdScores:
    """F1 by threshold.

    Attributes:
        grid: (101,) float64, the thresholds 0, 0.01, ..., 1.
        f1: F1 (101,) at the thresholds of the grid by class name; only classes with objects.
        best: the best threshold of each class with objects.
        overall: the best single threshold, by the F1 of the detections of all classes counted together.
    """

    grid: NDArray[np.float64]
    f1: dict[str, NDArray[np.float64]]
    best: dict[str, BestThreshold]
    overall: BestThreshold

    def as_flag(self) -> str:
        """Give the flag of `ssd detect` that has the best threshold of each class that is found.

        It is empty where there is one such class, for which `--threshold` does, or where they are too many.
        """
        best = {one.name: one.threshold for one in self.best.values() if not math.isnan(one.threshold)}
        if not 1 < len(best) <= MOST_IN_A_FLAG:
            return ""
        stated = [f"{name}={rounded_down(lowest):g}" for name, lowest in best.items()]
        if any(one.startswith("-") for one in stated):  # what stands by itself would be taken for a flag
            return " ".join(shlex.quote(f"--class-threshold={one}") for one in stated)
        return " ".join(["--class-threshold", *map(shlex.quote, stated)])

    def as_json(self) -> dict[str, Any]:
        """Give all numbers; None stands for NaN."""
        return {
            "grid": self.grid.tolist(),
            "f1": {name: values.tolist() for name, values in self.f1.items()},
            "best": {name: best.as_json() for name, best in self.best.items()},
            "overall": self.overall.as_json(),
        }


def rounded_down(threshold: float) -> float:
    """Give a threshold, 0-1, with two digits: never more, so that the detection with just this score stays.

    Leading zeros do not count: of a detector that is sure of nothing yet, 0 would let everything through.
    """
    scale = 10 ** max(2, 1 - math.floor(math.log10(threshold))) if threshold > 0 else 1
    return math.floor(threshold * scale) / scale


def threshold_scores(curves: tuple[ClassCurve, ...]) -> ThresholdScores:
    """Measure F1 at all thresholds for the classes that have objects, and for all of these together."""
    measured = [curve for curve in curves if curve.positives]
    return ThresholdScores(
        grid=GRID,
        f1={curve.name: f1_at(curve, GRID) for curve in measured},
        best={curve.name: best_threshold(*_counts(curve)) for curve in measured},
        overall=_overall(measured),
    )


def f1_at(curve: ClassCurve, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give F1 (T,) of one class with objects where detections with at least these scores (T,) are taken."""
    reached = thresholds.astype(np.float32).astype(np.float64)  # as scores, which are float32, are compared
    taken = np.searchsorted(-curve.scores, -reached, "right")
    found = np.append(0, curve.found)[taken]
    f1: NDArray[np.float64] = 2 * found / (taken + curve.positives)
    return f1


def best_threshold(
    name: str, scores: NDArray[np.float64], found: NDArray[np.intp], positives: int
) -> BestThreshold:
    """Find the score at which F1 is highest.

    Args:
        name: of the class.
        scores: (K,) descending.
        found: (K,) how many objects are found down to each score.
        positives: how many objects there are.
    """
    if not len(found) or not found[-1]:
        return BestThreshold(name, math.nan, 0.0, 0.0, 0.0)
    # Of detections with the same score all are taken or none: only the last of them is a threshold.
    taken = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) + 1
    right = found[taken - 1]
    f1 = 2 * right / (taken + positives)
    k = int(f1.argmax())  # the first, which is the highest threshold
    precision, recall = float(right[k] / taken[k]), float(right[k] / positives)
    return BestThreshold(name, float(scores[taken[k] - 1]), float(f1[k]), precision, recall)


def _counts(curve: ClassCurve) -> tuple[str, NDArray[np.float64], NDArray[np.intp], int]:
    return curve.name, curve.scores, curve.found, curve.positives


def _overall(curves: list[ClassCurve]) -> BestThreshold:
    scores = np.concatenate([np.zeros(0), *(curve.scores for curve in curves)])
    right = np.concatenate([np.zeros(0, np.intp), *(np.diff(curve.found, prepend=0) for curve in curves)])
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(right[order])
    return best_threshold(ALL, scores[order], found, sum(curve.positives for curve in curves))
