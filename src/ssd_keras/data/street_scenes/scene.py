"""The picture in the making: light and haze, one thing laid over the other, and who owns each pixel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.data.samples import GroundTruth
from ssd_keras.data.street_scenes.colours import Colour
from ssd_keras.data.street_scenes.sprite import SUBPIXEL_BITS, Camera, Sprite, Thing, fixed_point
from ssd_keras.data.street_scenes.weather import Glow, Mood

LEAST_VISIBLE, EASILY_VISIBLE = 0.25, 0.5
"""Shares of an object's pixels: it is left out of the labels below the first, difficult below the second."""


@dataclass
class Scene:
    """The picture in the making, and which thing each of its pixels belongs to.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        owner: (H, W) int16, the index of the thing on top, -1 for the background.
        sun: where the light comes from, -1 left to 1 right.
        drawn: for each thing, the pixels it has, also those beyond the image or hidden later.
        cut: for each thing, whether it reaches beyond the image.
    """

    image: NDArray[np.uint8]
    owner: NDArray[np.int16]
    camera: Camera
    mood: Mood
    sun: float
    drawn: list[int] = field(default_factory=list)
    cut: list[bool] = field(default_factory=list)
    glows: list[Glow] = field(default_factory=list)

    def haze(self, z: float) -> float:
        """Give the share of the haze in the colour of something `z` metres away."""
        return 1.0 - math.exp(-z / self.mood.sight)

    def lit(self, colour: Colour, z: float) -> Colour:
        """Give the colour that something `z` metres away has in this light and through this haze."""
        haze = self.haze(z)
        r, g, b = (
            min(255, int(channel * light * (1 - haze) + far * haze))
            for channel, light, far in zip(colour, self.mood.light, self.mood.horizon, strict=True)
        )
        return r, g, b

    def fill(self, points: ArrayLike, colour: Colour) -> None:
        """Fill polygons (N, corners, 3), in metres, with a colour that is `lit` already."""
        polygons = fixed_point(np.clip(self.camera.project(points), -30_000, 30_000))
        cv2.fillPoly(self.image, list(polygons), colour, cv2.LINE_AA, SUBPIXEL_BITS)

    def fill_ground(self, rectangles: ArrayLike, colour: Colour) -> None:
        """Fill rectangles (N, 4) x0, z0, x1, z1 that lie on the ground."""
        corners = np.insert(np.asarray(rectangles)[:, ((0, 1), (2, 1), (2, 3), (0, 3))], 1, 0.0, axis=-1)
        self.fill(corners, self.lit(colour, 15.0))

    def add(self, thing: Thing, rng: np.random.Generator) -> None:
        """Draw `thing` in front of everything that is there."""
        self._cast_shadow(thing)
        sprite = Sprite(thing, self.camera, rng)
        thing.paint(sprite, rng)
        ground = self.camera.project((thing.x, 0.0, thing.z))
        left, top = np.rint(ground - sprite.origin).astype(int).tolist()
        index = len(self.drawn)
        for (x, y), radius, colour in sprite.glows:
            self.glows.append(Glow(index, left + x, top + y, radius, colour))
        x, y, width, height = cv2.boundingRect(sprite.rgba[..., 3])
        left, top, rgba = left + x, top + y, sprite.rgba[y : y + height, x : x + width]
        self.drawn.append(cv2.countNonZero(cv2.compare(rgba[..., 3], 127, cv2.CMP_GT)))
        rows, columns = self.owner.shape
        self.cut.append(left < 0 or top < 0 or left + width > columns or top + height > rows)
        self._blend(self._shaded(rgba, thing.z), left, top, index)

    def _shaded(self, rgba: NDArray[np.uint8], z: float) -> NDArray[np.float32]:
        """Put `rgba` into this scene's light, brighter above and towards the sun, and into its haze."""
        height, width = rgba.shape[:2]
        downwards = np.linspace(1.1, 0.86, height, dtype=np.float32)[:, None]
        sideways = np.linspace(-0.14 * self.sun, 0.14 * self.sun, width, dtype=np.float32)
        brightness, haze, alpha = downwards + sideways, self.haze(z), rgba[..., 3].astype(np.float32)
        light = (1 - haze) * np.array(self.mood.light, np.float32)
        air = haze / 255 * np.array(self.mood.horizon, np.float32)
        channels = [rgba[..., i] * (brightness * light[i]) + alpha * air[i] for i in range(3)]
        shaded: NDArray[np.float32] = cv2.merge([*channels, alpha])
        return shaded

    def _blend(self, rgba: NDArray[np.float32], left: int, top: int, index: int | None) -> None:
        """Lay `rgba` over the image; where it is opaque, `owner` becomes `index`."""
        rows, columns = self.owner.shape
        y0, y1 = max(top, 0), min(top + rgba.shape[0], rows)
        x0, x1 = max(left, 0), min(left + rgba.shape[1], columns)
        if y0 >= y1 or x0 >= x1:
            return
        rgba = rgba[y0 - top : y1 - top, x0 - left : x1 - left]
        under = self.image[y0:y1, x0:x1]
        transparency = 1 - rgba[..., 3] * np.float32(1 / 255)
        over = under * cv2.merge([transparency] * 3) + rgba[..., :3]
        under[...] = np.minimum(over, 255, out=over)
        if index is not None:
            self.owner[y0:y1, x0:x1][rgba[..., 3] > 127] = index

    def _cast_shadow(self, thing: Thing) -> None:
        """Darken the ground below `thing`, and beside it away from the sun."""
        scale = self.camera.focal / thing.z
        width, height = int(thing.reach * scale * 1.2) + 2, int(thing.reach * scale * 0.22) + 2
        shadow = np.zeros((2 * height + 7, 2 * width + 7), np.uint8)
        cv2.ellipse(shadow, (width + 3, height + 3), (width, height), 0, 0, 360, 120, -1)
        rgba = np.zeros((*shadow.shape, 4), np.float32)
        rgba[..., 3] = cv2.blur(shadow, (7, 5))
        x, y = self.camera.project((thing.x - 0.25 * self.sun * thing.reach, 0.0, thing.z)).tolist()
        self._blend(rgba, int(x) - width - 3, int(y) - height - 3, None)


