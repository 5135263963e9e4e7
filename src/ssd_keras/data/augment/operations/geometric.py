"""Operations that move the pixels, and the boxes with them.

Each draws a placement first: what is drawn is settled to whole pixels before anything moves, so that pixels
and boxes follow the same numbers. What is drawn is uniform between its bounds, but for the zoom.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssd_keras.data.augment.geometry import MEAN_COLOUR, Boxes, Geometry
from ssd_keras.data.augment.one_touch import INTERPOLATIONS, whole
from ssd_keras.data.augment.operations.base import Operation, Size, Traced, moved, pixels_of, size_of
from ssd_keras.data.augment.operations.filters import CENTRE_INSIDE, ONE_CENTRE_INSIDE, BoxFilter, Validator
from ssd_keras.data.augment.operations.placement import Placement, unmoved
from ssd_keras.data.augment.settings import (
    settle_choice,
    settle_choices,
    settle_colour,
    settle_number,
    settle_optional,
    settle_probability,
    settle_range,
    settle_rectangle,
    settle_size,
    settle_whole,
)
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError

LARGEST_SIDE = 16_384
"""No setting may ask for a longer side, in pixels."""

MOST_PIXELS = 100_000_000
"""No operation makes an image of more pixels than these, unless it was given one."""

MOST_TRIALS = 1000

SIDES = ("left", "top", "right", "bottom")


class GeometricOperation(Operation):
    """An operation that moves the pixels.

    Attributes:
        keep: which boxes are still objects afterwards; with None they are neither dropped nor clipped.
    """

    keep: BoxFilter | None = None

    @abstractmethod
    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Draw where an image of `image_size` (height, width) goes; `boxes_px` (M, 4) are its objects."""

    def act(self, sample: Sample, rng: np.random.Generator) -> Traced:
        """Move pixels and boxes of a sample whose image is decoded."""
        truth, size = sample.ground_truth, size_of(sample)
        placement = self.draw(size, truth.boxes_px[~truth.crowd].astype(np.float64), rng)
        self._check_output(placement.size, size, sample.name)
        boxes = placement.boxes.forward(truth.boxes_px)
        truth = self.keep.select(truth, boxes, placement.size) if self.keep else moved(truth, boxes)
        image = placement.apply(pixels_of(sample))
        return Traced(dataclasses.replace(sample, image=image, ground_truth=truth), placement.boxes)

    def _check_output(self, size: Size, image_size: Size, image_name: str) -> None:
        pixels, limit = size[0] * size[1], max(MOST_PIXELS, image_size[0] * image_size[1])
        if pixels > limit:
            raise InputError(
                f"{image_name}: {self.name} would make {size[1]} × {size[0]} pixels of "
                f"{image_size[1]} × {image_size[0]}: put a resize before it, or take the image out"
            )


