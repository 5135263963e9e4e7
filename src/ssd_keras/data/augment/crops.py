"""Which part of the image is shown: expanding and the batch sampler, SSD's answer to objects of any size.

Cropping (the paper's section 2.2) makes small objects large, expanding makes large objects small (section
3.6, which calls the two "zoom in" and "zoom out"). Numbers are those of Caffe's `ssd_pascal.py`
(`expand_param`, `batch_sampler`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.data.augment.geometry import WHOLE, Boxes, Window
from ssd_keras.data.augment.settings import (
    settle_number,
    settle_probability,
    settle_range,
    settle_ranges,
    settle_whole,
)

LARGEST_RATIO = 1000
"""Bound of a setting: on a larger canvas nothing is left of the image."""

MOST_TRIALS = 1000
"""Bound of a setting: each trial takes time."""


@dataclass(frozen=True)
class Expand:
    """Lay the image at a random place on a larger canvas (Caffe: ExpandImage).

    Attributes:
        probability: how often that happens.
        max_ratio: the canvas is up to this many times as wide and as high as the image, uniformly from 1.

    Raises:
        InputError: the probability lies outside 0-1 or the ratio outside 1-1000.
    """

    probability: float = 0.5
    max_ratio: float = 4.0

    def __post_init__(self) -> None:
        settle_probability(self)
        settle_number(self, "max_ratio", 1, LARGEST_RATIO)

    def sample(self, image_size: tuple[int, int], rng: np.random.Generator) -> Window:
        """Sample the canvas around an image of `image_size` (height, width), in pixels of the image."""
        height, width = image_size
        if rng.random() >= self.probability:
            return (0, 0, width, height)
        ratio = rng.uniform(1, self.max_ratio)
        canvas_height, canvas_width = int(height * ratio), int(width * ratio)
        top = int(rng.uniform(0, canvas_height - height))
        left = int(rng.uniform(0, canvas_width - width))
        return (-left, -top, canvas_width - left, canvas_height - top)


@dataclass(frozen=True)
class BatchSampler:
    """Crop so that some object overlaps the crop by a chosen amount (Caffe: GenerateBatchSamples).

    The name is Caffe's; batches of images are not meant.

    One sampler always offers the whole image. Each of the others tries random crops and offers the first one
    whose IoU with any object lies within its bounds. One of the crops on offer is taken, all alike likely.
    An image without objects is never cropped.

    Attributes:
        overlaps: bounds (lowest, highest) of the IoU, both included, one pair a sampler. The last of the
            original's, at most 1, takes any crop.
        scale: a crop covers the square of this share of the image's area; uniform between the two bounds.
        aspect: width / height of a crop, both relative to the image; uniform, then limited to what fits.
        trials: how often a sampler tries.

    Raises:
        InputError: a setting is out of bounds.
    """

    overlaps: tuple[tuple[float, float], ...] = (
        (0.1, 1.0),
        (0.3, 1.0),
        (0.5, 1.0),
        (0.7, 1.0),
        (0.9, 1.0),
        (0.0, 1.0),
    )
    scale: tuple[float, float] = (0.3, 1.0)
    aspect: tuple[float, float] = (0.5, 2.0)
    trials: int = 50

    def __post_init__(self) -> None:
        settle_ranges(self, "overlaps", 0, 1)
        settle_range(self, "scale", 0.01, 1)
        settle_range(self, "aspect", 0.01, 100)
        settle_whole(self, "trials", 1, MOST_TRIALS)

    def sample(self, boxes: Boxes, rng: np.random.Generator) -> Window:
        """Sample the part of the image to show, relative to the image.

        `boxes` (M, 4) are the objects, relative to the image. M may be 0.
        """
        offered = self.offers(boxes, rng)
        choice = int(rng.integers(len(offered) + 1))
        if choice == 0:
            return WHOLE
        x0, y0, x1, y1 = offered[choice - 1].tolist()
        return (x0, y0, x1, y1)

    def offers(self, boxes: Boxes, rng: np.random.Generator) -> NDArray[np.float64]:
        """Give the crops (N, 4), relative, that the samplers found besides the whole image; N may be 0.

        All trials of all samplers are drawn at once. Taking the first success of each leaves the distribution
        what it is where trial follows trial.
        """
        if not len(boxes) or not self.overlaps:
            return np.empty((0, 4))
        crops = self.candidates((len(self.overlaps), self.trials), rng)
        lowest, highest = np.array(self.overlaps).T[:, :, None, None]
        overlap = pairwise_iou(crops, boxes)  # (samplers, trials, M)
        fits = ((overlap >= lowest) & (overlap <= highest)).any(axis=-1)
        first = fits.argmax(axis=1)
        found = fits.any(axis=1)
        return crops[found, first[found]]  # type: ignore[no-any-return]

    def candidates(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw crops (*shape, 4), relative to the image, whatever it shows (Caffe: SampleBBox)."""
        scale = rng.uniform(*self.scale, shape)
        aspect = rng.uniform(*self.aspect, shape)
        aspect = np.clip(aspect, scale**2, scale**-2)
        width = np.minimum(scale * np.sqrt(aspect), 1)
        height = np.minimum(scale / np.sqrt(aspect), 1)
        left, top = rng.random((2, *shape))
        left, top = left * (1 - width), top * (1 - height)
        return np.stack([left, top, left + width, top + height], axis=-1)
