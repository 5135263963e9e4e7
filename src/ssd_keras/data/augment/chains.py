"""The chains of augmentation: from a sample to the image and the targets that the network is trained on.

A chain is a frozen dataclass whose fields are its settings, called as `chain(sample, rng, size)`. It samples
the geometry first, in the original's order, and touches pixels once. Its distribution is the original's; what
differs, in the pixels only:

- Colours change after the resize, not before, on the at most H×W pixels that are seen.
- The image is resized by itself and then surrounded by the fill colour: the edge between them is sharp and
  lies on a whole pixel of the output.
- Where the image shrinks to half or less, a JPEG is decoded at 1/2, 1/4 or 1/8: smoother than sampling
  single pixels from the full image (`reduced_decoding=False` turns that off).
- Pixels are not stored as JPEG again between the steps, as Caffe does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import clip_to_image, px_to_relative
from ssd_keras.data.augment.crops import BatchSampler, Expand
from ssd_keras.data.augment.geometry import (
    MEAN_COLOUR,
    WHOLE,
    Boxes,
    Geometry,
    Window,
    centre_inside,
    large_enough,
    locate,
    project,
    visible_share,
)
from ssd_keras.data.augment.photometric import Distortion
from ssd_keras.data.augment.settings import check_probabilities, check_range
from ssd_keras.data.image_headers import DeferredImage, read_resized
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError

INTERPOLATIONS = {
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
    "cubic": cv2.INTER_CUBIC,
    "lanczos4": cv2.INTER_LANCZOS4,
}
"""The ways to resize among which the original chooses."""


TUTORIAL_DISTORTION = Distortion(brightness=(-48, 48), contrast=(0.5, 1.8), saturation=(0.5, 1.8))
"""The changes of colour in the SSD7 tutorial."""


class AugmentedSample(NamedTuple):
    """What the network is trained on.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        boxes: (M, 4) float32, x0, y0, x1, y1 relative to the image. M may be 0.
        labels: (M,) int32.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]


class Augmentation(Protocol):
    """What a chain is: sample, random numbers and the output's (height, width) in, augmented sample out.

    Boxes around crowds are left out; difficult objects are kept, as Caffe trains on them. The same numbers
    give the same output. `InputError` where the image cannot be read.
    """

    def __call__(self, sample: Sample, rng: np.random.Generator, size: tuple[int, int]) -> AugmentedSample:
        """Augment one sample."""
        ...


@dataclass(frozen=True)
class ResizeOnly:
    """No augmentation: the image warped to the output, as a detector sees it.

    Attributes:
        min_side_px: smaller boxes are left out, in pixels of the output.
    """

    min_side_px: float = 1.0

    def __call__(self, sample: Sample, rng: np.random.Generator, size: tuple[int, int]) -> AugmentedSample:
        """Resize one sample; `rng` is not used."""
        image_size, pixels = read_resized(sample.image, size, sample.name)
        boxes_px, labels = _objects(sample, image_size)
        boxes = px_to_relative(boxes_px, image_size)
        kept = large_enough(boxes, size, self.min_side_px)
        return AugmentedSample(pixels, boxes[kept].astype(np.float32), labels[kept])


class View(NamedTuple):
    """What a chain decided to show.

    Attributes:
        window: the part of the plane that fills the output, in pixels of the image.
        boxes: (M, 4) all objects, relative to the window; they may reach beyond it.
        kept: (M,) bool, which of them are still objects to be found.
    """

    window: Window
    boxes: Boxes
    kept: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class OneTouchChain(ABC):
    """What the chains have in common: all but which part of the plane is shown.

    Attributes:
        distortion: changes of colour, or None.
        horizontal_flip: probability.
        vertical_flip: probability; for images without an up and down, as from microscopes and satellites.
        interpolations: names of the ways to resize, one of which is drawn for each image.
        min_side_px: smaller boxes are left out, in pixels of the output.
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
    fill: tuple[int, int, int] = MEAN_COLOUR
    reduced_decoding: bool = True

    def __post_init__(self) -> None:
        check_probabilities(
            "augmentation", horizontal_flip=self.horizontal_flip, vertical_flip=self.vertical_flip
        )
        if not self.interpolations or not set(self.interpolations) <= set(INTERPOLATIONS):
            raise InputError(
                f"augmentation: interpolations are {list(self.interpolations)}: "
                f"choose from {', '.join(INTERPOLATIONS)}"
            )

    @abstractmethod
    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Decide what to show of an image with objects `boxes_px` (M, 4), in its pixels. M may be 0."""

    def __call__(self, sample: Sample, rng: np.random.Generator, size: tuple[int, int]) -> AugmentedSample:
        """Augment one sample."""
        image = DeferredImage(sample.image, sample.name)
        boxes_px, labels = _objects(sample, image.size)
        view = self.sample_view(image.size, boxes_px, rng)
        interpolation = self.interpolations[rng.integers(len(self.interpolations))]
        geometry = Geometry(
            image.size,
            view.window,
            size,
            flip_horizontally=bool(rng.random() < self.horizontal_flip),
            flip_vertically=bool(rng.random() < self.vertical_flip),
            interpolation=INTERPOLATIONS[interpolation],
            fill=self.fill,
        )
        boxes = geometry.flip_boxes(clip_to_image(view.boxes))
        kept = view.kept & large_enough(boxes, size, self.min_side_px)
        pixels = self._render(image, geometry, rng)
        return AugmentedSample(pixels, boxes[kept].astype(np.float32), labels[kept])

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