class TriedOperation(GeometricOperation):
    """A geometric operation that is tried until the image it gives is a good one.

    Attributes:
        validator: which image is a good one; None: any is.
        trials: how often it is tried; after that the image stays as it is.
    """

    validator: Validator | None = None
    trials: int = 1

    @abstractmethod
    def propose(self, image_size: Size, rng: np.random.Generator) -> Placement | None:
        """Draw a placement for an image of `image_size` (height, width); None where that attempt fails."""

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Draw placements until one is good; `boxes_px` (M, 4) are the objects, in pixels of the image."""
        for _ in range(self.trials):
            proposed = self.propose(image_size, rng)
            if proposed is not None and self._accepts(proposed, boxes_px):
                return proposed
        return unmoved(image_size)

    def _accepts(self, placement: Placement, boxes_px: Boxes) -> bool:
        if self.validator is None:
            return True
        return self.validator.accepts(placement.boxes.forward(boxes_px), placement.size)

    def _settle_trials(self) -> None:
        settle_optional(self, "validator", Validator)
        settle_whole(self, "trials", 1, MOST_TRIALS)
        settle_optional(self, "keep", BoxFilter)


@dataclass(frozen=True)
class Resize(GeometricOperation):
    """Warp the image to a size.

    Attributes:
        size: (height, width) in pixels.
        interpolations: names of the ways to resize, one of which is drawn for each image.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    size: Size
    interpolations: tuple[str, ...] = tuple(INTERPOLATIONS)
    probability: float = 1.0

    def __post_init__(self) -> None:
        settle_size(self, "size", LARGEST_SIDE)
        settle_choices(self, "interpolations", INTERPOLATIONS)
        settle_probability(self)

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Draw the interpolation."""
        interpolation = _drawn(self.interpolations, rng)
        return Placement(Geometry(image_size, whole(image_size), self.size, interpolation=interpolation))


@dataclass(frozen=True)
class Flip(GeometricOperation):
    """Mirror the image.

    Attributes:
        direction: `horizontal`: left and right change places; `vertical`: top and bottom do.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    direction: str = "horizontal"
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_choice(self, "direction", ("horizontal", "vertical"))
        settle_probability(self)

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Give the mirrored image; nothing is drawn."""
        horizontally = self.direction == "horizontal"
        return Placement(
            Geometry(
                image_size,
                whole(image_size),
                image_size,
                flip_horizontally=horizontally,
                flip_vertically=not horizontally,
            )
        )


@dataclass(frozen=True)
class RotateQuarters(GeometricOperation):
    """Turn the image by a quarter, a half or three quarters.

    Attributes:
        angles: in degrees, clockwise, of which one is drawn: 90, 180, 270.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    angles: tuple[int, ...] = (90, 180, 270)
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_choices(self, "angles", (90, 180, 270))
        settle_probability(self)

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Draw the angle."""
        quarters = self.angles[rng.integers(len(self.angles))] // 90
        size = image_size[::-1] if quarters % 2 else image_size
        return Placement(Geometry(image_size, whole(image_size), size, quarter_turns=quarters))


@dataclass(frozen=True)
class Translate(TriedOperation):
    """Move the image, either way, within a frame of its size.

    Attributes:
        horizontal: bounds of how far it moves to the left or right, relative to its width.
        vertical: bounds of how far it moves up or down, relative to its height.
        validator: which image is a good one; None: any is.
        trials: how often it is tried; after that the image stays as it is.
        keep: which boxes are still objects afterwards; with None they are neither dropped nor clipped.
        fill: the colour (RGB) of what the image does not cover.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    horizontal: tuple[float, float] = (0.03, 0.5)
    vertical: tuple[float, float] = (0.03, 0.5)
    validator: Validator | None = None
    trials: int = 3
    keep: BoxFilter | None = CENTRE_INSIDE
    fill: tuple[int, int, int] = MEAN_COLOUR
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "horizontal", 0, 1)
        settle_range(self, "vertical", 0, 1)
        self._settle_trials()
        settle_colour(self, "fill")
        settle_probability(self)

    def propose(self, image_size: Size, rng: np.random.Generator) -> Placement:
        """Draw how far the image moves."""
        height, width = image_size
        share_x, share_y = rng.uniform(*self.horizontal), rng.uniform(*self.vertical)
        sign_x, sign_y = rng.choice((-1, 1), 2).tolist()
        x, y = sign_x * round(share_x * width), sign_y * round(share_y * height)
        window = (-x, -y, width - x, height - y)
        return Placement(Geometry(image_size, window, image_size, fill=self.fill))


