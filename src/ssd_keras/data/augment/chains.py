"""The chains of augmentation by the names that recipes call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ssd_keras.boxes.formats import px_to_relative
from ssd_keras.data.augment.crops import BatchSampler, Expand
from ssd_keras.data.augment.geometry import (
    WHOLE,
    Boxes,
    Geometry,
    centre_inside,
    large_enough,
    locate,
    project,
)
from ssd_keras.data.augment.one_touch import (
    Augmentation,
    AugmentedSample,
    OneTouchChain,
    View,
    objects_of,
    whole,
)
from ssd_keras.data.augment.port_chains import ConstantSizeChain, SatelliteChain, VariableSizeChain
from ssd_keras.data.augment.settings import settle_number, settle_optional
from ssd_keras.data.image_headers import read_resized
from ssd_keras.data.samples import Sample


@dataclass(frozen=True)
class ResizeOnly:
    """No augmentation: the image warped to the output, as a detector sees it.

    Attributes:
        min_side_px: smaller boxes are left out, in pixels of the output.

    Raises:
        InputError: that is no number, or below 0.
    """

    min_side_px: float = 1.0

    def __post_init__(self) -> None:
        settle_number(self, "min_side_px", 0, 1e9)

    def __call__(self, sample: Sample, rng: np.random.Generator, size: tuple[int, int]) -> AugmentedSample:
        """Resize one sample; `rng` is not used."""
        image_size, pixels = read_resized(sample.image, size, sample.name)
        boxes_px, labels = objects_of(sample, image_size)
        boxes = px_to_relative(boxes_px, image_size)
        kept = large_enough(boxes, size, self.min_side_px)
        geometry = Geometry(image_size, whole(image_size), size)
        return AugmentedSample(pixels, boxes[kept].astype(np.float32), labels[kept], geometry.to_original)


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

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_optional(self, "expand", Expand)
        settle_optional(self, "crop", BatchSampler)

    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Expand the image, then crop the canvas; `boxes_px` (M, 4) are its objects."""
        canvas = self.expand.sample(image_size, rng) if self.expand else whole(image_size)
        boxes = project(boxes_px, canvas)
        crop = self.crop.sample(boxes, rng) if self.crop else WHOLE
        seen = project(boxes, crop)
        return View(locate(crop, canvas), seen, centre_inside(seen))


@dataclass(frozen=True, kw_only=True)
class MildChain(OriginalChain):
    """The original's chain with little scaling, for hundreds of images instead of tens of thousands.

    What is scaled much wants many more steps to be learned: the original doubled its own when it began to
    expand images. `benchmarks/few_images.py` compares the two.
    """

    expand: Expand | None = field(default_factory=lambda: Expand(0.2, 1.25))
    crop: BatchSampler | None = field(default_factory=lambda: BatchSampler(scale=(0.7, 1.0)))


CHAINS: Mapping[str, Callable[..., Augmentation]] = {
    "mild": MildChain,
    "ssd": OriginalChain,
    "constant_size": ConstantSizeChain,
    "variable_size": VariableSizeChain,
    "satellite": SatelliteChain,
    "none": ResizeOnly,
}
"""The chains by the name a recipe calls them; the keywords of each are its settings."""
