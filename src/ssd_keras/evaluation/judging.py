"""Which detections are right: each takes an object of its class, and each object is taken once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_keras.evaluation.protocols import Rules
from ssd_keras.evaluation.table import NONE, Pairs, Table, overlapping_pairs


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What became of the N detections of a table; what is neither right nor ignored is a false positive.

    Attributes:
        found: (N,) the index of the object that a true positive found, else `NONE`.
        ignored: (N,) bool, met an object that does not count: neither right nor wrong.
    """

    found: NDArray[np.intp]
    ignored: NDArray[np.bool_]

    @property
    def true_positive(self) -> NDArray[np.bool_]:
        """(N,) bool: found an object first."""
        return np.not_equal(self.found, NONE)

    @property
    def false_positive(self) -> NDArray[np.bool_]:
        """(N,) bool: found nothing, or what was found already."""
        return np.equal(self.found, NONE) & ~self.ignored


def judge(
    table: Table, rules: Rules, iou_threshold: float, counted: NDArray[np.bool_] | None = None
) -> Verdicts:
    """Judge all detections at one threshold of the IoU.

    Args:
        table: detections and objects.
        rules: of VOC or of COCO.
        iou_threshold: the overlap from which on a detection meets an object, above 0 and at most 1.
        counted: (M,) bool, which objects have to be found; by default those that the rules count.
    """
    counted = table.counted(rules) if counted is None else counted
    pairs = overlapping_pairs(table, rules, iou_threshold)
    if rules.next_best:
        return _take_free(pairs, counted, table.crowd, len(table))
    return _take_nearest(pairs, counted, len(table))


def _take_nearest(pairs: Pairs, counted: NDArray[np.bool_], count: int) -> Verdicts:
    """Let each detection look only at the object it overlaps best (the first, on ties), taken or not."""
    nearest = np.full(count, NONE, np.intp)
    best = np.zeros(count)
    np.maximum.at(best, pairs.detection, pairs.overlap)
    nearest_pairs = pairs.where(pairs.overlap == best[pairs.detection])
    nearest[nearest_pairs.detection[::-1]] = nearest_pairs.object[
        ::-1
    ]  # the first is written last, and stays
    meets = nearest != NONE
    ignored = meets & ~counted[nearest] if len(counted) else np.zeros(count, bool)
    takers = np.flatnonzero(meets & ~ignored)
    # Detections stand by score within an image: the first to meet an object takes it.
    _, first = np.unique(nearest[takers], return_index=True)
    found = np.full(count, NONE, np.intp)
    found[takers[first]] = nearest[takers[first]]
    return Verdicts(found, ignored)


def _take_free(pairs: Pairs, counted: NDArray[np.bool_], crowd: NDArray[np.bool_], count: int) -> Verdicts:
    """Let each detection take the object it overlaps best among those not taken (the last, on ties).

    One that finds none that counts takes one that does not, and is ignored; a crowd can be taken by many.
    """
    found = np.full(count, NONE, np.intp)
    ignored = np.zeros(count, bool)
    taken = np.zeros(len(counted), bool)
    order = np.lexsort((-pairs.object, -pairs.overlap, ~counted[pairs.object], pairs.detection))
    for detection, met in zip(pairs.detection[order].tolist(), pairs.object[order].tolist(), strict=True):
        if found[detection] != NONE or ignored[detection] or taken[met]:
            continue
        if counted[met]:
            found[detection] = met
        else:
            ignored[detection] = True
        taken[met] = not crowd[met]
    return Verdicts(found, ignored)
