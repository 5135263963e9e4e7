"""Generated street scenes: a small data set that needs no download, labelled by the pixels it draws.

A scene is a little world in metres, seen through a pinhole camera: x to the right of the camera, y above the
ground, z ahead of it. `draw_street_scene` is the story; it runs from back to front:

1. the sky, then the buildings, the ground and the road with its marks;
2. the things on the street, from far to near, so that the near ones hide the far ones. Each is drawn on a
   transparent sheet of its own (`Sprite`): its opaque pixels are its mask, and the masks give the boxes.
   Some things only resemble a class (a bicycle without its rider, a sign on a pole): no labels there;
3. what is in the air and in the camera: lamps that glow, rain, blur, exposure, noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.boxes.formats import box_area
from ssd_keras.boxes.iou import pairwise_intersection
from ssd_keras.data.samples import GroundTruth
from ssd_keras.errors import InputError

STREET_CLASSES = ("car", "truck", "pedestrian", "cyclist", "light")
"""The classes of the street scenes; "light" is the head of a traffic light, without its pole."""

DEFAULT_SIZE = (240, 384)
SMALLEST_SIDE = 10.0
"""An object is difficult if a side of its box is shorter: in pixels at `DEFAULT_SIZE`, else in proportion."""
LEAST_VISIBLE, EASILY_VISIBLE = 0.25, 0.5
"""Shares of an object's pixels: it is left out of the labels below the first, difficult below the second."""

Colour = tuple[int, int, int]
Painter = Callable[["Sprite", np.random.Generator], None]

CLASS_WEIGHTS = np.cumsum((0.24, 0.21, 0.2, 0.18, 0.17))
NEAREST, FARTHEST, HOUSES = 6.5, 21.5, 24.0
"""How far away the things on the street stand, and the houses behind them, in metres."""
SUBPIXEL_BITS = 4
CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 25)), np.sin(np.linspace(0, 2 * np.pi, 25))], 1)

BLACK, TYRE, STEEL, WHITE = (14, 14, 16), (26, 26, 30), (150, 154, 160), (240, 240, 236)
GLASS, RED, AMBER, GREEN = (52, 70, 88), (232, 42, 34), (250, 176, 30), (40, 214, 110)
PAINTS = ((196, 36, 40), (34, 84, 172), (236, 236, 232), (44, 48, 56), (160, 166, 174), (236, 180, 30),
          (34, 122, 84), (226, 106, 34), (120, 34, 60), (96, 172, 206), (216, 202, 170))  # fmt: skip
CLOTHES = ((210, 50, 60), (40, 70, 150), (240, 200, 60), (240, 240, 235), (50, 130, 90), (150, 70, 150),
           (236, 130, 50), (40, 44, 54), (90, 170, 200), (226, 130, 160), (120, 96, 70))  # fmt: skip
TROUSERS = ((38, 52, 92), (44, 44, 50), (112, 92, 66), (84, 90, 98), (150, 140, 116), (92, 40, 44))
SKINS = ((244, 206, 176), (226, 176, 138), (186, 130, 92), (126, 82, 56), (88, 58, 42))
HAIRS = ((36, 26, 22), (92, 58, 32), (176, 130, 66), (60, 60, 62), (150, 66, 30))
WALLS = ((190, 108, 82), (214, 186, 146), (166, 174, 182), (204, 204, 196), (142, 96, 82), (180, 150, 120),
         (128, 148, 162), (222, 200, 170), (150, 160, 130), (198, 150, 150))  # fmt: skip
LEAVES = ((62, 118, 54), (86, 138, 60), (48, 96, 62), (150, 132, 52), (178, 100, 44))


@dataclass(frozen=True)
class Mood:
    """Time of day and weather: the colours of the sky, of the light and of the haze, and how far one sees."""

    zenith: Colour
    horizon: Colour
    light: tuple[float, float, float]
    sight: float
    lamps: bool = False
    rain: bool = False


MOODS = (
    Mood((74, 142, 222), (202, 226, 242), (1.04, 1.02, 0.98), 260.0),
    Mood((112, 168, 226), (234, 236, 226), (1.1, 1.06, 0.96), 200.0),
    Mood((72, 72, 132), (252, 164, 106), (0.92, 0.74, 0.68), 150.0, lamps=True),
    Mood((12, 16, 40), (50, 56, 92), (0.46, 0.48, 0.62), 140.0, lamps=True),
    Mood((116, 126, 140), (176, 184, 192), (0.78, 0.81, 0.86), 90.0, rain=True),
    Mood((186, 192, 198), (208, 211, 214), (0.92, 0.93, 0.94), 34.0),
)
MOOD_WEIGHTS = np.cumsum((0.3, 0.2, 0.16, 0.14, 0.1, 0.1))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera `height` metres above the street that looks level along it.

    Attributes:
        focal: pixels that one metre takes at one metre's distance.
        vanishing: (x, y) in pixels where lines straight ahead meet; its y is the row of the horizon.
    """

    focal: float
    vanishing: tuple[float, float]
    height: float

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Give the pixels (..., 2) of points (..., 3) in metres."""
        xyz = np.asarray(points, np.float64)
        return self.vanishing + (xyz[..., :2] - (0.0, self.height)) * (1.0, -1.0) * (
            self.focal / xyz[..., 2:]
        )


@dataclass(frozen=True)
class Thing:
    """Something that stands on the street: where, about how large in metres, and who paints it."""

    paint: Painter
    x: float
    z: float
    reach: float  # half its width
    height: float
    label: int | None = None
    flat: bool = True  # seen from the side, so that its mirror image will do as well


