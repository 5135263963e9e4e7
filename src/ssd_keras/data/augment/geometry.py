"""Where every pixel and every box goes: sampled first, applied once.

Expanding, cropping, translating and zooming all choose a *window*: a rectangle on the plane the image lies
in, which may reach beyond the image. A window within a window is again a window, so any chain of these steps
comes down to one: the part of the plane that fills the output. Boxes follow by arithmetic, and pixels by one
resize of what the window shows of the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.boxes.formats import box_area, clip_to_size, xyxy_to_cxcywh
from ssd_keras.data.augment.box_map import BoxMap
from ssd_keras.data.image_headers import fitting_reduction

Boxes = NDArray[np.floating]
"""(M, 4): x0, y0, x1, y1."""

Window = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a rectangle: in pixels of the image, or relative to another window."""

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)
"""The window, relative to another one, that shows all of it."""

MEAN_COLOUR = (123, 117, 104)
"""The mean colour of ImageNet (RGB), which VGG16 sees as zero: it fills what the image does not cover."""


def project(boxes: Boxes, window: Window) -> Boxes:
    """Give boxes (M, 4) as seen through `window`: relative to it, 0-1 inside (Caffe: ProjectBBox)."""
    x0, y0, x1, y1 = window
    projected: Boxes = (boxes - np.array([x0, y0, x0, y0])) / np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    return projected


def relative_window(inner: Window, outer: Window) -> Window:
    """Give a window in the coordinates of `outer` relative to that: the reverse of `locate`."""
    x0, y0, x1, y1 = project(np.array(inner), outer).tolist()
    return (x0, y0, x1, y1)


def locate(inner: Window, outer: Window) -> Window:
    """Give a window that is relative to `outer` in the coordinates of `outer` itself (Caffe: LocateBBox)."""
    x0, y0, x1, y1 = outer
    width, height = x1 - x0, y1 - y0
    return (x0 + inner[0] * width, y0 + inner[1] * height, x0 + inner[2] * width, y0 + inner[3] * height)


def whole_pixels(window: Window) -> Window:
    """Give a window in pixels with its corners on the nearest whole ones, and at least one pixel."""
    left, right = _whole_side(window[0], window[2])
    top, bottom = _whole_side(window[1], window[3])
    return (left, top, right, bottom)


def _whole_side(low: float, high: float) -> tuple[int, int]:
    # Halves go up, so that a window that is only moved keeps its size.
    start, end = math.floor(low + 0.5), math.floor(high + 0.5)
    return (start, end) if start < end else (math.floor(low), math.floor(low) + 1)


def centre_inside(boxes: Boxes, size: tuple[int, int] = (1, 1)) -> NDArray[np.bool_]:
    """Say which boxes (M, 4) have their centre inside an area of `size`, bounds included: (M,).

    Caffe's emit constraint CENTER. Boxes are relative, or in pixels of an image of `size` (height, width).
    """
    height, width = size
    centres = xyxy_to_cxcywh(boxes)[:, :2]
    inside: NDArray[np.bool_] = np.all((centres >= 0) & (centres <= (width, height)), axis=1)
    return inside


def visible_share(boxes: Boxes, size: tuple[int, int] = (1, 1)) -> NDArray[np.floating]:
    """Give the share (M,), 0-1, of the area of each box (M, 4) that lies inside; 0 without area.

    Boxes are relative, or in pixels of an image of `size` (height, width).
    """
    areas = box_area(boxes)
    share: NDArray[np.floating] = box_area(clip_to_size(boxes, size)) / np.where(areas > 0, areas, 1)
    return share


def large_enough(
    boxes: Boxes, size: tuple[int, int], min_side_px: float, min_area_px: float = 0.0
) -> NDArray[np.bool_]:
    """Say which relative boxes (M, 4) have an area, and sides and area of so many pixels at `size`: (M,)."""
    height, width = size
    sides = (boxes[:, 2:] - boxes[:, :2]) * np.array([width, height])
    has_sides = np.all((sides > 0) & (sides >= min_side_px), axis=1)
    large: NDArray[np.bool_] = has_sides & (sides.prod(axis=1) >= min_area_px)
    return large


def turn(boxes: Boxes, quarters: int) -> Boxes:
    """Let relative boxes (..., 4) follow an image that is turned clockwise by so many quarters."""
    return BoxMap.turning((1, 1), quarters).forward(boxes).reshape(np.shape(boxes))


CLOCKWISE = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}


