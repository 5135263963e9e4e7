"""The twelve numbers of COCO: average precision and average recall over ten thresholds of the IoU.

Counted by faster-coco-eval, which gives what pycocotools gives. One class after the other goes through it:
what it makes of a class (a Python dictionary for each detection) is gone before the next one is looked at.

Source: `COCOeval` of pycocotools.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area
from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.protocols import COCO_RULES
from ssd_keras.evaluation.table import Table, gather

IOU_THRESHOLDS, RECALLS, SIZES, LIMITS = 10, 101, ("all", "small", "medium", "large"), (1, 10, 100)
"""The axes of COCO's arrays: IoU .5, .55, ..., .95; recall 0, .01, ..., 1; areas; detections an image."""

_ALL_SIZES, _MOST = 0, len(LIMITS) - 1
_IOU_50, _IOU_75 = 0, 5
_CATEGORY = 1
NOTHING_TO_FIND = (
    "no class has an object to be found (crowds do not count): evaluate on a split that has labelled objects"
)
_NOT_MEASURED = -1.0
"""What COCO writes where there is nothing to be found."""


@dataclass(frozen=True, eq=False)
class CocoResult:
    """What `evaluate_coco` found out. A number is NaN where there is no object for it: pycocotools prints -1.

    Attributes:
        class_names: the classes, in the order of the labels.
        positives: (classes,) how many objects of each class there are to be found, crowds left out.
        precision: (10 IoU thresholds, 101 recalls, classes, 4 sizes, 3 limits) float64; NaN: not measured.
        recall: (10 IoU thresholds, classes, 4 sizes, 3 limits) float64; NaN: not measured.
    """

    class_names: tuple[str, ...]
    positives: NDArray[np.intp]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    protocol = "coco"

    @property
    def mAP(self) -> float:  # noqa: N802 - the field's own spelling
        """Mean over the classes of average precision at IoU .5 to .95, 0-1: COCO's AP."""
        return self.numbers["AP"]

    @property
    def numbers(self) -> dict[str, float]:
        """The twelve numbers, in the order in which pycocotools prints them."""
        return {
            "AP": self._ap(),
            "AP50": self._ap(_IOU_50),
            "AP75": self._ap(_IOU_75),
            **{f"AP_{size}": self._ap(size=number) for number, size in enumerate(SIZES) if number},
            **{f"AR_{limit}": self._ar(limit=number) for number, limit in enumerate(LIMITS)},
            **{f"AR_{size}": self._ar(size=number) for number, size in enumerate(SIZES) if number},
        }

    @property
    def per_class(self) -> dict[str, float]:
        """AP at IoU .5 to .95 by class name, 0-1; NaN for a class without objects to be found."""
        found = self.precision[:, :, :, _ALL_SIZES, _MOST]
        return {name: _mean(found[:, :, label]) for label, name in enumerate(self.class_names)}

    @property
    def objects(self) -> dict[str, int]:
        """How many objects there are to be found, by class name."""
        return dict(zip(self.class_names, self.positives.tolist(), strict=True))

    def as_json(self) -> dict[str, Any]:
        """Give the numbers as `ssd evaluate --json` prints them; None stands for NaN, which JSON lacks."""
        return {
            "protocol": self.protocol,
            "mAP": self.mAP,
            **{name: _or_none(value) for name, value in self.numbers.items()},
            "per_class": {name: _or_none(ap) for name, ap in self.per_class.items()},
        }

    def _ap(self, iou: int | None = None, size: int = _ALL_SIZES) -> float:
        chosen = slice(None) if iou is None else slice(iou, iou + 1)
        return _mean(self.precision[chosen, :, :, size, _MOST])

    def _ar(self, size: int = _ALL_SIZES, limit: int = _MOST) -> float:
        return _mean(self.recall[:, :, size, limit])


def evaluate_coco(
    detections: Sequence[Detections],
    ground_truths: Sequence[GroundTruth],
    class_names: Sequence[str],
    image_ids: Sequence[str] | None = None,
    areas: Sequence[NDArray[np.floating]] | None = None,
) -> CocoResult:
    """Compare what was found in each image with what is in it, as pycocotools does for boxes.

    Objects marked as difficult, which COCO does not have, are objects like the others.

    Memory grows by some 100 bytes a detection beside the detections themselves, and by about a kilobyte for
    each detection of the most frequent class.

    Args:
        detections: what was found, image by image; their class names are `class_names`.
        ground_truths: what is in the same images, in the same order.
        class_names: the classes, in the order of the labels.
        image_ids: of the same images. Detections of equal score stand in the order of the images, and the
            original takes these by their numbers: where every id is a number, so does this.
        areas: of the objects of each image (M,), in pixels; None: those of the ground truth. Where one is
            not known (NaN), the area of the box counts. The official files state the areas of the outlines,
            which are smaller: they decide what is small or large.

    Raises:
        InputError: the detections are of other classes, or no class has an object to be found.
        ValueError: the images do not agree in number, or a label has no class name.
    """
    areas = [truth.areas for truth in ground_truths] if areas is None else areas
    return evaluate_coco_table(gather(detections, ground_truths, class_names), image_ids, areas)