class Sprite:
    """A transparent sheet on which one thing is drawn, in metres: x from its middle, y above the ground.

    `rgba` (h, w, 4) uint8 has its colours multiplied by alpha: anti-aliased drawing on zeros makes them so.
    """

    def __init__(self, thing: Thing, camera: Camera, rng: np.random.Generator) -> None:
        self.scale = camera.focal / thing.z
        mirrored = -1.0 if thing.flat and rng.random() < 0.5 else 1.0
        squeeze = rng.uniform(0.9, 1.08) if thing.flat else 1.0
        tilt = rng.normal(0.0, 0.022)
        self.axes = self.scale * np.array(
            [[mirrored * squeeze * math.cos(tilt), mirrored * squeeze * math.sin(tilt)],
             [math.sin(tilt), -math.cos(tilt)]]
        )  # fmt: skip
        half_width = int((thing.reach * 1.35 + thing.height * 0.08) * self.scale) + 3
        above = int((thing.height * 1.2 + 0.2) * self.scale) + 3
        self.origin = np.array([half_width, above])
        below = int((0.12 * thing.reach + 0.08) * self.scale) + 3
        self.rgba = np.zeros((above + below, 2 * half_width + 1, 4), np.uint8)
        self.vanishing: NDArray[np.float64] = np.array([-thing.x * mirrored, camera.height])
        self.z = thing.z
        self.glows: list[tuple[NDArray[np.float64], float, Colour]] = []

    def _px(self, points: ArrayLike) -> NDArray[np.int32]:
        px: NDArray[np.float64] = np.asarray(points, np.float64) @ self.axes + self.origin
        return np.rint(px * (1 << SUBPIXEL_BITS)).astype(np.int32)

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fill the polygon with the corners `points` (N, 2)."""
        cv2.fillPoly(self.rgba, [self._px(points)], (*colour, 255), cv2.LINE_AA, SUBPIXEL_BITS)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, line: float = 0.0) -> None:
        """Fill an ellipse, or draw its outline `line` metres thick."""
        outline = CIRCLE * (rx, ry) + (x, y)
        if line:
            self.stroke(outline, line, colour)
        else:
            self.polygon(outline, colour)

    def stroke(self, points: ArrayLike, width: float, colour: Colour) -> None:
        """Draw a line with round ends through `points` (N, 2): a limb, a tube, a pole."""
        thickness = max(1, round(width * self.scale))
        cv2.polylines(self.rgba, [self._px(points)], False, (*colour, 255), thickness, cv2.LINE_AA,
                      SUBPIXEL_BITS)  # fmt: skip

    def recede(self, points: ArrayLike, depth: float) -> NDArray[np.float64]:
        """Give `points` (..., 2) as they look `depth` metres farther away: nearer to the vanishing point."""
        return self.vanishing + (np.asarray(points) - self.vanishing) * (self.z / (self.z + depth))

    def extrude(self, points: ArrayLike, depth: float, colour: Colour) -> None:
        """Fill the solid, `depth` metres long, whose front is the convex polygon `points` (N, 2)."""
        corners = np.concatenate([np.asarray(points), self.recede(points, depth)]).astype(np.float32)
        self.polygon(cv2.convexHull(corners)[:, 0], colour)

    def lamp(self, x: float, y: float, radius: float, colour: Colour, glow: float = 0.0) -> None:
        """Draw a round lamp that also shines `glow` metres far."""
        self.ellipse(x, y, radius, radius, colour)
        if glow:
            self.glows.append((np.array([x, y]) @ self.axes + self.origin, glow * self.scale, colour))


@dataclass
class Scene:
    """The picture in the making, and which thing each of its pixels belongs to.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        owner: (H, W) int16, the index of the thing on top, -1 for the background.
        drawn: for each thing, the pixels it has, also those beyond the image or hidden later.
        cut: for each thing, whether it reaches beyond the image.
    """

    image: NDArray[np.uint8]
    owner: NDArray[np.int16]
    camera: Camera
    mood: Mood
    sun: float  # -1 light from the left, 1 from the right
    drawn: list[int] = field(default_factory=list)
    cut: list[bool] = field(default_factory=list)
    glows: list[tuple[int, float, float, float, Colour]] = field(default_factory=list)

    def haze(self, z: float) -> float:
        """Give the share of the haze in the colour of something `z` metres away."""
        return 1.0 - math.exp(-z / self.mood.sight)

    def lit(self, colour: Colour, z: float) -> Colour:
        """Give the colour that something `z` metres away has in this light and through this haze."""
        haze = self.haze(z)
        r, g, b = (
            min(255, int(c * light * (1 - haze) + far * haze))
            for c, light, far in zip(colour, self.mood.light, self.mood.horizon, strict=True)
        )
        return r, g, b

    def fill(self, points: ArrayLike, colour: Colour) -> None:
        """Fill polygons (N, corners, 3), in metres, with a colour that is `lit` already."""
        px = np.clip(self.camera.project(points), -30_000, 30_000)
        polygons = np.rint(px * (1 << SUBPIXEL_BITS)).astype(np.int32)
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
        x, y, width, height = cv2.boundingRect(sprite.rgba[..., 3])
        left, top = left + x, top + y
        rgba = sprite.rgba[y : y + height, x : x + width]
        index = len(self.drawn)
        self.drawn.append(cv2.countNonZero(cv2.compare(rgba[..., 3], 127, cv2.CMP_GT)))
        rows, columns = self.image.shape[:2]
        self.cut.append(left < 0 or top < 0 or left + width > columns or top + height > rows)
        for (glow_x, glow_y), radius, colour in sprite.glows:
            self.glows.append((index, left - x + glow_x, top - y + glow_y, radius, colour))
        self._blend(self._shaded(rgba, thing.z), left, top, index)

    def _shaded(self, rgba: NDArray[np.uint8], z: float) -> NDArray[np.float32]:
        """Put `rgba` into this scene's light, brighter above and towards the sun, and into its haze."""
        height, width = rgba.shape[:2]
        downwards = np.linspace(1.1, 0.86, height, dtype=np.float32)[:, None, None]
        sideways = np.linspace(-0.14 * self.sun, 0.14 * self.sun, width, dtype=np.float32)[:, None]
        haze = self.haze(z)
        light = (1 - haze) * np.array(self.mood.light, np.float32)
        air = haze / 255 * np.array(self.mood.horizon, np.float32)
        shaded = rgba.astype(np.float32)
        shaded[..., :3] *= (downwards + sideways) * light
        shaded[..., :3] += shaded[..., 3:] * air
        return shaded

    def _blend(self, rgba: NDArray[np.float32], left: int, top: int, index: int | None) -> None:
        """Lay `rgba` over the image; where it is opaque, `owner` becomes `index`."""
        rows, columns = self.image.shape[:2]
        y0, y1 = max(top, 0), min(top + rgba.shape[0], rows)
        x0, x1 = max(left, 0), min(left + rgba.shape[1], columns)
        if y0 >= y1 or x0 >= x1:
            return
        rgba = rgba[y0 - top : y1 - top, x0 - left : x1 - left]
        under = self.image[y0:y1, x0:x1]
        over = under * (1 - rgba[..., 3:] * np.float32(1 / 255))
        over += rgba[..., :3]
        np.minimum(over, 255, out=over)
        under[...] = over
        if index is not None:
            self.owner[y0:y1, x0:x1][rgba[..., 3] > 127] = index

    def _cast_shadow(self, thing: Thing) -> None:
        """Darken the ground below `thing`, and beside it away from the sun."""
        scale = self.camera.focal / thing.z
        width, height = int(thing.reach * scale * 1.2) + 2, int(thing.reach * scale * 0.22) + 2
        shadow = np.zeros((2 * height + 7, 2 * width + 7), np.uint8)
        cv2.ellipse(shadow, (width + 3, height + 3), (width, height), 0, 0, 360, 120, -1)
        shadow = cv2.blur(shadow, (7, 5))
        x, y = self.camera.project((thing.x - 0.25 * self.sun * thing.reach, 0.0, thing.z)).tolist()
        rgba = np.zeros((*shadow.shape, 4), np.float32)
        rgba[..., 3] = shadow
        self._blend(rgba, int(x) - width - 3, int(y) - height - 3, None)


# --- The five classes -------------------------------------------------------------------------------------