class PixelRectangle(NamedTuple):
    """A rectangle of whole pixels; column x1 and row y1 are the first beyond it."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.x0 >= self.x1 or self.y0 >= self.y1


@dataclass(frozen=True)
class Geometry:
    """The whole geometry of an augmented image: one source, one target, flips.

    Attributes:
        image_size: (height, width) of the image in pixels.
        window: the part of the plane that fills the output, in pixels of the image.
        size: (height, width) of the output in pixels.
        flip_horizontally: left and right change places after that.
        flip_vertically: top and bottom change places after that.
        quarter_turns: by so many quarters the output is turned clockwise, at last.
        interpolation: how OpenCV resizes (`cv2.INTER_...`).
        fill: the colour (RGB) of what the image does not cover.
    """

    image_size: tuple[int, int]
    window: Window
    size: tuple[int, int]
    flip_horizontally: bool = False
    flip_vertically: bool = False
    quarter_turns: int = 0
    interpolation: int = cv2.INTER_LINEAR
    fill: tuple[int, int, int] = MEAN_COLOUR

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) of the output before it is turned."""
        height, width = self.size
        return (width, height) if self.quarter_turns % 2 else (height, width)

    @property
    def pixel_window(self) -> PixelRectangle:
        """The window in whole pixels: corner and size truncated, as the original crops (Caffe: CropImage)."""
        x0, y0, x1, y1 = self.window
        left, top = math.floor(x0), math.floor(y0)
        # Rounding errors must not cost a side that is a whole number its last pixel.
        width, height = int(x1 - x0 + 1e-6), int(y1 - y0 + 1e-6)
        return PixelRectangle(left, top, left + max(width, 1), top + max(height, 1))

    @property
    def source(self) -> PixelRectangle:
        """What the window shows of the image, in pixels of the image."""
        height, width = self.image_size
        x0, y0, x1, y1 = self.pixel_window
        return PixelRectangle(max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))

    @property
    def target(self) -> PixelRectangle:
        """Where that comes to lie in the output, in pixels of the output, before any flip."""
        height, width = self.upright_size
        x0, y0, x1, y1 = self.pixel_window
        source = self.source
        to_x, to_y = width / (x1 - x0), height / (y1 - y0)
        return PixelRectangle(
            round((source.x0 - x0) * to_x),
            round((source.y0 - y0) * to_y),
            round((source.x1 - x0) * to_x),
            round((source.y1 - y0) * to_y),
        )

    @property
    def shows_image(self) -> bool:
        """Whether any pixel of the image is seen at all."""
        return not (self.source.empty or self.target.empty)

    @property
    def reduction(self) -> int:
        """By how much (1, 2, 4 or 8) a JPEG may be reduced in decoding: it is never enlarged after that."""
        height, width = self.upright_size
        x0, y0, x1, y1 = self.pixel_window
        return fitting_reduction(min((x1 - x0) / width, (y1 - y0) / height))

    def resize(self, pixels: NDArray[np.uint8], reduction: int = 1) -> NDArray[np.uint8]:
        """Resize what is seen of the image to its size in the output: the one time that pixels move.

        Args:
            pixels: (h, w, 3) uint8, the image decoded at 1/`reduction` of its size.
            reduction: 1, 2, 4 or 8.

        Returns:
            (height, width, 3) uint8 of the target. Call it only if `shows_image`.
        """
        x0, y0, x1, y1 = self.source
        if reduction > 1:
            # What is reduced still has more pixels than the output: rounding moves it by half a pixel there.
            x0, y0, x1, y1 = (round(side / reduction) for side in (x0, y0, x1, y1))
            x0, y0 = min(x0, pixels.shape[1] - 1), min(y0, pixels.shape[0] - 1)
            x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        target = self.target
        size = (target.x1 - target.x0, target.y1 - target.y0)
        patch: NDArray[np.uint8] = cv2.resize(pixels[y0:y1, x0:x1], size, interpolation=self.interpolation)
        return patch

    def place(self, patch: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        """Give the output (H, W, 3) uint8: the resized patch in its place, the rest filled, then flipped.

        `patch` is None where nothing is seen of the image.
        """
        height, width = self.upright_size
        if patch is None:
            return np.full((*self.size, 3), self.fill, np.uint8)
        x0, y0, x1, y1 = self.target
        output = patch
        if patch.shape[:2] != self.upright_size:
            output = cv2.copyMakeBorder(
                patch, y0, height - y1, x0, width - x1, cv2.BORDER_CONSTANT, value=self.fill
            )
        if self.flip_horizontally:
            output = cv2.flip(output, 1)
        if self.flip_vertically:
            output = cv2.flip(output, 0)
        if self.quarter_turns % 4:
            output = cv2.rotate(output, CLOCKWISE[self.quarter_turns % 4])
        return output

    def orient_boxes(self, boxes: Boxes) -> Boxes:
        """Let boxes (M, 4) that are relative to the window follow the flips and the turns."""
        flipping = BoxMap.flipping(
            (1, 1), horizontally=self.flip_horizontally, vertically=self.flip_vertically
        )
        return turn(flipping.forward(boxes), self.quarter_turns)

    @property
    def box_map(self) -> BoxMap:
        """The map from pixels of the image to pixels of the output: where the pixels themselves go."""
        height, width = self.upright_size
        x0, y0, x1, y1 = self.pixel_window
        flipping = BoxMap.flipping(
            (height, width), horizontally=self.flip_horizontally, vertically=self.flip_vertically
        )
        return (
            BoxMap.shifting(-x0, -y0)
            .then(BoxMap.scaling(width / (x1 - x0), height / (y1 - y0)))
            .then(flipping)
            .then(BoxMap.turning((height, width), self.quarter_turns))
        )

    def to_original(self, boxes: ArrayLike) -> NDArray[np.float64]:
        """Give boxes (M, 4) that are relative to the output in pixels of the image, (M, 4) float64.

        The exact inverse of what happened to the pixels.
        """
        return self.box_map.inverse_of_relative(boxes, self.size)
