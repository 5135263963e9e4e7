"""What kinds of errors a detector makes, and what each kind costs.

Every false positive is of one kind, by the first of these rules that holds; `t` is the threshold of the IoU:

- "place": overlaps an object of its class by 0.1 to `t`, the box is too far off;
- "class": overlaps an object of another class by at least `t`, the box is right and the class is not;
- "duplicate": overlaps an object of its class by at least `t`, which a better detection has found;
- "background": overlaps no object by 0.1;
- "class and place": all the others overlap an object of another class by 0.1 to `t`.

"missed" are the objects that nobody found and to which no error of place or class belongs.

Source: Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.evaluation.curves import class_curves, mean_ap
from ssd_keras.evaluation.judging import Verdicts
from ssd_keras.evaluation.protocols import Rules
from ssd_keras.evaluation.table import NONE, Table, overlapping_pairs

KINDS = ("class", "place", "class and place", "duplicate", "background", "missed")
_CLASS, _PLACE, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(len(KINDS))

FOREGROUND = 0.1
"""From this overlap on a detection has to do with an object, though it may not be good enough."""


@dataclass(frozen=True, eq=False)
class ErrorKinds:
    """How often each kind of error occurs, and how much better the detector were without it.

    Attributes:
        class_names: the classes, in the order of the labels.
        counts: (kinds, classes) int, in the order of `KINDS`, among detections that reach `score_threshold`;
            by the class of the detection, or of the missed object.
        gains: by how much mAP over all detections would rise if this kind of error were put right: boxes
            moved and classes corrected (dropped where the object was found already), the others dropped, the
            missed objects not asked for.
        score_threshold: detections with a score of at least this were counted.
    """

    class_names: tuple[str, ...]
    counts: NDArray[np.intp]
    gains: dict[str, float]
    score_threshold: float

    @property
    def total(self) -> dict[str, int]:
        """How often each kind occurs over all classes."""
        return dict(zip(KINDS, self.counts.sum(axis=1).tolist(), strict=True))

    def as_json(self) -> dict[str, Any]:
        """Give counts and gains by kind."""
        return {
            "score_threshold": self.score_threshold,
            "total": self.total,
            "mAP_gain": self.gains,
            "per_class": {
                name: dict(zip(KINDS, column, strict=True))
                for name, column in zip(self.class_names, self.counts.T.tolist(), strict=True)
            },
        }


def error_kinds(
    table: Table,
    rules: Rules,
    verdicts: Verdicts,
    iou_threshold: float,
    score_threshold: float,
    protocol: str,
) -> ErrorKinds:
    """Sort the errors by kind.

    Args:
        table: detections and objects.
        rules: by which they were judged.
        verdicts: what became of each detection.
        iou_threshold: at which they were judged, above `FOREGROUND`.
        score_threshold: which detections to count.
        protocol: how average precision is computed, for the gains.
    """
    errors = _sort(table, table.counted(rules), verdicts, rules, iou_threshold)
    seen = table.scores >= np.float32(score_threshold)
    counts = np.zeros((len(KINDS), len(table.class_names)), np.intp)
    wrong = seen & (errors.kind != NONE)
    np.add.at(counts, (errors.kind[wrong], table.labels[wrong]), 1)
    counts[_MISSED] = table.positives(errors.missed(seen))
    return ErrorKinds(table.class_names, counts, _gains(errors, protocol), score_threshold)


@dataclass(frozen=True, eq=False)
class _Errors:
    """What was judged, and the kind of error of each detection (N,), `NONE` where it is not wrong.

    `target` (N,) is the object that an error of class or of place means, else `NONE`.
    """

    table: Table
    counted: NDArray[np.bool_]
    verdicts: Verdicts
    kind: NDArray[np.intp]
    target: NDArray[np.intp]

    def missed(self, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which objects (M,) nobody found, not even nearly, among the detections that are `seen` (N,)."""
        missed = self.counted.copy()
        missed[self.verdicts.found[seen & self.verdicts.true_positive]] = False
        missed[self.target[seen & (self.target != NONE)]] = False
        return missed

    def mended(self, kind: int) -> tuple[Table, Verdicts]:
        """Put errors of one kind right where they mean an object that nobody found, and drop the others."""
        chosen = self.kind == kind
        found = self.verdicts.found.copy()
        is_found = np.zeros(len(self.counted), bool)
        is_found[found[found != NONE]] = True
        claims = np.flatnonzero(chosen & (self.target != NONE))
        claims = claims[~is_found[self.target[claims]]]
        _, first = np.unique(self.target[claims], return_index=True)  # the best score of the image
        right = claims[first]
        found[right] = self.target[right]
        labels = self.table.labels.copy()
        labels[right] = self.table.object_labels[self.target[right]]
        dropped = chosen & (found == NONE)
        return replace(self.table, labels=labels), Verdicts(found, self.verdicts.ignored | dropped)


def _sort(
    table: Table, counted: NDArray[np.bool_], verdicts: Verdicts, rules: Rules, iou_threshold: float
) -> _Errors:
    pairs = overlapping_pairs(table, rules, min(FOREGROUND, iou_threshold), across_classes=True)
    pairs = pairs.where(verdicts.false_positive[pairs.detection] & counted[pairs.object])
    own = table.labels[pairs.detection] == table.object_labels[pairs.object]
    own_object, own_overlap = pairs.where(own).nearest(len(table))
    other_object, other_overlap = pairs.where(~own).nearest(len(table))
    holds = {
        _PLACE: (own_overlap >= FOREGROUND) & (own_overlap < iou_threshold),
        _CLASS: other_overlap >= iou_threshold,
        _DUPLICATE: own_overlap >= iou_threshold,
        _BOTH: other_overlap >= FOREGROUND,
    }
    kind = np.select(list(holds.values()), list(holds), _BACKGROUND)
    kind[~verdicts.false_positive] = NONE
    target = np.where(kind == _PLACE, own_object, np.where(kind == _CLASS, other_object, NONE))
    return _Errors(table, counted, verdicts, kind, target)


def _gains(errors: _Errors, protocol: str) -> dict[str, float]:
    """Give the rise of mAP by kind, each put right alone."""
    positives = errors.table.positives(errors.counted)
    before = mean_ap(class_curves(errors.table, errors.verdicts, positives, protocol))
    after = {
        kind: mean_ap(class_curves(*errors.mended(number), positives, protocol))
        for number, kind in enumerate(KINDS)
        if number != _MISSED
    }
    found = positives - errors.table.positives(errors.missed(np.ones(len(errors.table), bool)))
    after[KINDS[_MISSED]] = mean_ap(class_curves(errors.table, errors.verdicts, found, protocol))
    return {kind: float(np.nan_to_num(score - before)) for kind, score in after.items()}
