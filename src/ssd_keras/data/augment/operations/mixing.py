"""Operations that put several photographs into one image. They go beyond the original chains.

A partner comes as it is in the data set, before the operations that stand earlier in the chain. Its objects
join those of the sample, whose name and size the result keeps.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.augment.box_map import SAME_PLACE, BoxMap
from ssd_keras.data.augment.geometry import Geometry, PixelRectangle
from ssd_keras.data.augment.operations.base import (
    Operation,
    OperationError,
    Size,
    Traced,
    decoded,
    moved,
    opened,
    pixels_of,
    size_of,
)
from ssd_keras.data.augment.operations.filters import CENTRE_INSIDE, BoxFilter
from ssd_keras.data.augment.operations.placement import Placement
from ssd_keras.data.augment.settings import settle_optional, settle_probability, settle_range
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

PartnerSource = Callable[[np.random.Generator], Sample]
"""Draws another sample with the random numbers given."""

DRAWS_OF_A_PARTNER = 10
"""How many partners are drawn before it is an error that none of them can be read."""


@dataclass(frozen=True)
class PartnersFrom:
    """Draws partners from samples, such as a split, all alike likely.

    Raises:
        InputError: there is no sample.
    """

    samples: Sequence[Sample] = field(repr=False)  # which may be very many

    def __post_init__(self) -> None:
        if not len(self.samples):
            raise InputError("there is no sample to draw partners from: give the split that is trained on")

    def __call__(self, rng: np.random.Generator) -> Sample:
        """Draw one sample."""
        return self.samples[int(rng.integers(len(self.samples)))]


class MixingOperation(Operation):
    """An operation that needs other samples, which the chain draws for it.

    Attributes:
        partner_count: how many of them.
    """

    partner_count: ClassVar[int]

    def __call__(
        self, sample: Sample, rng: np.random.Generator, partners: PartnerSource | None = None
    ) -> Sample:
        """Give the mixed sample; `InputError` where an image cannot be read or there are no `partners`."""
        return self.trace(sample, rng, partners).sample

    def trace(
        self, sample: Sample, rng: np.random.Generator, partners: PartnerSource | None = None
    ) -> Traced:
        """Give the mixed sample and the map of the boxes of `sample` itself, not of its partners."""
        if rng.random() >= self.probability:
            return Traced(sample, SAME_PLACE)
        if partners is None:
            raise OperationError(f"{self.name} needs other samples: give the chain partners to draw from")
        others = [readable_partner(partners, rng) for _ in range(self.partner_count)]
        return self.mix(decoded(sample), others, rng)

    def act(self, sample: Sample, rng: np.random.Generator) -> Traced:
        """Refuse: there is no mixing without partners."""
        return self.trace(sample, rng)

    @abstractmethod
    def mix(self, sample: Sample, partners: Sequence[Sample], rng: np.random.Generator) -> Traced:
        """Mix a sample with `partner_count` others, all of them decoded."""


@dataclass(frozen=True)
class Mosaic(MixingOperation):
    """Lay four photographs into one frame, one in each corner.

    Each is resized, its shape kept, until it just covers its corner; what reaches beyond is cut off at a
    random place. The size of the frame is the sample's own; an image that is one pixel wide or high has no
    room for others and stays as it is.

    Attributes:
        centre: bounds of where the four meet, relative to width and height, drawn for each.
        keep: which boxes are still objects in their corner; with None all of which anything is to be seen.
            They are always cut off at its edges.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    partner_count: ClassVar[int] = 3

    centre: tuple[float, float] = (0.3, 0.7)
    keep: BoxFilter | None = CENTRE_INSIDE
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "centre", 0, 1)
        settle_optional(self, "keep", BoxFilter)
        settle_probability(self)

    def mix(self, sample: Sample, partners: Sequence[Sample], rng: np.random.Generator) -> Traced:
        """Lay the sample and three others into one frame."""
        height, width = size_of(sample)
        if min(height, width) < 2:
            return Traced(sample, SAME_PLACE)
        corners = self._corners((height, width), rng)
        order = rng.permutation(len(corners))
        frame = np.empty((height, width, 3), np.uint8)
        truths, box_maps = [], []
        for one, number in zip((sample, *partners), order, strict=True):
            corner = corners[number]
            placement = _covering(size_of(one), (corner.y1 - corner.y0, corner.x1 - corner.x0), rng)
            frame[corner.y0 : corner.y1, corner.x0 : corner.x1] = placement.apply(pixels_of(one))
            truths.append(self._seen_in(corner, one.ground_truth, placement))
            box_maps.append(placement.boxes.then(BoxMap.shifting(corner.x0, corner.y0)))
        mixed = dataclasses.replace(sample, image=frame, ground_truth=GroundTruth.together(truths))
        return Traced(mixed, box_maps[0])

    def _corners(self, size: Size, rng: np.random.Generator) -> list[PixelRectangle]:
        height, width = size
        share_x, share_y = rng.uniform(*self.centre, 2).tolist()
        x, y = (
            min(max(round(share_x * width), 1), width - 1),
            min(max(round(share_y * height), 1), height - 1),
        )
        return [
            PixelRectangle(0, 0, x, y),
            PixelRectangle(x, 0, width, y),
            PixelRectangle(0, y, x, height),
            PixelRectangle(x, y, width, height),
        ]

    def _seen_in(self, corner: PixelRectangle, truth: GroundTruth, placement: Placement) -> GroundTruth:
        keep = dataclasses.replace(self.keep or BoxFilter(criterion=None), clip=True)
        seen = keep.select(truth, placement.boxes.forward(truth.boxes_px), placement.size)
        return moved(seen, BoxMap.shifting(corner.x0, corner.y0).forward(seen.boxes_px))