def evaluate_coco_table(
    table: Table,
    image_ids: Sequence[str] | None = None,
    areas: Sequence[NDArray[np.floating]] | None = None,
) -> CocoResult:
    """Do the work of `evaluate_coco` for detections that are gathered already.

    Args:
        table: the detections and the objects.
        image_ids: of the images, in their order; equal scores keep the order of these.
        areas: (M,) for each image, what each object covers of it in pixels.
    """
    positives = table.positives(table.counted(COCO_RULES))
    if not positives.any():
        raise InputError(NOTHING_TO_FIND)
    classes, rest = len(table.class_names), (len(SIZES), len(LIMITS))
    precision = np.full((IOU_THRESHOLDS, RECALLS, classes, *rest), math.nan)
    recall = np.full((IOU_THRESHOLDS, classes, *rest), math.nan)
    by_class = _split_by_class(table, _ranks(image_ids, table.images), areas)
    for label, (objects, found) in enumerate(by_class):
        if positives[label]:
            precision[:, :, label], recall[:, label] = _evaluate_class(objects, found)
    return CocoResult(table.class_names, positives, precision, recall)


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Objects or detections of one class, as COCO writes them: image numbers, x y width height, area, ..."""

    image: NDArray[np.intp]
    bbox: NDArray[np.float64]
    area: NDArray[np.float64]
    extra: NDArray[Any]

    def annotations(self, extra: str) -> list[dict[str, Any]]:
        """Give them as the dictionaries of a COCO file, with ids from 1: 0 would mean "not matched"."""
        columns = zip(
            self.image.tolist(), self.bbox.tolist(), self.area.tolist(), self.extra.tolist(), strict=True
        )
        return [
            {"id": k, "image_id": image, "category_id": _CATEGORY, "bbox": bbox, "area": area, extra: value}
            for k, (image, bbox, area, value) in enumerate(columns, start=1)
        ]


def _split_by_class(
    table: Table, rank: NDArray[np.intp], areas: Sequence[NDArray[np.floating]] | None
) -> Iterator[tuple[_Boxes, _Boxes]]:
    """Give the objects and the detections of each class, in the order of the labels."""
    objects = _grouped(table.object_labels, len(table.class_names))
    found = _grouped(table.labels, len(table.class_names))
    area = box_area(table.object_boxes_px.astype(np.float64))
    if areas is not None:
        stated = np.concatenate([area[:0], *areas])
        area = np.where(np.isnan(stated), area, stated)
    for there, seen in zip(objects, found, strict=True):
        bbox = xyxy_to_xywh(table.boxes_px[seen].astype(np.float64))
        yield (
            _Boxes(
                rank[table.object_image[there]],
                xyxy_to_xywh(table.object_boxes_px[there].astype(np.float64)),
                area[there],
                table.crowd[there].astype(np.intp),
            ),
            _Boxes(
                rank[table.image[seen]], bbox, bbox[:, 2] * bbox[:, 3], table.scores[seen].astype(np.float64)
            ),
        )


def xyxy_to_xywh(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Write corners (..., 4) as COCO's files do: x0, y0, width, height."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([low, high - low], axis=-1)


def _evaluate_class(objects: _Boxes, found: _Boxes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give precision (T, R, A, M) and recall (T, A, M) of one class, NaN where not measured."""
    from faster_coco_eval import COCO, COCOeval_faster

    images = np.unique(np.concatenate([objects.image, found.image]))  # the others change nothing
    content = {"images": [{"id": i} for i in images.tolist()], "categories": [{"id": _CATEGORY}]}
    truth = COCO({**content, "annotations": objects.annotations("iscrowd")})
    results = COCO({**content, "annotations": found.annotations("score")})
    evaluator = COCOeval_faster(truth, results, iouType="bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    precision, recall = evaluator.eval["precision"][:, :, 0], evaluator.eval["recall"][:, 0]
    return (
        np.where(precision == _NOT_MEASURED, math.nan, precision),
        np.where(recall == _NOT_MEASURED, math.nan, recall),
    )


def _grouped(labels: NDArray[np.int32], classes: int) -> list[NDArray[np.intp]]:
    """Give the places of each label, in order."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(1, classes)))


def _ranks(image_ids: Sequence[str] | None, images: int) -> NDArray[np.intp]:
    """Number the images from 1 in the order of their ids, where all of these are numbers."""
    ids = image_ids or ()
    ranks = np.arange(1, images + 1)
    if ids and all(re.fullmatch("[0-9]+", name) for name in ids):
        ranks[np.argsort([int(name) for name in ids], kind="stable")] = np.arange(1, images + 1)
    return ranks


def _mean(values: NDArray[np.float64]) -> float:
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if len(measured) else math.nan


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
