"""Average precision by the rules of the Pascal VOC devkit, and its mean over the classes, mAP.

Source: `VOCevaldet.m` of the VOC2007 and the VOC2012 devkit. How a curve is summed up: `evaluation.curves`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.curves import ClassCurve, class_curves, mean_ap
from ssd_keras.evaluation.judging import judge
from ssd_keras.evaluation.protocols import VOC_RULES, VocProtocol, check_iou_threshold, check_protocol
from ssd_keras.evaluation.table import Table, gather

NOTHING_TO_FIND = (
    "no class has an object to be found (difficult and crowd boxes do not count): "
    "evaluate on a split that has labelled objects"
)


@dataclass(frozen=True, eq=False)
class VocResult:
    """What `evaluate_voc` found out.

    Attributes:
        protocol: "voc07" or "voc10".
        iou_threshold: the IoU from which on a detection meets an object.
        classes: one curve per class, in the order of the class names.
    """

    protocol: VocProtocol
    iou_threshold: float
    classes: tuple[ClassCurve, ...]

    @property
    def mAP(self) -> float:  # noqa: N802 - the field's own spelling
        """Mean average precision, 0-1, over the classes that have objects to be found."""
        return mean_ap(self.classes)

    @property
    def per_class(self) -> dict[str, float]:
        """Average precision by class name, 0-1; NaN for a class without objects to be found."""
        return {curve.name: curve.ap for curve in self.classes}

    @property
    def objects(self) -> dict[str, int]:
        """How many objects there are to be found, by class name."""
        return {curve.name: curve.positives for curve in self.classes}

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
    protocol: VocProtocol = "voc10",
    iou_threshold: float = 0.5,
) -> VocResult:
    """Compare what was found in each image with what is in it, as the Pascal VOC devkit does.

    Each detection, best score first, looks only at the object of its class it overlaps best, be that
    difficult or taken. Detections of equal score keep the order of the images. Crowd boxes, which VOC does
    not have, are treated like its difficult ones. Pixel boxes are taken as they are, corners inclusive.

    Memory grows by some 100 bytes a detection beside the detections themselves.

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
    check_protocol(protocol, get_args(VocProtocol))
    check_iou_threshold(iou_threshold)
    return evaluate_voc_table(gather(detections, ground_truths, class_names), protocol, iou_threshold)


def evaluate_voc_table(table: Table, protocol: VocProtocol, iou_threshold: float) -> VocResult:
    """Do the work of `evaluate_voc` for detections that are gathered already."""
    positives = table.positives(table.counted(VOC_RULES))
    if not positives.any():
        raise InputError(NOTHING_TO_FIND)
    verdicts = judge(table, VOC_RULES, iou_threshold)
    return VocResult(protocol, iou_threshold, class_curves(table, verdicts, positives, protocol))
