"""What every operation is: settings, a probability, and a sample in, a sample out."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import clip_to_size
from ssd_keras.data.augment.box_map import SAME_PLACE, BoxMap
from ssd_keras.data.augment.settings import as_recipe_name
from ssd_keras.data.images import read_image
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

Size = tuple[int, int]
"""(height, width) in pixels."""


class OperationError(InputError):
    """An operation is at fault, not the image that it was given."""


class Traced(NamedTuple):
    """What an operation made of a sample, and where its boxes went.

    Attributes:
        sample: the image is (H, W, 3) uint8 RGB pixels.
        box_map: from pixels of the image before to pixels of the image after.
    """

    sample: Sample
    box_map: BoxMap


class Operation(ABC):
    """One step of a chain: a frozen dataclass whose fields are its settings.

    It changes nothing it is given: what it hands back is new, or the same object where nothing happens. The
    same random numbers give the same output. An image that is not decoded yet is decoded.

    Attributes:
        probability: how often it acts; else the sample goes through as it is.
    """

    probability: float = 1.0

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Give the changed sample; `InputError` where its image cannot be read."""
        return self.trace(sample, rng).sample

    def trace(self, sample: Sample, rng: np.random.Generator) -> Traced:
        """Give the changed sample and the map of its boxes; `InputError` where its image cannot be read."""
        if rng.random() >= self.probability:
            return Traced(sample, SAME_PLACE)
        return self.act(decoded(sample), rng)

    @abstractmethod
    def act(self, sample: Sample, rng: np.random.Generator) -> Traced:
        """Change a sample whose image is decoded, whatever the probability."""

    @property
    def name(self) -> str:
        """What recipes and messages call it."""
        return as_recipe_name(type(self).__name__)


def decoded(sample: Sample) -> Sample:
    """Give the sample with its image as (H, W, 3) uint8 RGB pixels; `InputError` if it cannot be read."""
    pixels = read_image(sample.image, name=sample.name)
    return sample if pixels is sample.image else dataclasses.replace(sample, image=pixels)


def opened(sample: Sample) -> Sample:
    """Give the sample decoded, with boxes of its own that are cut off at the edges of its image."""
    read, truth = decoded(sample), sample.ground_truth
    own = truth.select(np.ones(len(truth), bool))
    boxes = clip_to_size(truth.boxes_px, size_of(read))
    return dataclasses.replace(read, ground_truth=moved(own, boxes))


def pixels_of(sample: Sample) -> NDArray[np.uint8]:
    """Give the pixels (H, W, 3) uint8 of a sample that is decoded."""
    assert isinstance(sample.image, np.ndarray)
    return sample.image


def size_of(sample: Sample) -> Size:
    """Give (height, width) of the image of a sample that is decoded."""
    height, width = pixels_of(sample).shape[:2]
    return int(height), int(width)


def moved(truth: GroundTruth, boxes_px: NDArray[np.floating]) -> GroundTruth:
    """Give the same objects with other boxes (M, 4), in pixels; of their areas nothing is known then."""
    unknown = np.full(len(truth), np.nan)
    return dataclasses.replace(truth, boxes_px=boxes_px.astype(np.float32), areas=unknown)
