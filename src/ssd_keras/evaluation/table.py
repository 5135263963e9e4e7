"""Detections and objects of all images in a few long arrays, so that all of them are judged at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area
from ssd_keras.boxes.iou import pairwise_intersection, pairwise_iou
from ssd_keras.classes import checked_class_names
from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.protocols import Rules

NONE = -1
"""In place of the index of an object or of a detection."""

PAIRS_AT_ONCE = 1 << 18
"""So many pairs of a detection and an object are compared in one step: some 30 MB, however many there are."""


@dataclass(frozen=True, eq=False)
class Table:
    """N detections and M objects of all images; N and M may be 0. A detection takes 28 bytes, an object 26.

    Detections stand image by image, best score first within each image.

    Attributes:
        class_names: the classes, in the order of the labels.
        images: how many images there are.
        boxes_px: (N, 4) float32, of the detections, in pixels of their images.
        scores: (N,) float32, 0-1.
        labels: (N,) int32.
        image: (N,) int32, in which image each detection is.
        object_boxes_px: (M, 4) float32.
        object_labels: (M,) int32.
        object_image: (M,) int32.
        difficult: (M,) bool.
        crowd: (M,) bool.
    """

    class_names: tuple[str, ...]
    images: int
    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    image: NDArray[np.int32]
    object_boxes_px: NDArray[np.float32]
    object_labels: NDArray[np.int32]
    object_image: NDArray[np.int32]
    difficult: NDArray[np.bool_]
    crowd: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scores)

    def counted(self, rules: Rules) -> NDArray[np.bool_]:
        """Say which objects (M,) have to be found."""
        return ~self.crowd if rules.difficult_counts else ~(self.crowd | self.difficult)

    def positives(self, counted: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Count the objects of each class where `counted` (M,) is true: (classes,)."""
        return np.bincount(self.object_labels[counted], minlength=len(self.class_names))

    def above(self, threshold: float) -> Table:
        """Keep only the detections with a score of at least `threshold`, and all objects."""
        kept = self.scores >= np.float32(threshold)
        fields = ("boxes_px", "scores", "labels", "image")
        return dataclasses.replace(self, **{name: getattr(self, name)[kept] for name in fields})


def gather(
    detections: Sequence[Detections], ground_truths: Sequence[GroundTruth], class_names: Sequence[str]
) -> Table:
    """Put detections and ground truth of the same images, in the same order, into one table.

    Raises:
        InputError: the detections are of other classes.
        ValueError: there are not as many detections as ground truths, or a label has no class name.
    """
    names = checked_class_names(class_names)
    _check_images(detections, ground_truths, names)
    return Table(
        class_names=names,
        images=len(detections),
        boxes_px=_joined([found.boxes_px for found in detections], np.zeros((0, 4), np.float32)),
        scores=_joined([found.scores for found in detections], np.zeros(0, np.float32)),
        labels=_joined([found.labels for found in detections], np.zeros(0, np.int32)),
        image=_image_of_each([len(found) for found in detections]),
        object_boxes_px=_joined([t.boxes_px for t in ground_truths], np.zeros((0, 4), np.float32)),
        object_labels=_joined([t.labels for t in ground_truths], np.zeros(0, np.int32)),
        object_image=_image_of_each([len(truth) for truth in ground_truths]),
        difficult=_joined([truth.difficult for truth in ground_truths], np.zeros(0, bool)),
        crowd=_joined([truth.crowd for truth in ground_truths], np.zeros(0, bool)),
    )


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of a detection and an object of one image that overlap; P may be 0.

    Attributes:
        detection: (P,) index of the detection in the table, ascending.
        object: (P,) index of the object, ascending for each detection.
        overlap: (P,) float64, 0-1: the IoU, or what the rules have in its place for crowds.
    """

    detection: NDArray[np.intp]
    object: NDArray[np.intp]
    overlap: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> Pairs:
        """Give only the pairs where `kept` (P,) is true."""
        return Pairs(self.detection[kept], self.object[kept], self.overlap[kept])

    def nearest(self, detections: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Give for each of N detections the object it overlaps best (the first, on ties), and how much.

        Returns:
            The objects (N,), `NONE` for a detection without a pair; the overlaps (N,) float64, 0 there.
        """
        overlap = np.zeros(detections)
        np.maximum.at(overlap, self.detection, self.overlap)
        best = self.where(self.overlap == overlap[self.detection])
        nearest = np.full(detections, NONE, np.intp)
        nearest[best.detection[::-1]] = best.object[::-1]  # the first is written last, and stays
        return nearest, overlap