def paint_car_side(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a saloon, a hatchback or an off-roader that drives to the right."""
    paint = pick(PAINTS, rng)
    tail, roof = ((-1.75, 1.44), (-2.0, 1.5), (-2.08, 1.68))[rng.integers(3)]
    s.rectangle(-1.9, 0.2, 1.9, 0.5, BLACK)
    cabin = ((tail, 0.9), (tail + 0.4, roof), (0.35, roof), (1.15, 0.88))
    s.polygon(cabin, paint)
    s.polygon(((-2.12, 0.3), (-2.16, 0.8), (-2.0, 0.98), (1.1, 0.96), (1.95, 0.82), (2.14, 0.62),
               (2.14, 0.3)), paint)  # fmt: skip
    s.polygon(((tail + 0.3, 0.98), (tail + 0.52, roof - 0.1), (-0.4, roof - 0.1), (-0.4, 0.98)), GLASS)
    s.polygon(((-0.28, 0.98), (-0.28, roof - 0.1), (0.3, roof - 0.1), (0.9, 0.98)), GLASS)
    s.rectangle(-2.1, 0.3, 2.1, 0.42, shaded(paint, 0.6))
    s.stroke(((-0.34, 0.9), (-0.34, 0.42)), 0.03, shaded(paint, 0.6))
    s.rectangle(-0.65, 0.78, -0.45, 0.83, shaded(paint, 0.5))
    for x in (-1.3, 1.3):
        paint_wheel(s, x, 0.33)
    s.lamp(2.03, 0.68, 0.1, (255, 244, 200), glow=0.5)
    s.lamp(-2.06, 0.78, 0.1, RED)


def paint_car_end(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a car that comes or goes, with the flank that perspective lets one see."""
    paint, coming = pick(PAINTS, rng), rng.random() < 0.5
    roof = rng.uniform(1.42, 1.66)
    body = ((-0.9, 0.28), (-0.93, 0.78), (-0.8, 0.98), (0.8, 0.98), (0.93, 0.78), (0.9, 0.28))
    cabin = ((-0.8, 0.95), (-0.6, roof), (0.6, roof), (0.8, 0.95))
    s.extrude(np.array(body) * (0.94, 0.6), 4.0, BLACK)
    s.extrude(body, 4.1, shaded(paint, 0.72))
    cabin_front, cabin_rear = s.recede(cabin, 0.9), s.recede(cabin, 3.6)
    s.polygon(cv2.convexHull(np.concatenate([cabin_front, cabin_rear]).astype(np.float32))[:, 0], GLASS)
    s.polygon((cabin_front[1], cabin_front[2], cabin_rear[2], cabin_rear[1]), paint)
    paint_flank_wheels(s, 0.9, 0.33, (0.75, 3.2))
    for x in (-0.72, 0.72):
        s.rectangle(x - 0.14, 0.0, x + 0.14, 0.45, TYRE)
    s.polygon(body, paint)
    s.polygon(np.concatenate([((-0.8, 0.97), (0.8, 0.97)), cabin_front[2:0:-1]]), shaded(paint, 0.9))
    glass = np.concatenate([((-0.68, 0.99), (0.68, 0.99)), cabin_front[2:0:-1] * (0.88, 0.96)])
    s.polygon(glass, (84, 110, 130) if coming else GLASS)
    s.rectangle(-0.88, 0.28, 0.88, 0.42, shaded(paint, 0.5))
    s.rectangle(-0.24, 0.36, 0.24, 0.5, WHITE)
    if coming:
        s.rectangle(-0.42, 0.56, 0.42, 0.74, TYRE)
    for x in (-0.7, 0.7):
        s.lamp(x, 0.7, 0.15, (255, 246, 210) if coming else RED, glow=0.8 if coming else 0.35)


def paint_truck_side(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a lorry that drives to the right: a box, a tank or a load of timber behind its cab."""
    paint, load = pick(PAINTS, rng), pick(PAINTS, rng)
    s.rectangle(-3.3, 0.45, 3.1, 0.75, BLACK)
    body = rng.integers(4)
    if body == 0:
        s.rectangle(-3.3, 0.85, 1.45, 2.5, shaded(load, 0.85))
        s.ellipse(-3.1, 1.67, 0.3, 0.83, shaded(load, 0.7))
        s.stroke(((-3.1, 1.9), (1.4, 1.9)), 0.16, shaded(load, 1.3))
    elif body == 1:
        s.rectangle(-3.4, 0.72, 1.45, 0.95, shaded(load, 0.7))
        for row, count in enumerate((6, 5, 4)):
            for i in range(count):
                s.ellipse(-2.95 + 0.38 * row + 0.76 * i, 1.33 + 0.6 * row, 0.38, 0.36, (150, 104, 62))
                s.ellipse(-2.95 + 0.38 * row + 0.76 * i, 1.33 + 0.6 * row, 0.26, 0.24, (206, 164, 108))
    else:
        s.rectangle(-3.4, 0.72, 1.5, 3.05, load)
        s.rectangle(-3.4, 2.9, 1.5, 3.05, shaded(load, 0.75))
        s.rectangle(-3.4, 1.15, 1.5, 1.45, pick(PAINTS, rng))
        s.ellipse(-0.9, 2.15, 0.75, 0.42, pick(PAINTS, rng))
    s.polygon(((1.62, 0.5), (1.62, 2.55), (2.75, 2.6), (3.3, 1.6), (3.35, 0.4), (1.7, 0.4)), paint)
    s.polygon(((2.05, 1.55), (2.05, 2.35), (2.68, 2.38), (3.08, 1.55)), GLASS)
    s.rectangle(1.66, 0.4, 3.34, 0.62, shaded(paint, 0.55))
    for x in (-2.55, -1.6, 2.4):
        paint_wheel(s, x, 0.48)
    s.lamp(3.26, 0.82, 0.13, (255, 244, 200), glow=0.6)
    s.lamp(-3.34, 0.68, 0.1, RED)


def paint_truck_end(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a lorry that comes or goes, as a tall box with its flank."""
    paint, load, coming = pick(PAINTS, rng), pick(PAINTS, rng), rng.random() < 0.5
    s.extrude(((-1.0, 0.3), (1.0, 0.3), (1.0, 0.8), (-1.0, 0.8)), 6.5, BLACK)
    box = np.array(((-1.2, 0.75), (-1.2, 3.1), (1.2, 3.1), (1.2, 0.75)))
    if coming:
        near, far = s.recede(box, 2.0), s.recede(box, 6.5)
        s.polygon(cv2.convexHull(np.concatenate([near, far]).astype(np.float32))[:, 0], shaded(load, 0.72))
        s.polygon(near, load)
        cab = ((-1.15, 0.4), (-1.15, 1.5), (-1.02, 2.55), (1.02, 2.55), (1.15, 1.5), (1.15, 0.4))
        s.extrude(cab, 1.7, shaded(paint, 0.75))
    else:
        s.extrude(box, 5.5, shaded(load, 0.72))
    paint_flank_wheels(s, 1.1, 0.48, (1.1, 4.6, 5.6))
    for x in (-0.92, 0.92):
        s.rectangle(x - 0.2, 0.0, x + 0.2, 0.7, TYRE)
    if coming:
        s.polygon(cab, paint)
        s.polygon(((-1.0, 1.5), (-0.92, 2.35), (0.92, 2.35), (1.0, 1.5)), (84, 110, 130))
        s.rectangle(-0.7, 0.85, 0.7, 1.25, TYRE)
        s.stroke(((-1.3, 1.5), (-1.3, 2.1)), 0.14, BLACK)
        s.stroke(((1.3, 1.5), (1.3, 2.1)), 0.14, BLACK)
    else:
        s.polygon(box, load)
        s.stroke(((0.0, 0.8), (0.0, 3.05)), 0.06, shaded(load, 0.5))
        s.polygon(box * 0.9 + (0.0, 0.2), shaded(load, 0.88))
        s.stroke(((0.0, 0.95), (0.0, 2.95)), 0.08, shaded(load, 0.5))
    s.rectangle(-1.14, 0.42, 1.14, 0.72, shaded(paint, 0.5))
    for x in (-0.9, 0.9):
        s.lamp(x, 0.6, 0.16, (255, 246, 210) if coming else RED, glow=0.8 if coming else 0.35)


def paint_pedestrian(s: Sprite, rng: np.random.Generator, rain: bool = False) -> None:
    """Paint someone who walks or stands: old or young, some with a bag, a hat or an umbrella."""
    skin, top, trousers = pick(SKINS, rng), pick(CLOTHES, rng), pick(TROUSERS, rng)
    size = rng.uniform(0.72, 0.82) if rng.random() < 0.15 else rng.uniform(0.93, 1.08)
    s.axes *= ((math.sqrt(size),), (size,))  # children are not as slim as they are small
    stride, swing = rng.uniform(0.08, 0.36), rng.uniform(0.1, 0.34)
    s.stroke(((0.12, 1.32), (0.22 + swing * 0.3, 1.06), (0.2 + swing, 0.86)), 0.13, shaded(top, 0.75))
    for side, tone in ((-1, 0.78), (1, 1.0)):
        foot = side * stride
        leg = ((side * 0.08, 0.85), (foot * 0.55 + 0.06, 0.45), (foot, 0.07))
        s.stroke(leg, 0.19, shaded(trousers, tone))
        s.stroke(((foot, 0.05), (foot + 0.12, 0.04)), 0.1, TYRE)
    if rng.random() < 0.25:
        s.polygon(((-0.2, 0.95), (0.2, 0.95), (0.33, 0.5), (-0.33, 0.5)), trousers)
    s.polygon(((-0.2, 0.8), (-0.27, 1.32), (-0.16, 1.42), (0.16, 1.42), (0.27, 1.32), (0.2, 0.8)), top)
    if rng.random() < 0.3:
        s.polygon(((-0.42, 0.9), (-0.4, 1.32), (-0.22, 1.36), (-0.2, 0.9)), pick(CLOTHES, rng))
    s.stroke(((-0.2, 1.3), (-0.25 - swing * 0.3, 1.06), (-0.2 - swing, 0.86)), 0.14, shaded(top, 0.88))
    s.ellipse(-0.2 - swing, 0.84, 0.065, 0.065, skin)
    paint_head(s, 0.03, 1.58, pick(HAIRS, rng), skin)
    if rng.random() < 0.2:
        s.polygon(((-0.17, 1.64), (0.28, 1.64), (0.16, 1.7), (0.13, 1.8), (-0.14, 1.8)), pick(CLOTHES, rng))
    if rng.random() < (0.6 if rain else 0.03):
        s.stroke(((0.24, 1.0), (0.14, 2.0)), 0.035, STEEL)
        s.polygon(CIRCLE[:13] * (0.5, 0.36) + (0.14, 1.74), pick(CLOTHES, rng))


def paint_cyclist(s: Sprite, rng: np.random.Generator) -> None:
    """Paint someone on a bicycle, who rides to the right, seen from the side or at an angle."""
    skin, top, trousers = pick(SKINS, rng), pick(CLOTHES, rng), pick(TROUSERS, rng)
    s.axes[0] *= rng.uniform(0.62, 1.05)
    lean, crank = rng.uniform(-0.06, 0.14), rng.uniform(0.0, 2 * math.pi)
    hip, shoulder, grip = (-0.24, 1.04), (0.14 + lean, 1.52 - lean), (0.46, 1.08)
    legs = []
    for phase in (crank + math.pi, crank):
        foot = (0.02 + 0.17 * math.cos(phase), 0.34 + 0.17 * math.sin(phase))
        legs.append((hip, (0.2 + 0.5 * foot[0], 0.5 + 0.75 * foot[1]), foot))
    s.stroke(legs[0], 0.16, shaded(trousers, 0.7))
    paint_bicycle(s, rng)
    s.stroke(legs[1], 0.18, trousers)
    s.stroke((legs[1][2], (legs[1][2][0] + 0.12, legs[1][2][1])), 0.1, TYRE)
    s.polygon(((-0.38, 1.0), (-0.2, 1.38), (shoulder[0] - 0.14, shoulder[1] + 0.06),
               (shoulder[0] + 0.1, shoulder[1] + 0.02), (0.0, 1.0)), top)  # fmt: skip
    elbow = (0.32 + lean / 2, 1.2)
    s.stroke((shoulder, elbow), 0.14, shaded(top, 0.85))
    s.stroke((elbow, grip), 0.1, skin)
    x, y = shoulder[0] + 0.12, shoulder[1] + 0.2
    paint_head(s, x, y, pick(HAIRS, rng), skin)
    if rng.random() < 0.6:
        s.polygon(((x - 0.24, y + 0.03), (x - 0.16, y + 0.17), (x, y + 0.21), (x + 0.14, y + 0.16),
                   (x + 0.21, y + 0.06)), pick(CLOTHES, rng))  # fmt: skip


def paint_light(s: Sprite, rng: np.random.Generator, mount: float) -> None:
    """Paint the head of a traffic light, `mount` metres above the ground; one or two of its lamps are lit."""
    housing = pick(((30, 32, 34), (44, 48, 42), (24, 40, 34), (170, 140, 30)), rng)
    if rng.random() < 0.3:
        s.rectangle(-0.48, mount - 0.08, 0.48, mount + 1.72, WHITE)
        s.rectangle(-0.44, mount - 0.04, 0.44, mount + 1.68, BLACK)
    s.rectangle(-0.36, mount, 0.36, mount + 1.64, housing)
    s.rectangle(-0.31, mount + 0.05, 0.31, mount + 1.59, shaded(housing, 0.55))
    lit = ((0,), (0,), (1,), (2,), (2,), (0, 1))[rng.integers(6)]
    for i, colour in enumerate((RED, AMBER, GREEN)):
        y = mount + 1.34 - 0.52 * i
        s.lamp(0.0, y, 0.21, colour if i in lit else shaded(colour, 0.24), glow=0.75 if i in lit else 0.0)
        s.stroke(((-0.21, y + 0.12), (0.0, y + 0.25), (0.21, y + 0.12)), 0.06, BLACK)


# --- Parts of them ----------------------------------------------------------------------------------------


def pick(colours: Sequence[Colour], rng: np.random.Generator) -> Colour:
    """Give one of `colours`, slightly altered."""
    r, g, b = colours[int(rng.integers(len(colours)))]
    dr, dg, db = rng.integers(-14, 15, 3).tolist()
    return max(0, min(255, r + dr)), max(0, min(255, g + dg)), max(0, min(255, b + db))


def shaded(colour: Colour, factor: float) -> Colour:
    """Give `colour` darker (`factor` below 1) or brighter."""
    r, g, b = (min(255, int(c * factor)) for c in colour)
    return r, g, b


def paint_wheel(s: Sprite, x: float, radius: float) -> None:
    """Paint a wheel that stands on the ground at `x`."""
    s.ellipse(x, radius * 1.05, radius * 1.16, radius * 1.16, BLACK)
    s.ellipse(x, radius, radius, radius, TYRE)
    s.ellipse(x, radius, radius * 0.58, radius * 0.58, STEEL)
    s.ellipse(x, radius, radius * 0.2, radius * 0.2, TYRE)


def paint_flank_wheels(s: Sprite, half_width: float, radius: float, depths: Sequence[float]) -> None:
    """Paint the wheels on that flank of a coming or going vehicle which faces the camera."""
    side = half_width if s.vanishing[0] > 0 else -half_width
    for depth in depths:
        near, far = s.recede((side, radius), depth - radius), s.recede((side, radius), depth + radius)
        x, y = (near + far) / 2
        narrowed = abs(near[0] - far[0]) / 2
        s.ellipse(x, y, narrowed, y - s.recede((0.0, 0.0), depth)[1], TYRE)
        s.ellipse(x, y, narrowed * 0.5, radius * 0.45, STEEL)


def paint_head(s: Sprite, x: float, y: float, hair: Colour, skin: Colour) -> None:
    """Paint a head that looks to the right."""
    s.ellipse(x - 0.02, y + 0.03, 0.17, 0.18, hair)
    s.ellipse(x + 0.04, y - 0.03, 0.125, 0.14, skin)


def paint_bicycle(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a bicycle; without a rider it is no object."""
    frame = pick(PAINTS, rng)
    for x in (-0.56, 0.56):
        s.ellipse(x, 0.36, 0.33, 0.33, TYRE, line=0.075)
    crank, saddle, bar = (0.0, 0.33), (-0.22, 0.92), (0.42, 0.86)
    s.stroke((saddle, crank, (-0.56, 0.36), (-0.16, 0.74), (0.4, 0.76), crank), 0.055, frame)
    s.stroke(((0.56, 0.36), bar, (0.46, 1.06)), 0.055, frame)
    s.stroke(((-0.34, 0.95), (-0.12, 0.95)), 0.08, TYRE)
    s.stroke(((0.36, 1.08), (0.52, 1.06)), 0.06, TYRE)


# --- What is no object ------------------------------------------------------------------------------------


def paint_pole(s: Sprite, rng: np.random.Generator, mount: float) -> None:
    """Paint the pole that carries a traffic light."""
    s.rectangle(-0.07, 0.0, 0.07, mount + 0.1, shaded(STEEL, rng.uniform(0.4, 0.9)))
    s.rectangle(-0.15, 0.0, 0.15, 0.2, shaded(STEEL, 0.5))


def paint_lamp_post(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a street lamp: as tall and thin as a traffic light's pole, without its head."""
    s.stroke(((0.0, 0.0), (0.0, 4.6), (0.25, 4.9), (0.9, 4.95)), 0.12, (70, 76, 84))
    s.rectangle(0.6, 4.82, 1.15, 4.95, (60, 64, 70))
    s.lamp(0.88, 4.82, 0.09, (255, 226, 150), glow=1.6)


def paint_sign(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a road sign: round, triangular, or an upright plate as dark as a traffic light."""
    y = rng.uniform(2.1, 2.9)
    s.rectangle(-0.05, 0.0, 0.05, y, STEEL)
    shape = rng.integers(4)
    if shape == 0:
        s.ellipse(0, y, 0.42, 0.42, RED)
        s.ellipse(0, y, 0.3, 0.3, WHITE)
    elif shape == 1:
        s.polygon(((-0.48, y - 0.35), (0.48, y - 0.35), (0.0, y + 0.5)), RED)
        s.polygon(((-0.29, y - 0.24), (0.29, y - 0.24), (0.0, y + 0.27)), WHITE)
    elif shape == 2:
        s.ellipse(0, y, 0.42, 0.42, (40, 90, 180))
        s.rectangle(-0.25, y - 0.07, 0.25, y + 0.07, WHITE)
    else:
        plate = pick(((40, 50, 60), (40, 80, 150), (40, 110, 70)), rng)
        s.rectangle(-0.34, y - 0.4, 0.34, y + 1.0, plate)
        for row in range(3):
            s.rectangle(-0.22, y - 0.18 + 0.4 * row, 0.22, y - 0.04 + 0.4 * row, WHITE)


def paint_bin(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a rubbish bin or a letter box, about as wide as a person."""
    colour = pick(((60, 90, 70), (70, 74, 80), (200, 60, 40), (230, 190, 50), (40, 80, 140)), rng)
    s.polygon(((-0.27, 0.05), (-0.33, 1.0), (0.33, 1.0), (0.27, 0.05)), colour)
    s.rectangle(-0.37, 1.0, 0.37, 1.14, shaded(colour, 0.7))
    s.rectangle(-0.2, 0.74, 0.2, 0.84, BLACK)


def paint_cone(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a traffic cone."""
    s.polygon(((-0.26, 0.06), (-0.05, 0.78), (0.05, 0.78), (0.26, 0.06)), (238, 100, 30))
    s.polygon(((-0.18, 0.34), (-0.11, 0.56), (0.11, 0.56), (0.18, 0.34)), WHITE)
    s.rectangle(-0.34, 0.0, 0.34, 0.08, (70, 50, 44))


def paint_bush(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a bush."""
    paint_leaves(s, rng, 0.55, 0.5, 0.75)


def paint_tree(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a tree, with leaves or pointed."""
    s.polygon(((-0.16, 0.0), (-0.09, 2.6), (0.09, 2.6), (0.16, 0.0)), (92, 66, 48))
    if rng.random() < 0.25:
        leaf = pick(LEAVES[:3], rng)
        for i in range(3):
            half, y = 1.3 - 0.3 * i, 1.0 + 1.1 * i
            s.polygon(((-half, y), (half, y), (0.0, y + 1.9)), shaded(leaf, 0.85 + 0.13 * i))
    else:
        paint_leaves(s, rng, 3.3, 0.95, 1.25)


def paint_leaves(s: Sprite, rng: np.random.Generator, y: float, rise: float, spread: float) -> None:
    """Paint a crown of leaves around the height `y`, darker below."""
    leaf = pick(LEAVES, rng)
    offsets = rng.uniform(-1.0, 1.0, (9, 2)) * (spread * 0.6, rise * 0.6)
    for dx, dy in sorted(offsets.tolist(), key=lambda offset: offset[1]):
        s.ellipse(dx, y + dy, spread * 0.55, rise * 0.55, shaded(leaf, 0.95 + 0.35 * dy / rise))


def paint_kiosk(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a newspaper stand: a coloured box with a window, as large as a van but without wheels."""
    colour, awning = pick(PAINTS, rng), pick(CLOTHES, rng)
    s.rectangle(-1.3, 0.0, 1.3, 2.3, colour)
    s.rectangle(-1.0, 1.0, 1.0, 1.9, (70, 60, 54))
    s.rectangle(-1.1, 0.85, 1.1, 1.0, shaded(colour, 0.6))
    for i in range(6):
        x = -1.5 + 0.5 * i
        stripe = ((x + 0.1, 2.3), (x + 0.4, 2.3), (x + 0.5, 1.85), (x, 1.85))
        s.polygon(stripe, awning if i % 2 else WHITE)
    s.rectangle(-1.45, 2.28, 1.45, 2.5, shaded(colour, 0.8))


def paint_billboard(s: Sprite, rng: np.random.Generator) -> None:
    """Paint an advertisement on two legs: the colours and proportions of a lorry's box."""
    for x in (-1.1, 1.1):
        s.rectangle(x - 0.08, 0.0, x + 0.08, 1.3, (80, 80, 84))
    s.rectangle(-1.7, 1.1, 1.7, 2.9, WHITE)
    s.rectangle(-1.58, 1.22, 1.58, 2.78, pick(PAINTS, rng))
    s.ellipse(rng.uniform(-0.8, 0.8), 2.0, 0.6, 0.5, pick(CLOTHES, rng))
    s.rectangle(-1.2, 1.38, 1.2, 1.55, WHITE)


def paint_bench(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a park bench."""
    for x in (-0.75, 0.75):
        s.rectangle(x - 0.06, 0.0, x + 0.06, 0.9, BLACK)
    for y in (0.42, 0.64, 0.82):
        s.rectangle(-0.95, y, 0.95, y + 0.13, (150, 100, 56))


LOOKALIKES: tuple[tuple[Painter, float, float], ...] = (  # painter, half width and height in metres
    (paint_tree, 1.4, 4.6),
    (paint_tree, 1.4, 4.6),
    (paint_lamp_post, 1.2, 5.0),
    (paint_sign, 0.5, 3.9),
    (paint_bin, 0.4, 1.2),
    (paint_bicycle, 0.95, 1.15),
    (paint_bush, 0.9, 1.1),
    (paint_cone, 0.4, 0.8),
    (paint_bench, 1.0, 1.0),
    (paint_kiosk, 1.6, 2.5),
    (paint_billboard, 1.7, 2.9),
)


# --- Sky, houses, ground ----------------------------------------------------------------------------------


def paint_sky(scene: Scene, rng: np.random.Generator) -> None:
    """Paint the sky with its sun, clouds or stars, small at first: it has no sharp edges."""
    mood, (height, width) = scene.mood, scene.image.shape[:2]
    rows = min(height, max(4, int(scene.camera.vanishing[1]) + 5))
    small_rows, small_width = max(2, rows // 3), max(2, width // 3)
    blend = np.linspace(0.0, 1.0, small_rows)[:, None, None]
    gradient = (1 - blend) * np.array(mood.zenith) + blend * np.array(mood.horizon)
    sky = np.ascontiguousarray(np.broadcast_to(gradient, (small_rows, small_width, 3)).astype(np.uint8))
    x = int((0.5 + 0.42 * scene.sun) * small_width)
    if mood.sight > 100:
        disc = shaded(mood.horizon, 4.0) if mood.light[2] > 0.65 else (226, 228, 214)
        cv2.circle(sky, (x, int(rng.uniform(0.1, 0.6) * small_rows)), max(1, small_rows // 10), disc, -1)
    for _ in range(rng.integers(0, 6)):
        x, y = int(rng.integers(small_width)), int(rng.uniform(0.05, 0.7) * small_rows)
        cloud = (0.55 * sky[y, x] + 0.45 * np.minimum(255, np.array(mood.horizon) + 30)).tolist()
        for dx, dy in rng.uniform(-1.0, 1.0, (4, 2)).tolist():
            centre = (int(x + dx * 0.1 * small_width), int(y + dy * 0.04 * small_rows))
            cv2.ellipse(sky, centre, (small_width // 11, small_rows // 14), 0, 0, 360, cloud, -1)
    sky = cv2.resize(cv2.blur(sky, (3, 3)), (width, rows), interpolation=cv2.INTER_LINEAR)
    scene.image[:rows] = sky
    if mood.light[0] < 0.5:
        stars = rng.random((40, 2)) * (rows, width)
        scene.image[tuple(stars.astype(int).T)] = 170


def paint_skyline(scene: Scene, rng: np.random.Generator) -> None:
    """Paint the far end of the town: towers that the haze has almost swallowed."""
    z, half_view = 150.0, 0.6 * scene.image.shape[1] / scene.camera.focal
    for x in np.arange(-half_view * z, half_view * z, 16.0).tolist():
        top = rng.uniform(4.0, 34.0)
        tower = [[(x, 0.0, z), (x + 13.0, 0.0, z), (x + 13.0, top, z), (x, top, z)]]
        scene.fill(tower, scene.lit(pick(WALLS, rng), z))


def paint_facade(
    scene: Scene,
    start: tuple[float, float],
    end: tuple[float, float],
    height: float,
    rng: np.random.Generator,
) -> None:
    """Paint the front of a house between two points (x, z) of the ground: wall, roof, windows, shop."""
    (x0, z0), (x1, z1) = start, end
    length, middle = math.hypot(x1 - x0, z1 - z0), min((z0 + z1) / 2, 60.0)
    wall = pick(WALLS, rng)

    def panels(
        lefts: Sequence[float], bottoms: Sequence[float], width: float, tall: float
    ) -> NDArray[np.float64]:
        share = (np.asarray(lefts)[:, None, None] + np.array((0.0, width, width, 0.0))) / length
        corners = np.empty((len(lefts), len(bottoms), 4, 3))
        corners[..., 0], corners[..., 2] = x0 + share * (x1 - x0), z0 + share * (z1 - z0)
        corners[..., 1] = np.asarray(bottoms)[:, None] + (0.0, 0.0, tall, tall)
        return corners.reshape(-1, 4, 3)

    def lit(colour: Colour) -> Colour:
        return scene.lit(colour, middle)

    scene.fill(panels([0.0], [0.0], length, height), lit(wall))
    scene.fill(panels([-0.15], [height - 0.5], length + 0.3, 0.5), lit(shaded(wall, rng.uniform(0.5, 0.8))))
    pitch = rng.uniform(1.9, 2.8)
    lefts = np.arange(0.6, length - 1.4, pitch).tolist()
    bottoms = np.arange(4.2, height - 2.3, 2.9).tolist()
    if lefts and bottoms:
        windows = panels(lefts, bottoms, pitch * 0.5, 1.7)
        dark = rng.random(len(windows)) < (0.55 if scene.mood.lamps else 0.97)
        scene.fill(windows[dark], lit(pick((GLASS, (96, 122, 146), (70, 80, 96)), rng)))
        scene.fill(windows[~dark], (246, 208, 128))
    if rng.random() < 0.6:
        shop = (250, 216, 150) if scene.mood.lamps else lit((120, 140, 152))
        scene.fill(panels([0.5], [0.5], length - 1.0, 2.0), shop)
        scene.fill(panels([0.3], [2.5], length - 0.6, 0.7), lit(pick(CLOTHES, rng)))
    scene.fill(panels([length * 0.42], [0.0], 1.1, 2.3), lit(shaded(wall, 0.4)))


@dataclass(frozen=True)
class Street:
    """The plan of a street.

    Attributes:
        along: its road leads away from the camera; otherwise it runs from left to right.
        road: the edges of the road in metres: x if it leads away, z otherwise.
    """

    along: bool
    road: tuple[float, float]

    @property
    def middle(self) -> float:
        """Where the line between its two lanes is."""
        return (self.road[0] + self.road[1]) / 2

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Street:
        """Plan a street."""
        if rng.random() < 0.5:
            middle, half = rng.uniform(-1.0, 1.0), rng.uniform(3.4, 4.6)
            return cls(True, (middle - half, middle + half))
        return cls(False, (rng.uniform(7.8, 9.0), rng.uniform(16.0, 19.5)))


def paint_town(scene: Scene, street: Street, rng: np.random.Generator) -> None:
    """Paint the houses: two rows that lead away, or one across the view."""
    half_view = 0.55 * scene.image.shape[1] / scene.camera.focal
    if street.along:
        for x in (street.road[0] - rng.uniform(3.2, 6.0), street.road[1] + rng.uniform(3.2, 6.0)):
            ends = np.cumsum(rng.uniform(6.0, 13.0, 8)) + 2.5
            for z1, z0 in zip(ends[::-1].tolist(), [*ends[-2::-1].tolist(), 2.5], strict=True):
                if rng.random() < 0.88:
                    paint_facade(scene, (x, z0), (x, z1), rng.uniform(5.0, 15.0), rng)
    else:
        x = -2.0 * half_view * HOUSES
        while x < 2.0 * half_view * HOUSES:
            width = rng.uniform(5.0, 11.0)
            if rng.random() < 0.88:
                paint_facade(scene, (x, HOUSES), (x + width, HOUSES), rng.uniform(5.0, 15.0), rng)
            x += width


def paint_road(scene: Scene, street: Street, rng: np.random.Generator) -> None:
    """Paint the pavements and the road with its kerbs, lane marks and sometimes a zebra crossing."""
    asphalt = pick(((92, 94, 100), (78, 80, 86), (108, 106, 104)), rng)
    pavement = pick(((168, 164, 156), (150, 148, 148), (178, 162, 140)), rng)
    mark, kerb = (226, 226, 220), shaded(pavement, 1.15)
    verge = pick(((98, 134, 76), (120, 140, 84), pavement), rng)
    low, high = street.road

    def bands(rectangles: ArrayLike, colour: Colour) -> None:
        """Fill rectangles (N, 4): from column 0 to 2 across the road, from 1 to 3 in its direction."""
        order = [0, 1, 2, 3] if street.along else [1, 0, 3, 2]
        scene.fill_ground(np.asarray(rectangles)[:, order], colour)

    begin, end = (2.0, 400.0) if street.along else (-400.0, 400.0)
    scene.fill_ground([(-400.0, 2.0, 400.0, 400.0)], verge)
    edges = (low - 3.0, high + 3.0) if street.along else (2.0, HOUSES)
    bands([(edges[0], begin, edges[1], end)], pavement)
    bands([(low - 0.2, begin, high + 0.2, end)], kerb)
    bands([(low, begin, high, end)], asphalt)
    starts = np.arange(3.0 if street.along else -40.0, 60.0, 4.0).tolist()
    bands([(street.middle - 0.08, start, street.middle + 0.08, start + 2.0) for start in starts], mark)
    if rng.random() < 0.4:
        start = rng.uniform(8.0, 14.0) if street.along else rng.uniform(-6.0, 4.0)
        stripes = np.arange(low + 0.4, high - 0.4, 1.1).tolist()
        bands([(stripe, start, stripe + 0.55, start + 3.0) for stripe in stripes], mark)


# --- What stands where ------------------------------------------------------------------------------------


def between(near: float, far: float, rng: np.random.Generator) -> float:
    """Give a distance between two, as likely to double as to halve."""
    return math.exp(rng.uniform(math.log(near), math.log(far)))


def anywhere(scene: Scene, z: float, rng: np.random.Generator) -> float:
    """Give an x that the camera sees at the distance `z`."""
    column: float = scene.image.shape[1] * rng.uniform(0.02, 0.98)
    return (column - scene.camera.vanishing[0]) * z / scene.camera.focal


def on_pavement(scene: Scene, street: Street, rng: np.random.Generator, off: float) -> tuple[float, float]:
    """Give (x, z) on a pavement, at most `off` metres from the kerb."""
    low, high = street.road
    step = rng.uniform(0.4, off)
    on_low = rng.random() < 0.5
    if street.along:
        return (low - step if on_low else high + step), between(NEAREST, FARTHEST, rng)
    z = max(NEAREST, low - step) if on_low else min(FARTHEST, high + step)
    return anywhere(scene, z, rng), z


def place_object(label: int, scene: Scene, street: Street, rng: np.random.Generator) -> Thing:
    """Put an object of class `label` where it belongs: vehicles on the road, lights at the kerb."""
    low, high = street.road
    name = STREET_CLASSES[label]
    if name in ("car", "truck"):
        z = between(7.5 if name == "car" else 11.0, FARTHEST, rng)
        if street.along and rng.random() < 0.65:
            lane = street.middle + (high - low) * (-0.25 if rng.random() < 0.5 else 0.25)
            if name == "car":
                return Thing(paint_car_end, lane, z, 1.5, 1.6, label, flat=False)
            return Thing(paint_truck_end, lane, z, 2.2, 3.1, label, flat=False)
        if not street.along:
            z = min(max(z, low + 0.8), high - 0.5)
        x = anywhere(scene, z, rng)
        if name == "car":
            return Thing(paint_car_side, x, z, 2.2, 1.6, label)
        return Thing(paint_truck_side, x, z, 3.45, 3.1, label)
    if name == "light":
        x, z = on_pavement(scene, street, rng, 0.7)
        return Thing(partial(paint_light, mount=rng.uniform(2.0, 3.0)), x, max(z, 8.5), 0.45, 4.6, label)
    if name == "cyclist" or rng.random() < 0.35:
        z = between(NEAREST, FARTHEST, rng) if street.along else rng.uniform(low, high)
        x = anywhere(scene, z, rng)
    else:
        x, z = on_pavement(scene, street, rng, 2.4)
    if name == "cyclist":
        return Thing(paint_cyclist, x, z, 0.95, 1.85, label)
    return Thing(partial(paint_pedestrian, rain=scene.mood.rain), x, z, 0.55, 1.85, label)


def place_lookalike(scene: Scene, street: Street, rng: np.random.Generator) -> Thing:
    """Put something that is no object on a pavement."""
    paint, reach, height = LOOKALIKES[rng.integers(len(LOOKALIKES))]
    x, z = on_pavement(scene, street, rng, 2.6)
    return Thing(paint, x, z, reach, height)


def outline(thing: Thing, camera: Camera) -> NDArray[np.float64]:
    """Give roughly the box (4,) of `thing` in pixels."""
    bottom = thing.height - 1.7 if thing.label == STREET_CLASSES.index("light") else 0.0
    corners = ((thing.x - thing.reach, thing.height, thing.z), (thing.x + thing.reach, bottom, thing.z))
    return camera.project(corners).ravel()


def furnish(scene: Scene, street: Street, rng: np.random.Generator) -> list[Thing]:
    """Choose what stands on the street, so that little is hidden almost completely; from far to near."""
    count = 0 if rng.random() < 0.03 else int(rng.integers(1, 10))
    labels: list[int | None] = np.searchsorted(CLASS_WEIGHTS, rng.random(count)).tolist()
    labels += [None] * int(rng.integers(1, 7))
    things: list[Thing] = []
    boxes = np.zeros((0, 4))
    for label in labels:
        for _ in range(8):
            if label is None:
                thing = place_lookalike(scene, street, rng)
            else:
                thing = place_object(label, scene, street, rng)
            box = outline(thing, scene.camera)[None]
            shared = pairwise_intersection(box, boxes)[0] / np.minimum(box_area(box), box_area(boxes))
            middle = (box[0, 0] + box[0, 2]) / 2
            if 0 <= middle < scene.image.shape[1] and shared.max(initial=0.0) < 0.4:
                things.append(thing)
                boxes = np.concatenate([boxes, box])
                break
    for thing in list(things):
        if isinstance(thing.paint, partial) and thing.paint.func is paint_light:
            pole = partial(paint_pole, mount=thing.paint.keywords["mount"])
            things.append(Thing(pole, thing.x, thing.z + 0.01, 0.16, 4.0))
    return sorted(things, key=lambda thing: -thing.z)


# --- Air and camera ---------------------------------------------------------------------------------------


@cache
def halo() -> NDArray[np.float32]:
    """Give the light around a lamp: (33, 33), 1 in the middle, 0 at the edge."""
    axis = np.linspace(-1.0, 1.0, 33, dtype=np.float32)
    return np.square(np.clip(1.0 - np.hypot(axis[:, None], axis), 0.0, 1.0), dtype=np.float32)


def paint_glow(scene: Scene) -> None:
    """Let the lamps that nothing hides shine, farther at night."""
    rows, columns = scene.image.shape[:2]
    strength = 0.9 if scene.mood.lamps else 0.2
    for index, x, y, radius, colour in scene.glows:
        if not (0 <= x < columns and 0 <= y < rows) or scene.owner[int(y), int(x)] != index:
            continue
        reach = max(1, int(radius))
        y0, x0 = int(y) - reach, int(x) - reach
        side = 2 * reach + 1
        light = strength * cv2.resize(halo(), (side, side))[..., None]
        light = light[max(0, -y0) : rows - y0, max(0, -x0) : columns - x0]
        under = scene.image[max(0, y0) : y0 + side, max(0, x0) : x0 + side]
        under[...] = np.minimum(under + light * np.array(colour, np.float32), 255)


def paint_rain(scene: Scene, rng: np.random.Generator) -> None:
    """Paint streaks of rain."""
    rows, columns = scene.image.shape[:2]
    streak = np.array([rng.uniform(-0.012, 0.012), rng.uniform(0.03, 0.07)]) * rows
    starts = rng.random((int(rng.integers(60, 160)), 1, 2)) * (columns, rows)
    lines = np.rint(np.concatenate([starts, starts + streak], 1)).astype(np.int32)
    drops = np.zeros_like(scene.image)
    cv2.polylines(drops, list(lines), False, (190, 200, 210), 1, cv2.LINE_AA)
    cv2.addWeighted(scene.image, 1.0, drops, 0.3, 0.0, dst=scene.image)


def photograph(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Give the scene as a small camera would see it: blur, exposure, contrast, noise."""
    image, sigma = scene.image, rng.uniform(-0.5, 0.9) * scene.camera.focal / 380.0
    if sigma > 0.3:
        cv2.GaussianBlur(image, (0, 0), sigma, dst=image)
    grain = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    strength, contrast = rng.uniform(0.015, 0.08), rng.uniform(0.88, 1.1)
    brightness = rng.uniform(-12.0, 12.0) + 118.0 * (1 - contrast)
    cv2.addWeighted(image, contrast, grain, strength, brightness - 127.5 * strength, dst=image)
    return image


# --- The scene --------------------------------------------------------------------------------------------


def visible_ground_truth(
    owner: NDArray[np.int16],
    labels: Sequence[int | None],
    drawn: Sequence[int],
    cut: Sequence[bool],
    smallest_side: float,
) -> GroundTruth:
    """Make the ground truth out of the pixels that can be seen.

    Args:
        owner: (H, W), for each pixel the index of the thing on top, -1 for the background.
        labels: the class of each thing, None for what is no object.
        drawn: the pixels each thing has, with those that are hidden or beyond the image.
        cut: whether each thing reaches beyond the image; such an object is marked as truncated.
        smallest_side: in pixels; an object with a shorter side is difficult.

    Returns:
        Boxes in whole pixels around what can be seen of each object, x1 and y1 just outside of it. An object
        less than `LEAST_VISIBLE` of which can be seen is left out, less than `EASILY_VISIBLE`: difficult.
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
    if not boxes:
        return GroundTruth.empty()
    return GroundTruth(
        np.array(boxes, np.float32),
        np.array(kept, np.int32),
        np.array(difficult),
        truncated=np.array(truncated),
    )


def draw_street_scene(
    rng: np.random.Generator, size: tuple[int, int] = DEFAULT_SIZE
) -> tuple[NDArray[np.uint8], GroundTruth]:
    """Draw one street scene: (H, W, 3) uint8 RGB, and its objects (see `visible_ground_truth`).

    It holds 1 to 9 objects, rarely none. `size` is (height, width) in pixels.

    Raises:
        InputError: a side is shorter than 8 pixels.
    """
    height, width = size
    if min(height, width) < 8:
        raise InputError(f"a street scene of {height}x{width} pixels is too small: ask for at least 8x8")
    unit = min(height / DEFAULT_SIZE[0], width / DEFAULT_SIZE[1])
    vanishing = (width * rng.uniform(0.32, 0.68), height * rng.uniform(0.34, 0.46))
    camera = Camera(380.0 * unit, vanishing, rng.uniform(1.8, 2.4) * height / DEFAULT_SIZE[0] / unit)
    mood = MOODS[np.searchsorted(MOOD_WEIGHTS, rng.random())]
    image, owner = np.zeros((height, width, 3), np.uint8), np.full((height, width), -1, np.int16)
    scene = Scene(image, owner, camera, mood, sun=rng.uniform(-1.0, 1.0))
    street = Street.sample(rng)

    paint_sky(scene, rng)
    paint_skyline(scene, rng)
    paint_road(scene, street, rng)
    paint_town(scene, street, rng)
    things = furnish(scene, street, rng)
    for thing in things:
        scene.add(thing, rng)
    paint_glow(scene)
    if mood.rain:
        paint_rain(scene, rng)

    labels = [thing.label for thing in things]
    ground_truth = visible_ground_truth(owner, labels, scene.drawn, scene.cut, SMALLEST_SIDE * unit)
    return photograph(scene, rng), ground_truth


def street_scenes(
    count: int, seed: int, size: tuple[int, int] = DEFAULT_SIZE
) -> Iterator[tuple[NDArray[np.uint8], GroundTruth]]:
    """Draw `count` scenes of (height, width) `size`; scene i depends on `seed` and i alone."""
    for i in range(count):
        yield draw_street_scene(np.random.default_rng((seed, i)), size)
