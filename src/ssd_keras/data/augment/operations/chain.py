"""A chain of operations, one after the other on decoded pixels: for chains that users put together.

The ready-made chains draw their whole geometry first and touch pixels once, and are faster for it; here every
operation sees what the one before it made, and anything can stand in between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ssd_keras.boxes.formats import clip_to_image, px_to_relative
from ssd_keras.data.augment.box_map import SAME_PLACE, BoxMap
from ssd_keras.data.augment.geometry import Boxes, large_enough
from ssd_keras.data.augment.one_touch import AugmentedSample
from ssd_keras.data.augment.operations.base import (
    Operation,
    Size,
    Traced,
    moved,
    opened,
    pixels_of,
    size_of,
)
from ssd_keras.data.augment.operations.foreign import ForeignStep
from ssd_keras.data.augment.operations.mixing import MixingOperation, PartnerSource
from ssd_keras.data.augment.settings import settle_number
from ssd_keras.data.images import resize_image
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError
from ssd_keras.user_code import for_other_process


@dataclass(frozen=True)
class OperationChain:
    """Operations in the order they are given; then the image is warped to the output's size.

    Attributes:
        operations: operations of this package, and any function of a sample, or of a sample and random
            numbers, that gives a sample. What they are given may be changed in place. One that adds objects,
            of more than one other image, says of how many in its attribute `partner_count`.
        partners: draws other samples for `Mosaic` and `MixUp`, such as `PartnersFrom(split)`.
        min_side_px: boxes with a shorter side are left out at the end, in pixels of the output.

    Raises:
        InputError: an operation is none, or `min_side_px` is out of bounds.
    """

    operations: tuple[Callable[..., Sample], ...]
    partners: PartnerSource | None = None
    min_side_px: float = 1.0
    _steps: tuple[Operation | ForeignStep, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.operations, str | dict) or not hasattr(self.operations, "__iter__"):
            raise InputError("a chain takes a list of operations, such as [Flip(), Brightness((-20, 20))]")
        object.__setattr__(self, "operations", tuple(self.operations))
        steps = tuple(one if isinstance(one, Operation) else ForeignStep(one) for one in self.operations)
        object.__setattr__(self, "_steps", steps)
        if self.partners is not None and not callable(self.partners):
            raise InputError("partners is no function of random numbers: give PartnersFrom(samples)")
        settle_number(self, "min_side_px", 0, 1e9)

    def __reduce__(self) -> tuple[type[OperationChain], tuple[Any, ...]]:
        travelling = tuple(for_other_process(one, "operation") for one in self.operations)
        return type(self), (travelling, self.partners, self.min_side_px)

    @property
    def needs_partners(self) -> bool:
        """Whether any operation draws other samples."""
        return any(isinstance(one, MixingOperation) for one in self.operations)

    @property
    def most_samples(self) -> int:
        """How many samples may put their objects into one image: 1 where nothing is added.

        A user's function may add the objects of one more, or of as many as its `partner_count` says.
        """
        adding = (step for step in self._steps if isinstance(step, MixingOperation | ForeignStep))
        return 1 + sum(step.partner_count for step in adding)

    def with_partners(self, partners: PartnerSource) -> OperationChain:
        """Give the same chain with other partners."""
        return dataclasses.replace(self, partners=partners)

    def __call__(self, sample: Sample, rng: np.random.Generator, size: Size) -> AugmentedSample:
        """Augment one sample to `size` (height, width).

        Raises:
            InputError: an image cannot be read. `to_original` raises it where a user's function changed the
                image's size.
            OperationError: an operation that mixes has no partners, or a user's function gives no sample with
                proper boxes.
        """
        augmented, way = self._run(self._start(sample), rng)
        image_size, truth = size_of(augmented), augmented.ground_truth
        wanted = ~truth.crowd
        boxes = clip_to_image(px_to_relative(truth.boxes_px[wanted].astype(np.float64), image_size))
        kept = large_enough(boxes, size, self.min_side_px)
        return AugmentedSample(
            resize_image(pixels_of(augmented), size),
            boxes[kept].astype(np.float32),
            truth.labels[wanted][kept],
            way.back_from(image_size),
        )

    def trace(self, sample: Sample, rng: np.random.Generator, size: Size | None = None) -> Traced:
        """Augment one sample and say where everything went.

        What a detector finds in the augmented image lies on the original photograph at
        `box_map.inverse(detections.boxes_px)`. A user's function is taken to leave everything in its place,
        unless it has a method `trace(sample, rng)` that gives the sample and a `BoxMap`, as operations do.
        What a mosaic shows of other photographs has no place on this one.

        Args:
            sample: its image may be a file, encoded bytes or pixels.
            rng: the same numbers as for a call give the same augmentation.
            size: (height, width) to warp the image to at the end; None leaves it as it is.

        Returns:
            sample: the augmented one, all its objects with their flags.
            box_map: from pixels of the original to pixels of the augmented image.

        Raises:
            InputError: as for a call; and where a user's function changes the image's size without telling.
        """
        augmented, way = self._run(self._start(sample), rng)
        traced = Traced(augmented, way.known())
        return traced if size is None else _warped(traced, size)

    def _start(self, sample: Sample) -> Sample:
        """Decode, cut boxes off at the image's edges, and copy what a user's function may write into."""
        start = opened(sample)
        if start.image is sample.image and any(isinstance(step, ForeignStep) for step in self._steps):
            return dataclasses.replace(start, image=pixels_of(start).copy())
        return start

    def _run(self, sample: Sample, rng: np.random.Generator) -> tuple[Sample, _Way]:
        way = _Way()
        for step in self._steps:
            box_map: BoxMap | None
            if isinstance(step, MixingOperation):
                sample, box_map = step.trace(sample, rng, self.partners)
            else:
                sample, box_map = step.trace(sample, rng)
            way = way.then(box_map, step.name)
        return sample, way


@dataclass(frozen=True)
class _Way:
    """The way from the original to what the chain made of it, as far as it is known.

    Attributes:
        box_map: of all operations.
        lost: the name of a user's function after which nobody knows where things are.
    """

    box_map: BoxMap = SAME_PLACE
    lost: str | None = None

    def then(self, box_map: BoxMap | None, name: str) -> _Way:
        if self.lost or box_map is None:
            return _Way(lost=self.lost or name)
        return _Way(self.box_map.then(box_map))

    def known(self) -> BoxMap:
        if self.lost:
            raise InputError(
                f"{self.lost} changed the image's size, so nothing can be found again on the original: "
                "give it a method trace(sample, rng) that gives the sample and a BoxMap"
            )
        return self.box_map

    def back_from(self, size: Size) -> Callable[[ArrayLike], Boxes]:
        """Give the function from boxes (K, 4) relative to an image of `size` to pixels of the original."""

        def to_original(boxes: ArrayLike) -> Boxes:
            return self.known().inverse_of_relative(boxes, size)

        return to_original


def _warped(traced: Traced, size: Size) -> Traced:
    sample = traced.sample
    height, width = size_of(sample)
    to_size = BoxMap.scaling(size[1] / width, size[0] / height)
    truth = moved(sample.ground_truth, to_size.forward(sample.ground_truth.boxes_px))
    image = resize_image(pixels_of(sample), size)
    return Traced(dataclasses.replace(sample, image=image, ground_truth=truth), traced.box_map.then(to_size))