@dataclass(frozen=True)
class MixUp(MixingOperation):
    """Blend another photograph into the image, and keep the objects of both.

    The other one is resized, its shape kept, until it just fits into the frame, at a random place; around it
    the image stays as it is.

    Attributes:
        bounds: of the share of the sample's own pixels in the blend.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.

    Source: Zhang et al., Bag of Freebies for Training Object Detection Neural Networks, 2019.
    """

    partner_count: ClassVar[int] = 1

    bounds: tuple[float, float] = (0.4, 0.6)
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "bounds", 0, 1)
        settle_probability(self)

    def mix(self, sample: Sample, partners: Sequence[Sample], rng: np.random.Generator) -> Traced:
        """Blend one other sample in."""
        (partner,) = partners
        share = rng.uniform(*self.bounds)
        (top, left), placement = _fitting(size_of(partner), size_of(sample), rng)
        blended = pixels_of(sample).copy()
        height, width = placement.size
        own = blended[top : top + height, left : left + width]
        own[:] = _blend(own, placement.apply(pixels_of(partner)), share)
        box_map = placement.boxes.then(BoxMap.shifting(left, top))
        others = moved(partner.ground_truth, box_map.forward(partner.ground_truth.boxes_px))
        truth = GroundTruth.together([sample.ground_truth, others])
        return Traced(dataclasses.replace(sample, image=blended, ground_truth=truth), SAME_PLACE)


def readable_partner(partners: PartnerSource, rng: np.random.Generator) -> Sample:
    """Draw a partner, decode it and cut its boxes off at its edges.

    `InputError` only if several in a row cannot be read.
    """
    for _ in range(DRAWS_OF_A_PARTNER - 1):
        try:
            return opened(partners(rng))
        except InputError:
            continue  # the loader meets that image by itself and names it
    return opened(partners(rng))


def _covering(image_size: Size, size: Size, rng: np.random.Generator) -> Placement:
    """Draw a part of the image that has the shape of `size` and is as large as possible, resized to it."""
    factor = max(size[0] / image_size[0], size[1] / image_size[1])
    part = [min(side, max(1, round(wanted / factor))) for side, wanted in zip(image_size, size, strict=True)]
    top, left = (int(rng.integers(side - taken + 1)) for side, taken in zip(image_size, part, strict=True))
    window = (left, top, left + part[1], top + part[0])
    return Placement(Geometry(image_size, window, size, interpolation=_smooth(factor)))


def _fitting(image_size: Size, frame: Size, rng: np.random.Generator) -> tuple[tuple[int, int], Placement]:
    """Draw a place (top, left) in the frame for the image, resized to be as large as fits."""
    factor = min(frame[0] / image_size[0], frame[1] / image_size[1])
    height, width = (
        min(room, max(1, round(side * factor))) for side, room in zip(image_size, frame, strict=True)
    )
    top, left = int(rng.integers(frame[0] - height + 1)), int(rng.integers(frame[1] - width + 1))
    window = (0, 0, image_size[1], image_size[0])
    geometry = Geometry(image_size, window, (height, width), interpolation=_smooth(factor))
    return (top, left), Placement(geometry)


def _smooth(factor: float) -> int:
    return int(cv2.INTER_AREA if factor <= 0.5 else cv2.INTER_LINEAR)


def _blend(a: NDArray[np.uint8], b: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    blended: NDArray[np.uint8] = cv2.addWeighted(a, share, b, 1 - share, 0)
    return blended
