"""What all chains of augmentation share: geometry first, then pixels, once.

A chain is a frozen dataclass whose fields are its settings, called as `chain(sample, rng, size)`. It samples
the geometry first, in the original's order, and touches pixels once. The crop's corner and size are truncated
to whole pixels, the boxes are not: as in the original, they may lie up to two pixels of the photograph beside
what they show. (The port's chains have none of that.)

The distribution is the original's, but that boxes below `min_side_px` are left out; what else differs, in the
pixels only:

- Colours change after the resize, not before, on the at most H×W pixels that are seen.
- The image is resized by itself and then surrounded by the fill colour: the edge between them is sharp and
  lies on a whole pixel of the output.
- Where the image shrinks to half or less, a JPEG is decoded at 1/2, 1/4 or 1/8: smoother than sampling
  single pixels from the full image (`reduced_decoding=False` turns that off).
- Pixels are not stored as JPEG again between the steps, as Caffe does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.boxes.formats import clip_to_image, clip_to_size
from ssd_keras.data.augment.geometry import MEAN_COLOUR, Boxes, Geometry, Window, large_enough
from ssd_keras.data.augment.photometric import Distortion
from ssd_keras.data.augment.settings import (
    settle_choices,
    settle_colour,
    settle_number,
    settle_optional,
    settle_probability,
    settle_truth,
)
from ssd_keras.data.image_headers import DeferredImage
from ssd_keras.data.samples import Sample

INTERPOLATIONS = {
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
    "cubic": cv2.INTER_CUBIC,
    "lanczos4": cv2.INTER_LANCZOS4,
}
"""The ways to resize among which the original chooses."""


class AugmentedSample(NamedTuple):
    """What the network is trained on.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        boxes: (M, 4) float32, x0, y0, x1, y1 relative to the image. M may be 0.
        labels: (M,) int32.
        to_original: gives boxes (K, 4) that are relative to this image, such as detections, in pixels of the
            original one: the exact inverse of what happened to the pixels, not rounded and not cut off at its
            edges.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]
    to_original: Callable[[ArrayLike], Boxes]


class Augmentation(Protocol):
    """What a chain is: sample, random numbers and the output's (height, width) in, augmented sample out.

    Boxes around crowds are left out; difficult objects are kept, as Caffe trains on them. The same numbers
    give the same output. `InputError` where the image cannot be read.
    """

    def __call__(self, sample: Sample, rng: np.random.Generator, size: tuple[int, int]) -> AugmentedSample:
        """Augment one sample."""
        ...


class View(NamedTuple):
    """What a chain decided to show.

    Attributes:
        window: the part of the plane that fills the output, in pixels of the image.
        boxes: (M, 4) all objects, relative to the window; they may reach beyond it.
        kept: (M,) bool, which of them are still objects to be found.
        quarter_turns: by so many quarters the output is to be turned clockwise.
    """

    window: Window
    boxes: Boxes
    kept: NDArray[np.bool_]
    quarter_turns: int = 0


@dataclass(frozen=True, kw_only=True)
class OneTouchChain(ABC):
    """What the chains have in common: all but which part of the plane is shown.

    Attributes:
        distortion: changes of colour, or None.
        horizontal_flip: probability.
        vertical_flip: probability; for images without an up and down, as from microscopes and satellites.
        interpolations: names of the ways to resize, one of which is drawn for each image.
        min_side_px: boxes with a shorter side are left out, in pixels of the output.
        min_area_px: boxes with a smaller area are left out, in pixels of the output.
        fill: the colour (RGB) of what the image does not cover.
        reduced_decoding: decode a JPEG at a fraction of its size where the geometry allows it.

    Raises:
        InputError: a setting is out of bounds.
    """

    distortion: Distortion | None = field(default_factory=Distortion)
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    interpolations: tuple[str, ...] = tuple(INTERPOLATIONS)
    min_side_px: float = 1.0
    min_area_px: float = 0.0
    fill: tuple[int, int, int] = MEAN_COLOUR
    reduced_decoding: bool = True

    def __post_init__(self) -> None:
        settle_optional(self, "distortion", Distortion)
        settle_probability(self, "horizontal_flip")
        settle_probability(self, "vertical_flip")
        settle_choices(self, "interpolations", INTERPOLATIONS)
        settle_number(self, "min_side_px", 0, 1e9)
        settle_number(self, "min_area_px", 0, 1e9)
        settle_colour(self, "fill")
        settle_truth(self, "reduced_decoding")

    @abstractmethod
    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Decide what to show of an image with objects `boxes_px` (M, 4), in its pixels. M may be 0."""

    def __call__(self, sample: Sample, rng: np.random.Generator, size: tuple[int, int]) -> AugmentedSample:
        """Augment one sample."""
        image = DeferredImage(sample.image, sample.name)
        boxes_px, labels = objects_of(sample, image.size)
        view = self.sample_view(image.size, boxes_px, rng)
        geometry = self._geometry(image.size, view, rng, size)
        boxes = geometry.orient_boxes(clip_to_image(view.boxes))
        kept = view.kept & large_enough(boxes, size, self.min_side_px, self.min_area_px)
        pixels = self._render(image, geometry, rng)
        return AugmentedSample(pixels, boxes[kept].astype(np.float32), labels[kept], geometry.to_original)

    def _geometry(
        self, image_size: tuple[int, int], view: View, rng: np.random.Generator, size: tuple[int, int]
    ) -> Geometry:
        interpolation = self.interpolations[rng.integers(len(self.interpolations))]
        return Geometry(
            image_size,
            view.window,
            size,
            flip_horizontally=bool(rng.random() < self.horizontal_flip),
            flip_vertically=bool(rng.random() < self.vertical_flip),
            quarter_turns=view.quarter_turns,
            interpolation=INTERPOLATIONS[interpolation],
            fill=self.fill,
        )

    def _render(
        self, image: DeferredImage, geometry: Geometry, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        if not geometry.shows_image:
            return geometry.place(None)
        pixels, reduction = image.pixels(geometry.reduction if self.reduced_decoding else 1)
        patch = geometry.resize(pixels, reduction)
        if self.distortion:
            patch = self.distortion.sample(rng).apply(patch)
        return geometry.place(patch)


def objects_of(sample: Sample, image_size: tuple[int, int]) -> tuple[Boxes, NDArray[np.int32]]:
    """Give boxes (M, 4) float64 in pixels, cut off at the image's edges, and labels (M,); no crowds."""
    truth = sample.ground_truth
    wanted = ~truth.crowd
    return clip_to_size(truth.boxes_px[wanted].astype(np.float64), image_size), truth.labels[wanted]


def whole(image_size: tuple[int, int]) -> Window:
    """Give the window, in pixels, that shows all of an image of `image_size` (height, width)."""
    height, width = image_size
    return (0, 0, width, height)