def visible_ground_truth(
    owner: NDArray[np.int16],
    labels: Sequence[int | None],
    drawn: Sequence[int],
    cut: Sequence[bool],
    smallest_side: float,
) -> GroundTruth:
    """Make the ground truth out of the pixels that can be seen.

    `boxes_px` are tight around what can be seen, on whole pixels: x1, y1 are exclusive, just past the last.

    Args:
        owner: (H, W), for each pixel the index of the thing on top, -1 for the background.
        labels: the class of each thing, None for what is no object and so gets no box.
        drawn: the pixels each thing has, with those that are hidden or beyond the image. An object less than
            `LEAST_VISIBLE` of which can be seen is left out, less than `EASILY_VISIBLE`: difficult.
        cut: whether each thing reaches beyond the image; such an object is marked as truncated.
        smallest_side: in pixels; an object with a shorter side is difficult.
    """
    boxes, kept, difficult, truncated = [], [], [], []
    for index, label in enumerate(labels):
        if label is None or not drawn[index]:
            continue
        mask = (owner == index).view(np.uint8)
        visible = cv2.countNonZero(mask) / drawn[index]
        if visible < LEAST_VISIBLE:
            continue
        x, y, width, height = cv2.boundingRect(mask)
        boxes.append((x, y, x + width, y + height))
        kept.append(label)
        difficult.append(visible < EASILY_VISIBLE or min(width, height) < smallest_side)
        truncated.append(cut[index])
    flags = {"difficult": np.array(difficult, bool), "truncated": np.array(truncated, bool)}
    return GroundTruth(np.array(boxes, np.float32), np.array(kept, np.int32), **flags)
