"""Which boxes are still objects to be found, and whether enough of them are left."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import clip_to_size
from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.data.augment.box_map import SAME_PLACE
from ssd_keras.data.augment.geometry import Boxes, centre_inside, visible_share
from ssd_keras.data.augment.operations.base import Operation, Size, Traced, moved, size_of
from ssd_keras.data.augment.settings import (
    is_number,
    settle_choice,
    settle_none,
    settle_number,
    settle_range,
    settle_truth,
    settle_whole,
    wrong,
)
from ssd_keras.data.samples import GroundTruth, Sample

CRITERIA = ("centre", "iou", "area")
"""What makes a box belong to an image: its centre lies inside; its IoU with the whole image, or the share of
its area that is visible, lies within bounds."""

EVERY_BOX = "all"
MOST_BOXES = 1_000_000


def belongs(boxes_px: Boxes, size: Size, criterion: str, bounds: tuple[float, float]) -> NDArray[np.bool_]:
    """Say which boxes (M, 4) in pixels, not clipped, belong to an image of `size` (height, width): (M,).

    `bounds` are included, of the IoU and of the visible share alike; but what does not overlap the image at
    all never belongs to it. (In the Keras port of 2018 an IoU had to be above its lower bound.) A centre on
    the edge lies inside.
    """
    boxes = np.asarray(boxes_px, np.float64).reshape(-1, 4)
    if criterion == "centre":
        return centre_inside(boxes, size)
    if criterion == "iou":
        height, width = size
        overlap = pairwise_iou(boxes, np.array([[0.0, 0.0, width, height]]))[:, 0]
    else:
        overlap = visible_share(boxes, size)
    inside: NDArray[np.bool_] = (overlap > 0) & (overlap >= bounds[0]) & (overlap <= bounds[1])
    return inside


@dataclass(frozen=True)
class BoxFilter(Operation):
    """Drop boxes that no longer show an object, then cut the others off at the image's edges.

    As a step of its own it judges boxes as they stand; what other operations lost is only to be seen there if
    these have `keep: null`. As their setting `keep` it judges where boxes have come to lie.

    Attributes:
        criterion: `centre`: the centre lies inside, edges included (Caffe's emit constraint CENTER); `iou`:
            the IoU with the whole image lies within `bounds`; `area`: the visible share of the box's area
            does; None: no such check.
        bounds: of the IoU or the share, both included.
        min_side_px: boxes with a shorter side, and those without one, are dropped; None: no such check.
        min_area_px: boxes with a smaller area are dropped; None: no such check. Both look at what is left of
            the box after clipping.
        clip: whether boxes are cut off at the edges of the image.

    Raises:
        InputError: a setting is out of bounds.
    """

    criterion: str | None = "centre"
    bounds: tuple[float, float] = (0.3, 1.0)
    min_side_px: float | None = 0.0
    min_area_px: float | None = None
    clip: bool = True

    def __post_init__(self) -> None:
        settle_choice(self, "criterion", (*CRITERIA, None))
        settle_range(self, "bounds", 0, 1)
        for name in ("min_side_px", "min_area_px"):
            settle_none(self, name)
            if getattr(self, name) is not None:
                settle_number(self, name, 0, 1e9)
        settle_truth(self, "clip")

    def act(self, sample: Sample, rng: np.random.Generator) -> Traced:
        """Filter the boxes of a sample whose image is decoded; `rng` is not used."""
        truth = sample.ground_truth
        kept = self.select(truth, truth.boxes_px.astype(np.float64), size_of(sample))
        return Traced(dataclasses.replace(sample, ground_truth=kept), SAME_PLACE)

    def select(self, truth: GroundTruth, boxes_px: NDArray[np.float64], size: Size) -> GroundTruth:
        """Give the objects that are kept in an image of `size` where `boxes_px` (M, 4) are their boxes."""
        kept = self.kept(boxes_px, size)
        boxes = clip_to_size(boxes_px, size) if self.clip else boxes_px
        return moved(truth.select(kept), boxes[kept])

    def kept(self, boxes_px: NDArray[np.float64], size: Size) -> NDArray[np.bool_]:
        """Say which of the boxes (M, 4), in pixels and not clipped, are kept in an image of `size`: (M,)."""
        kept = np.ones(len(boxes_px), bool)
        if self.criterion is not None:
            kept &= belongs(boxes_px, size, self.criterion, self.bounds)
        left = clip_to_size(boxes_px, size) if self.clip else boxes_px
        sides = left[:, 2:] - left[:, :2]
        if self.min_side_px is not None:
            kept &= ((sides > 0) & (sides >= self.min_side_px)).all(axis=1)
        if self.min_area_px is not None:
            kept &= np.maximum(sides, 0).prod(axis=1) >= self.min_area_px
        return kept


CENTRE_INSIDE = BoxFilter()
"""The original's filter: an object is kept where its centre is seen."""


@dataclass(frozen=True)
class Validator:
    """Whether enough objects belong to an image; one without any object is always good.

    Attributes:
        criterion: `centre`, `iou` or `area`, as in `BoxFilter`.
        bounds: of the IoU or the share, both included.
        min_boxes: so many objects must meet the criterion, or `all` of them. An image with fewer never does.

    Raises:
        InputError: a setting is out of bounds.
    """

    criterion: str = "centre"
    bounds: tuple[float, float] = (0.3, 1.0)
    min_boxes: int | str = 1

    def __post_init__(self) -> None:
        settle_choice(self, "criterion", CRITERIA)
        settle_range(self, "bounds", 0, 1)
        if not is_number(self.min_boxes) and self.min_boxes != EVERY_BOX:
            raise wrong(self, "min_boxes", f"give a whole number of at least 1, or {EVERY_BOX}")
        if self.min_boxes != EVERY_BOX:
            settle_whole(self, "min_boxes", 1, MOST_BOXES)

    def accepts(self, boxes_px: Boxes, size: Size) -> bool:
        """Judge an image of `size` (height, width) with objects `boxes_px` (M, 4), in pixels, not clipped."""
        if not len(boxes_px):
            return True
        good = belongs(boxes_px, size, self.criterion, self.bounds)
        return bool(good.all()) if isinstance(self.min_boxes, str) else int(good.sum()) >= self.min_boxes


ONE_CENTRE_INSIDE = Validator()
"""The centre of one object at least is seen."""