@dataclass(frozen=True)
class Zoom(TriedOperation):
    """Enlarge or shrink the image about its centre, within a frame of its size.

    Attributes:
        bounds: of the factor: above 1 zooms in, below 1 zooms out. Uniform in its logarithm, so that half as
            large is as likely as twice as large.
        interpolations: names of the ways to resize, one of which is drawn for each image.
        validator: which image is a good one; None: any is.
        trials: how often it is tried; after that the image stays as it is.
        keep: which boxes are still objects afterwards; with None they are neither dropped nor clipped.
        fill: the colour (RGB) of what the image does not cover.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    bounds: tuple[float, float] = (0.5, 2.0)
    interpolations: tuple[str, ...] = ("linear",)
    validator: Validator | None = None
    trials: int = 3
    keep: BoxFilter | None = CENTRE_INSIDE
    fill: tuple[int, int, int] = MEAN_COLOUR
    probability: float = 0.5

    def __post_init__(self) -> None:
        settle_range(self, "bounds", 0.01, 100)
        settle_choices(self, "interpolations", INTERPOLATIONS)
        self._settle_trials()
        settle_colour(self, "fill")
        settle_probability(self)

    def propose(self, image_size: Size, rng: np.random.Generator) -> Placement:
        """Draw the factor."""
        height, width = image_size
        factor = np.exp(rng.uniform(*np.log(self.bounds)))
        seen_height, seen_width = (max(1, round(side / factor)) for side in image_size)
        left, top = (width - seen_width) // 2, (height - seen_height) // 2
        return Placement(
            Geometry(
                image_size,
                (left, top, left + seen_width, top + seen_height),
                image_size,
                interpolation=_drawn(self.interpolations, rng),
                fill=self.fill,
            )
        )


@dataclass(frozen=True)
class Crop(GeometricOperation):
    """Cut out a fixed rectangle.

    Attributes:
        rectangle: x0, y0, x1, y1 in whole pixels of the image; it may reach beyond it.
        keep: which boxes are still objects afterwards; with None they are neither dropped nor clipped.
        fill: the colour (RGB) of what the image does not cover.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    rectangle: tuple[int, int, int, int]
    keep: BoxFilter | None = CENTRE_INSIDE
    fill: tuple[int, int, int] = MEAN_COLOUR
    probability: float = 1.0

    def __post_init__(self) -> None:
        settle_rectangle(self, "rectangle", LARGEST_SIDE)
        settle_optional(self, "keep", BoxFilter)
        settle_colour(self, "fill")
        settle_probability(self)

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Give the rectangle; nothing is drawn."""
        return _cut_out(image_size, self.rectangle, self.fill)


@dataclass(frozen=True)
class Pad(GeometricOperation):
    """Add a border to the image.

    Attributes:
        bounds: of its width in whole pixels, drawn for each side alone.
        sides: which of left, top, right and bottom get one.
        fill: its colour (RGB).
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    bounds: tuple[int, int] = (0, 32)
    sides: tuple[str, ...] = SIDES
    fill: tuple[int, int, int] = MEAN_COLOUR
    probability: float = 1.0

    def __post_init__(self) -> None:
        settle_range(self, "bounds", 0, LARGEST_SIDE, whole=True)
        settle_choices(self, "sides", SIDES)
        settle_colour(self, "fill")
        settle_probability(self)

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Draw the width of the border on each side."""
        widths = rng.integers(self.bounds[0], self.bounds[1] + 1, len(SIDES)).tolist()
        left, top, right, bottom = (
            width if side in self.sides else 0 for side, width in zip(SIDES, widths, strict=True)
        )
        height, width = image_size
        return _cut_out(image_size, (-left, -top, width + right, height + bottom), self.fill)


@dataclass(frozen=True)
class RandomPatch(TriedOperation):
    """Cut out a random rectangle, or lay the image on a larger canvas.

    Width and height are drawn alone, and a trial fails where their ratio is out of bounds (the sampler `h_w`
    of the Keras port of 2018). A patch that is shorter than the image lies within it; where it is longer, the
    image lies at a random place within the patch.

    Attributes:
        scale: bounds of each side of the patch, relative to that of the image; above 1 it is longer.
        aspect: bounds of width / height of the patch, in pixels.
        validator: which patch is a good one; None: any is. By default the centre of one object at least lies
            in it.
        trials: how often it is tried; after that the image stays as it is.
        keep: which boxes are still objects afterwards; with None they are neither dropped nor clipped.
        fill: the colour (RGB) of what the image does not cover.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    scale: tuple[float, float] = (0.3, 1.0)
    aspect: tuple[float, float] = (0.5, 2.0)
    validator: Validator | None = ONE_CENTRE_INSIDE
    trials: int = 50
    keep: BoxFilter | None = CENTRE_INSIDE
    fill: tuple[int, int, int] = MEAN_COLOUR
    probability: float = 1.0

    def __post_init__(self) -> None:
        settle_range(self, "scale", 0.01, 10)
        settle_range(self, "aspect", 0.01, 100)
        self._settle_trials()
        settle_colour(self, "fill")
        settle_probability(self)

    def propose(self, image_size: Size, rng: np.random.Generator) -> Placement | None:
        """Draw a patch; None where its aspect ratio is out of bounds."""
        shares = rng.uniform(*self.scale, 2).tolist()
        size = (max(1, round(shares[0] * image_size[0])), max(1, round(shares[1] * image_size[1])))
        corner = _random_corner(image_size, size, rng)
        aspect = size[1] / size[0]
        if not self.aspect[0] <= aspect <= self.aspect[1]:
            return None
        return _cut_out(image_size, _rectangle(corner, size), self.fill)