@dataclass(frozen=True, kw_only=True)
class OriginalChain(OneTouchChain):
    """The original's chain for training: distort, expand, crop, resize, flip (Caffe: `ssd_pascal.py`).

    An object is kept where its centre is seen.

    Attributes:
        expand: the image on a larger canvas, or None.
        crop: the batch sampler, or None.
    """

    expand: Expand | None = field(default_factory=Expand)
    crop: BatchSampler | None = field(default_factory=BatchSampler)

    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Expand the image, then crop the canvas."""
        canvas = self.expand.sample(image_size, rng) if self.expand else _whole(image_size)
        boxes = project(boxes_px, canvas)
        crop = self.crop.sample(boxes, rng) if self.crop else WHOLE
        seen = project(boxes, crop)
        return View(locate(crop, canvas), seen, centre_inside(seen))


@dataclass(frozen=True, kw_only=True)
class ConstantSizeChain(OneTouchChain):
    """The chain of the SSD7 tutorial, for images that all have about the size of the network's input.

    Distort, then translate and zoom in, or zoom out and translate, then flip. Each step is tried until it
    leaves at least one object in sight, and left out where that fails.

    Source: pierluigiferrari/ssd_keras, DataAugmentationConstantInputSize. There contrast comes last whenever
    the image may be zoomed out; here the two are drawn independently. And an image without objects, which
    stays in place there, is moved here as well.

    Attributes:
        translation: bounds of how far the image moves, relative to its width and height, either way.
        translation_probability: how often it does.
        scale: bounds of the zoom; below 1 zooms out, above 1 zooms in, either as often.
        scale_probability: how often that happens.
        min_visible: an object is kept where at least this share of its area is seen.
        min_visible_of_one: at least one object must be seen by this share.
        trials: how often each step is tried.
    """

    distortion: Distortion | None = TUTORIAL_DISTORTION
    interpolations: tuple[str, ...] = ("linear",)
    fill: tuple[int, int, int] = (0, 0, 0)
    translation: tuple[float, float] = (0.03, 0.5)
    translation_probability: float = 0.5
    scale: tuple[float, float] = (0.5, 2.0)
    scale_probability: float = 0.5
    min_visible: float = 0.3
    min_visible_of_one: float = 0.5
    trials: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_probabilities(
            "augmentation",
            translation_probability=self.translation_probability,
            scale_probability=self.scale_probability,
            min_visible=self.min_visible,
            min_visible_of_one=self.min_visible_of_one,
        )
        check_range("augmentation", "translation", self.translation, 0, 1)
        check_range("augmentation", "scale", self.scale, 0.01, 100)
        if not self.scale[0] <= 1 <= self.scale[1]:
            raise InputError(f"augmentation: scale is {self.scale}: give one number below 1 and one above")
        if self.trials < 1:
            raise InputError(f"augmentation: trials is {self.trials}: each step needs at least one")

    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Move the window twice; what leaves the output in a step is gone in the next."""
        image = _whole(image_size)
        view = View(image, project(boxes_px, image), np.ones(len(boxes_px), bool))
        if rng.random() < 0.5:
            view = self._translate(view, rng)
            return self._zoom(view, (1, self.scale[1]), rng)
        view = self._zoom(view, (self.scale[0], 1), rng)
        return self._translate(view, rng)

    def _translate(self, view: View, rng: np.random.Generator) -> View:
        def move() -> Window:
            dx, dy = rng.uniform(*self.translation, 2) * rng.choice((-1, 1), 2)
            return (-dx, -dy, 1 - dx, 1 - dy)

        return self._try(move, view) if rng.random() < self.translation_probability else view

    def _zoom(self, view: View, scale: tuple[float, float], rng: np.random.Generator) -> View:
        def zoom() -> Window:
            half = 0.5 / rng.uniform(*scale)
            return (0.5 - half, 0.5 - half, 0.5 + half, 0.5 + half)

        return self._try(zoom, view) if rng.random() < self.scale_probability else view

    def _try(self, draw: Callable[[], Window], view: View) -> View:
        for _ in range(self.trials):
            window = draw()
            boxes = project(view.boxes, window)
            seen = visible_share(boxes)
            if not view.kept.any() or (seen[view.kept] >= self.min_visible_of_one).any():
                kept = view.kept & (seen >= self.min_visible)
                return View(locate(window, view.window), clip_to_image(boxes), kept)
        return view


CHAINS: Mapping[str, Callable[..., Augmentation]] = {
    "original": OriginalChain,
    "constant_size": ConstantSizeChain,
    "none": ResizeOnly,
}
"""The chains by the name a recipe calls them; the keywords of each are its settings."""


def _objects(sample: Sample, image_size: tuple[int, int]) -> tuple[Boxes, NDArray[np.int32]]:
    """Give boxes (M, 4) float64 in pixels, cut off at the image's edges, and labels (M,); no crowds."""
    height, width = image_size
    truth = sample.ground_truth
    wanted = ~truth.crowd
    boxes_px = truth.boxes_px[wanted].astype(np.float64)
    return np.clip(boxes_px, 0, [width, height, width, height]), truth.labels[wanted]


def _whole(image_size: tuple[int, int]) -> Window:
    height, width = image_size
    return (0, 0, width, height)
