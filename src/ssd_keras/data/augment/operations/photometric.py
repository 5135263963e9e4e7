"""Changes of colour, one at a time: the boxes stay where they are, values stop at 0 and 255.

The formulas are those of `augment/photometric`. What is drawn is uniform between its bounds, but for gamma.
"""

from __future__ import annotations

import dataclasses
import itertools
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from ssd_keras.data.augment.box_map import SAME_PLACE
from ssd_keras.data.augment.operations.base import Operation, Traced, pixels_of
from ssd_keras.data.augment.photometric import (
    ColourChange,
    Image,
    change_gamma,
    equalize_histogram,
    to_greyscale,
)
from ssd_keras.data.augment.settings import settle_choices, settle_probability, settle_range
from ssd_keras.data.samples import Sample

ORDERS = tuple(itertools.permutations((0, 1, 2), 3))

SWAPS = ORDERS[1:]
"""The orders of three channels in which at least two have changed places."""


class PhotometricOperation(Operation):
    """An operation on the values of the pixels alone."""

    def act(self, sample: Sample, rng: np.random.Generator) -> Traced:
        """Change the colours of a sample whose image is decoded."""
        image = self.recolour(pixels_of(sample), rng)
        return Traced(dataclasses.replace(sample, image=image), SAME_PLACE)

    @abstractmethod
    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image (H, W, 3) uint8 RGB in other colours; the one given is not changed."""


@dataclass(frozen=True)
class Brightness(PhotometricOperation):
    """Add a number to every value.

    Attributes:
        bounds: of that number, in values of 0-255.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    bounds: tuple[float, float] = (-32, 32)
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "bounds", -255, 255)
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image brighter or darker."""
        return ColourChange(brightness=rng.uniform(*self.bounds)).apply(pixels)


@dataclass(frozen=True)
class Contrast(PhotometricOperation):
    """Multiply every value by a factor; the pivot is 0, as in Caffe.

    Attributes:
        bounds: of that factor.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    bounds: tuple[float, float] = (0.5, 1.5)
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "bounds", 0, 100)
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image with more or less contrast."""
        return ColourChange(contrast=rng.uniform(*self.bounds)).apply(pixels)


@dataclass(frozen=True)
class Saturation(PhotometricOperation):
    """Multiply the saturation (HSV) by a factor.

    Attributes:
        bounds: of that factor.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    bounds: tuple[float, float] = (0.5, 1.5)
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "bounds", 0, 100)
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image in stronger or paler colours."""
        return ColourChange(saturation=rng.uniform(*self.bounds)).apply(pixels)


@dataclass(frozen=True)
class Hue(PhotometricOperation):
    """Turn the hue (HSV) around the circle of colours.

    Attributes:
        bounds: of what is added to the hue, in steps of two degrees.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    bounds: tuple[float, float] = (-18, 18)
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "bounds", -90, 90)
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image in other hues."""
        return ColourChange(hue=rng.uniform(*self.bounds)).apply(pixels)


@dataclass(frozen=True)
class Gamma(PhotometricOperation):
    """Raise the values, taken as 0-1, to a power: above 1 darkens, below 1 brightens.

    Attributes:
        bounds: of that power, uniform in its logarithm, so that 1/2 is as likely as 2. (The Keras port of
            2018 raised to 1 / gamma: exchange the bounds for their reciprocals.)
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    bounds: tuple[float, float] = (0.5, 2.0)
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "bounds", 0.01, 100)
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image with its middle tones brighter or darker."""
        return change_gamma(pixels, np.exp(rng.uniform(*np.log(self.bounds))))


@dataclass(frozen=True)
class HistogramEqualization(PhotometricOperation):
    """Spread the brightness (V of HSV) evenly over all values.

    Attributes:
        probability: how often it acts.

    Raises:
        InputError: the probability is out of bounds.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image with its histogram equalized."""
        return equalize_histogram(pixels)


@dataclass(frozen=True)
class ChannelSwap(PhotometricOperation):
    """Let red, green and blue change places.

    Attributes:
        orders: from which channels the new red, green and blue are taken, of which one is drawn.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    orders: tuple[tuple[int, ...], ...] = SWAPS
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_choices(self, "orders", ORDERS)
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image with its channels in another order."""
        order = self.orders[rng.integers(len(self.orders))]
        return np.ascontiguousarray(pixels[..., list(order)])


@dataclass(frozen=True)
class Greyscale(PhotometricOperation):
    """Take the colour away; the image keeps its three channels.

    Attributes:
        probability: how often it acts.

    Raises:
        InputError: the probability is out of bounds.
    """

    probability: float = 0.1

    def __post_init__(self) -> None:
        settle_probability(self)

    def recolour(self, pixels: Image, rng: np.random.Generator) -> Image:
        """Give the image in grey."""
        return to_greyscale(pixels)