@dataclass(frozen=True)
class MaxCropFixedAspect(GeometricOperation):
    """Cut out the largest rectangle of a given shape, at a random place.

    Attributes:
        aspect: its width / height, in pixels; as close to it as whole pixels allow.
        keep: which boxes are still objects afterwards; with None they are neither dropped nor clipped.
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    aspect: float = 1.0
    keep: BoxFilter | None = CENTRE_INSIDE
    probability: float = 1.0

    def __post_init__(self) -> None:
        settle_number(self, "aspect", 0.01, 100)
        settle_optional(self, "keep", BoxFilter)
        settle_probability(self)

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Draw the place."""
        height, width = image_size
        size = (
            min(height, max(1, round(width / self.aspect))),
            min(width, max(1, round(height * self.aspect))),
        )
        corner = _random_corner(image_size, size, rng)
        return _cut_out(image_size, _rectangle(corner, size), MEAN_COLOUR)


@dataclass(frozen=True)
class PadFixedAspect(GeometricOperation):
    """Lay the image at a random place on the smallest canvas of a given shape.

    Attributes:
        aspect: width / height of the canvas, in pixels; as close to it as whole pixels allow.
        fill: its colour (RGB).
        probability: how often it acts.

    Raises:
        InputError: a setting is out of bounds.
    """

    aspect: float = 1.0
    fill: tuple[int, int, int] = MEAN_COLOUR
    probability: float = 1.0

    def __post_init__(self) -> None:
        settle_number(self, "aspect", 0.01, 100)
        settle_colour(self, "fill")
        settle_probability(self)

    def draw(self, image_size: Size, boxes_px: Boxes, rng: np.random.Generator) -> Placement:
        """Draw the place."""
        height, width = image_size
        size = (max(height, round(width / self.aspect)), max(width, round(height * self.aspect)))
        return _cut_out(image_size, _rectangle(_random_corner(image_size, size, rng), size), self.fill)


def _drawn(interpolations: Sequence[str], rng: np.random.Generator) -> int:
    return INTERPOLATIONS[interpolations[int(rng.integers(len(interpolations)))]]


def _random_corner(image_size: Size, size: Size, rng: np.random.Generator) -> tuple[int, int]:
    """Draw the top and left of a rectangle of `size` so that it lies in the image, or the image in it."""
    room = [side - wanted for side, wanted in zip(image_size, size, strict=True)]
    top, left = (int(rng.integers(min(0, free), max(0, free) + 1)) for free in room)
    return top, left


def _rectangle(corner: tuple[int, int], size: Size) -> tuple[int, int, int, int]:
    return (corner[1], corner[0], corner[1] + size[1], corner[0] + size[0])


def _cut_out(image_size: Size, window: tuple[int, int, int, int], fill: tuple[int, int, int]) -> Placement:
    """Show a window on the image as it is, without resizing."""
    x0, y0, x1, y1 = window
    return Placement(Geometry(image_size, window, (y1 - y0, x1 - x0), fill=fill))
