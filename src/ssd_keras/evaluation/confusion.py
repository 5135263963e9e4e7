"""The confusion matrix: which classes a detector takes for which, what it misses and what it makes up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.evaluation.protocols import Rules
from ssd_keras.evaluation.table import NONE, Pairs, Table, overlapping_pairs

BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Objects by what they are (row) and by what they were found as (column).

    Attributes:
        names: the classes and, last, "background".
        counts: (classes + 1, classes + 1) int. The last column holds the objects that were missed, the last
            row the detections where nothing is; the corner is 0.
        score_threshold: detections with a score of at least this were looked at.
        iou_threshold: from which overlap on a detection and an object can belong together.
    """

    names: tuple[str, ...]
    counts: NDArray[np.intp]
    score_threshold: float
    iou_threshold: float

    def as_json(self) -> dict[str, Any]:
        """Give the matrix, row by row."""
        return {
            "names": list(self.names),
            "counts": self.counts.tolist(),
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
        }


def confusion_matrix(
    table: Table, rules: Rules, iou_threshold: float, score_threshold: float
) -> ConfusionMatrix:
    """Count which objects were found as what.

    Detections and objects of one image are put together whatever their classes: those that overlap most
    first, each only once; where several overlap alike, those of one class first, then the best score. A
    detection that is left over is not counted if it meets an object that does not count (crowd; difficult in
    VOC).
    """
    table = table.above(score_threshold)
    counted = table.counted(rules)
    pairs = overlapping_pairs(table, rules, iou_threshold, across_classes=True)
    found_as, ignored = _put_together(table, pairs, counted)
    background = len(table.class_names)
    matrix = np.zeros((background + 1, background + 1), np.intp)
    met = found_as != NONE
    column = np.where(met, table.labels[found_as] if len(table) else background, background)
    np.add.at(matrix, (table.object_labels[counted], column[counted]), 1)
    alone = ~ignored
    alone[found_as[met]] = False
    matrix[background, :background] = np.bincount(table.labels[alone], minlength=background)
    return ConfusionMatrix((*table.class_names, BACKGROUND), matrix, score_threshold, iou_threshold)


def _put_together(
    table: Table, pairs: Pairs, counted: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Give the detection of each object (M,) or `NONE`; and of each detection (N,) whether to ignore it."""
    found_as = np.full(len(counted), NONE, np.intp)
    used = np.zeros(len(table), bool)
    possible = pairs.where(counted[pairs.object])
    other_class = table.labels[possible.detection] != table.object_labels[possible.object]
    order = np.lexsort((possible.detection, other_class, -possible.overlap))
    ordered = zip(possible.detection[order].tolist(), possible.object[order].tolist(), strict=True)
    for detection, met in ordered:
        if not used[detection] and found_as[met] == NONE:
            used[detection] = True
            found_as[met] = detection
    ignored = np.zeros(len(table), bool)
    ignored[pairs.detection[~counted[pairs.object]]] = True
    return found_as, ignored
