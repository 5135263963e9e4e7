"""By whose rules detections are judged: those of Pascal VOC or those of COCO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ssd_keras.errors import InputError

VocProtocol = Literal["voc07", "voc10"]
"""How average precision is computed from the curve of a class: at 11 points, or as the area under it."""

Protocol = Literal["voc07", "voc10", "coco"]
"""The protocols of `ssd evaluate`."""

PIXEL_BORDER = 1.0
"""The corners of a VOC box name the first and the last pixel inside: a box from 3 to 3 is one pixel wide."""


@dataclass(frozen=True)
class Rules:
    """What the protocols disagree on when they decide whether a detection is right.

    Attributes:
        border: pixels added to both sides of every box.
        difficult_counts: whether an object marked as difficult is one like the others; else nobody has to
            find it, and its detection is neither right nor wrong. A crowd never counts.
        crowd_by_share: a detection meets a crowd by the share of itself that lies inside; else by the IoU.
        next_best: a detection whose best object is taken may take the next best one; else it only ever looks
            at the one object it overlaps best.
    """

    border: float
    difficult_counts: bool
    crowd_by_share: bool
    next_best: bool


VOC_RULES = Rules(border=PIXEL_BORDER, difficult_counts=False, crowd_by_share=False, next_best=False)
"""`VOCevaldet.m`. VOC has no crowds: they are treated like its difficult objects."""

COCO_RULES = Rules(border=0.0, difficult_counts=True, crowd_by_share=True, next_best=True)
"""`COCOeval.evaluateImg` of pycocotools."""


def rules_of(protocol: str) -> Rules:
    """Give the rules of a protocol; `InputError` where it is unknown."""
    check_protocol(protocol, get_args(Protocol))
    return COCO_RULES if protocol == "coco" else VOC_RULES


def check_protocol(protocol: str, known: tuple[str, ...]) -> None:
    """Raise `InputError` where `protocol` is none of the `known`."""
    if protocol not in known:
        raise InputError(f"protocol {protocol!r} is unknown: choose one of {', '.join(known)}")


def check_iou_threshold(iou_threshold: float) -> None:
    """Raise `InputError` where no overlap, or every overlap, would reach the threshold."""
    if not 0 < iou_threshold <= 1:
        raise InputError(f"IoU threshold {iou_threshold} is out of range: choose one above 0 and at most 1")