def overlapping_pairs(table: Table, rules: Rules, minimum: float, across_classes: bool = False) -> Pairs:
    """Find all pairs that overlap by at least `minimum`: of one class, or of any two."""
    object_group, group = table.object_image.astype(np.int64), table.image.astype(np.int64)
    if not across_classes:
        object_group = object_group * len(table.class_names) + table.object_labels
        group = group * len(table.class_names) + table.labels
    by_group = np.argsort(object_group, kind="stable")
    first = np.searchsorted(object_group[by_group], group, "left")
    count = np.searchsorted(object_group[by_group], group, "right") - first
    parts = [Pairs(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))]
    for low, high in _steps(count):
        detection = np.repeat(np.arange(low, high), count[low:high])
        number = np.arange(len(detection)) - np.repeat(_starts(count[low:high]), count[low:high])
        met = by_group[first[detection] + number]
        pairs = Pairs(detection, met, _overlaps(table, rules, detection, met))
        parts.append(pairs.where(pairs.overlap >= minimum))
    return Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in _PAIR_FIELDS))


_PAIR_FIELDS = tuple(field.name for field in dataclasses.fields(Pairs))


def _overlaps(
    table: Table, rules: Rules, detection: NDArray[np.intp], met: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Overlap of detection k with object k: (P,), computed in float64."""
    boxes = table.boxes_px[detection].astype(np.float64)[:, None]
    objects = table.object_boxes_px[met].astype(np.float64)[:, None]
    overlap: NDArray[np.float64] = pairwise_iou(boxes, objects, rules.border)[:, 0, 0]
    crowd = table.crowd[met] & rules.crowd_by_share
    if crowd.any():
        shared = pairwise_intersection(boxes[crowd], objects[crowd], rules.border)[:, 0, 0]
        area = box_area(boxes[crowd], rules.border)[:, 0]
        overlap[crowd] = shared / np.where(area > 0, area, 1)
    return overlap


def _steps(count: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Cut the detections, which have `count` (N,) pairs each, into runs of about `PAIRS_AT_ONCE` pairs."""
    ends = np.cumsum(count)
    low = 0
    while low < len(count) and ends[-1] > (done := ends[low] - count[low]):
        high = max(low + 1, int(np.searchsorted(ends, done + PAIRS_AT_ONCE, "right")))
        yield low, high
        low = high


def _starts(count: NDArray[np.intp]) -> NDArray[np.intp]:
    starts: NDArray[np.intp] = np.cumsum(count) - count
    return starts


def _joined(arrays: Sequence[NDArray], empty: NDArray) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([empty, *arrays])


def _image_of_each(counts: Sequence[int]) -> NDArray[np.int32]:
    return np.repeat(np.arange(len(counts), dtype=np.int32), np.array(counts, np.intp))


def _check_images(
    detections: Sequence[Detections], ground_truths: Sequence[GroundTruth], class_names: tuple[str, ...]
) -> None:
    if len(detections) != len(ground_truths):
        raise ValueError(f"detections of {len(detections)} images, ground truth of {len(ground_truths)}")
    for index, (found, truth) in enumerate(zip(detections, ground_truths, strict=True)):
        if found.class_names != class_names:
            raise InputError(
                f"image {index}: the detector knows the classes {', '.join(found.class_names)}, the data has "
                f"{', '.join(class_names)}: evaluate on data with the same classes in the same order"
            )
        if len(truth) and not 0 <= truth.labels.min() <= truth.labels.max() < len(class_names):
            raise ValueError(f"image {index}: a label of {truth.labels.tolist()} has no class name")
