"""The chains of the Keras port of 2018: for images of one size, of any size, and from above.

Source: pierluigiferrari/ssd_keras, `data_augmentation_chain_*_input_size` and `..._satellite`. There contrast
comes last in one of two orders of steps; here the two are drawn independently. And an image without objects,
which stays in place there, is moved here as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ssd_keras.boxes.formats import clip_to_image
from ssd_keras.data.augment.crops import MOST_TRIALS
from ssd_keras.data.augment.geometry import (
    Boxes,
    Window,
    locate,
    project,
    relative_window,
    turn,
    visible_share,
    whole_pixels,
)
from ssd_keras.data.augment.one_touch import OneTouchChain, View, whole
from ssd_keras.data.augment.photometric import Distortion
from ssd_keras.data.augment.settings import settle_probability, settle_range, settle_whole, wrong

TUTORIAL_DISTORTION = Distortion(
    brightness=(-48, 48), contrast=(0.5, 1.8), saturation=(0.5, 1.8), contrast_pivot=127.5
)
"""The changes of colour in the SSD7 tutorial."""


ROUNDING = 1e-9
"""More than a share of whole pixels can lose by rounding: bounds are included."""


@dataclass(frozen=True, kw_only=True)
class _PortChain(OneTouchChain):
    """What the three chains have in common: a step is tried until it leaves an object in sight.

    Attributes:
        min_visible: an object is kept where at least this share of its area is seen.
        min_visible_of_one: at least one object must be seen by this share.
        trials: how often each step is tried; after that it is left out.
    """

    distortion: Distortion | None = TUTORIAL_DISTORTION
    interpolations: tuple[str, ...] = ("linear",)
    fill: tuple[int, int, int] = (0, 0, 0)
    min_area_px: float = 16.0
    min_visible: float = 0.3
    min_visible_of_one: float = 0.5
    trials: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_probability(self, "min_visible")
        settle_probability(self, "min_visible_of_one")
        settle_whole(self, "trials", 1, MOST_TRIALS)

    def _try(self, draw: Callable[[], Window], view: View) -> View:
        """Draw windows, relative to that of `view`, until one will do; give what it shows, or else `view`.

        They are settled to whole pixels, as in the port: boxes and pixels follow the same numbers.
        """
        for _ in range(self.trials):
            window = whole_pixels(locate(draw(), view.window))
            boxes = project(view.boxes, relative_window(window, view.window))
            seen = visible_share(boxes) + ROUNDING
            if not view.kept.any() or (seen[view.kept] >= self.min_visible_of_one).any():
                kept = view.kept & (seen >= self.min_visible)
                return View(window, clip_to_image(boxes), kept)
        return view


@dataclass(frozen=True, kw_only=True)
class ConstantSizeChain(_PortChain):
    """The chain of the SSD7 tutorial, for images that all have about the size of the network's input.

    Distort, then translate and zoom in, or zoom out and translate, then flip.

    Attributes:
        translation: bounds of how far the image moves, relative to its width and height, either way.
        translation_probability: how often it does.
        scale: bounds of the zoom; below 1 zooms out, above 1 zooms in, either as often.
        scale_probability: how often that happens.
    """

    translation: tuple[float, float] = (0.03, 0.5)
    translation_probability: float = 0.5
    scale: tuple[float, float] = (0.5, 2.0)
    scale_probability: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_probability(self, "translation_probability")
        settle_probability(self, "scale_probability")
        settle_range(self, "translation", 0, 1)
        settle_range(self, "scale", 0.01, 100)
        if not self.scale[0] <= 1 <= self.scale[1]:
            raise wrong(self, "scale", "give one number below 1 and one above")

    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Move the window twice; what leaves the output in a step is gone in the next. `boxes_px`: (M, 4)."""
        view = _all_in_view(image_size, boxes_px)
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


@dataclass(frozen=True, kw_only=True)
class VariableSizeChain(_PortChain):
    """The chain for images of any size and shape: distort, show a patch, flip.

    A patch may be larger than the image in one direction or both, which then lies somewhere in it.

    Attributes:
        scale: bounds of the width of a patch, relative to the image's.
        aspect: bounds of width / height of a patch, in pixels.
    """

    scale: tuple[float, float] = (0.3, 2.0)
    aspect: tuple[float, float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_range(self, "scale", 0.01, 100)
        settle_range(self, "aspect", 0.01, 100)

    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Choose a patch; `boxes_px` (M, 4) are the objects of the image."""
        height, width = image_size

        def patch() -> Window:
            patch_width = rng.uniform(*self.scale)
            patch_height = patch_width * width / rng.uniform(*self.aspect) / height
            # From edge to edge where the patch fits into the image, else the image from edge to edge in it.
            left, top = rng.random(2) * (1 - np.array([patch_width, patch_height]))
            return (left, top, left + patch_width, top + patch_height)

        return self._try(patch, _all_in_view(image_size, boxes_px))


@dataclass(frozen=True, kw_only=True)
class SatelliteChain(VariableSizeChain):
    """The chain for images from above, without an up and down: also flipped vertically and turned.

    Attributes:
        rotation_probability: how often the image is turned, by one, two or three quarters alike.
    """

    aspect: tuple[float, float] = (0.8, 1.25)
    vertical_flip: float = 0.5
    rotation_probability: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_probability(self, "rotation_probability")

    def sample_view(self, image_size: tuple[int, int], boxes_px: Boxes, rng: np.random.Generator) -> View:
        """Choose a patch of the turned image, and turn it back: pixels are turned last, when they are few.

        `boxes_px` (M, 4) are the objects of the image.
        """
        turns = int(rng.integers(1, 4)) if rng.random() < self.rotation_probability else 0
        height, width = image_size
        turned_size = (width, height) if turns % 2 else (height, width)
        scale = np.array([width, height, width, height])
        turned_px = turn(boxes_px / scale, turns) * np.array(turned_size)[[1, 0, 1, 0]]
        view = super().sample_view(turned_size, turned_px, rng)
        window = turn(project(np.array(view.window), whole(turned_size)), -turns) * scale
        x0, y0, x1, y1 = window.tolist()  # whole numbers but for rounding errors
        return View(whole_pixels((x0, y0, x1, y1)), turn(view.boxes, -turns), view.kept, turns)


def _all_in_view(image_size: tuple[int, int], boxes_px: Boxes) -> View:
    image = whole(image_size)
    return View(image, project(boxes_px, image), np.ones(len(boxes_px), bool))
