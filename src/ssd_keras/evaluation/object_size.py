"""Average precision by the size of the objects, in COCO's areas, for any protocol."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area
from ssd_keras.evaluation.curves import class_curves, mean_ap
from ssd_keras.evaluation.judging import Verdicts, judge
from ssd_keras.evaluation.protocols import Rules
from ssd_keras.evaluation.table import Table

AREAS: dict[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, math.inf),
}
"""Areas of boxes in pixels of the original image. As in COCO both bounds belong to a range: 32² is in two."""


@dataclass(frozen=True, eq=False)
class SizeScore:
    """How well objects of one size are found: AP at one threshold of the IoU; NaN where there is none.

    Attributes:
        size: "small", "medium" or "large".
        objects: how many there are to be found.
        mAP: mean over the classes that have such objects, 0-1.
        per_class: average precision by class name, 0-1.
    """

    size: str
    objects: int
    mAP: float  # noqa: N815 - the field's own spelling
    per_class: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Give the numbers; None stands for NaN."""
        return {
            "objects": self.objects,
            "mAP": None if math.isnan(self.mAP) else self.mAP,
            "per_class": {name: None if math.isnan(ap) else ap for name, ap in self.per_class.items()},
        }


def size_scores(table: Table, rules: Rules, iou_threshold: float, protocol: str) -> tuple[SizeScore, ...]:
    """Measure small, medium and large objects, each as if there were no others.

    Objects of other sizes count as little as crowds do, and a false positive of another size is ignored.
    """
    areas = box_area(table.object_boxes_px.astype(np.float64))
    found_areas = box_area(table.boxes_px.astype(np.float64))
    scores = []
    for size, (low, high) in AREAS.items():
        counted = table.counted(rules) & _within(areas, low, high)
        verdicts = judge(table, rules, iou_threshold, counted)
        outside = verdicts.false_positive & ~_within(found_areas, low, high)
        verdicts = Verdicts(verdicts.found, verdicts.ignored | outside)
        positives = table.positives(counted)
        curves = class_curves(table, verdicts, positives, protocol)
        per_class = {curve.name: curve.ap for curve in curves}
        scores.append(SizeScore(size, int(positives.sum()), mean_ap(curves), per_class))
    return tuple(scores)


def _within(areas: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return (low <= areas) & (areas <= high)
