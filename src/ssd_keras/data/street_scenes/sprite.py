"""How one thing is drawn: in metres, seen through the camera, on a transparent sheet of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.data.street_scenes.colours import Colour

SUBPIXEL_BITS = 4
CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 25)), np.sin(np.linspace(0, 2 * np.pi, 25))], 1)
"""(25, 2) float64, the points of a circle of radius 1, counterclockwise from the right."""


def fixed_point(px: NDArray[np.float64]) -> NDArray[np.int32]:
    """Give pixel coordinates as OpenCV draws them with `SUBPIXEL_BITS`."""
    return np.rint(px * (1 << SUBPIXEL_BITS)).astype(np.int32)


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
        scale = self.focal / xyz[..., 2:]
        return self.vanishing + (xyz[..., :2] - (0.0, self.height)) * (1.0, -1.0) * scale


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
        across = mirrored * (rng.uniform(0.9, 1.08) if thing.flat else 1.0)
        tilt = rng.normal(0.0, 0.022)
        cos, sin = math.cos(tilt), math.sin(tilt)
        self.axes = self.scale * np.array([[across * cos, across * sin], [sin, -cos]])
        half_width = int((thing.reach * 1.35 + thing.height * 0.08) * self.scale) + 3
        above = int((thing.height * 1.2 + 0.2) * self.scale) + 3
        below = int((0.12 * thing.reach + 0.08) * self.scale) + 3
        self.origin = np.array([half_width, above])
        self.rgba = np.zeros((above + below, 2 * half_width + 1, 4), np.uint8)
        self.vanishing: NDArray[np.float64] = np.array([-thing.x * mirrored, camera.height])
        self.z = thing.z
        self.glows: list[tuple[NDArray[np.float64], float, Colour]] = []

    def _px(self, points: ArrayLike) -> NDArray[np.float64]:
        px: NDArray[np.float64] = np.asarray(points, np.float64) @ self.axes + self.origin
        return px

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fill the polygon with the corners `points` (N, 2)."""
        corners = fixed_point(self._px(points))
        cv2.fillPoly(self.rgba, [corners], (*colour, 255), cv2.LINE_AA, SUBPIXEL_BITS)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an ellipse."""
        self.polygon(CIRCLE * (rx, ry) + (x, y), colour)

    def stroke(self, points: ArrayLike, width: float, colour: Colour) -> None:
        """Draw a line with round ends through `points` (N, 2): a limb, a tube, a pole."""
        line, thickness = fixed_point(self._px(points)), max(1, round(width * self.scale))
        cv2.polylines(self.rgba, [line], False, (*colour, 255), thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def recede(self, points: ArrayLike, depth: float) -> NDArray[np.float64]:
        """Give `points` (..., 2) as they look `depth` metres farther away: nearer to the vanishing point."""
        return self.vanishing + (np.asarray(points) - self.vanishing) * (self.z / (self.z + depth))

    def extrude(self, points: ArrayLike, end: float, colour: Colour, start: float = 0.0) -> None:
        """Fill the solid from `start` to `end` metres behind the convex polygon `points` (N, 2)."""
        corners = np.concatenate([self.recede(points, start), self.recede(points, end)])
        self.polygon(cv2.convexHull(corners.astype(np.float32))[:, 0], colour)

    def lamp(self, x: float, y: float, radius: float, colour: Colour, glow: float = 0.0) -> None:
        """Draw a round lamp that also shines `glow` metres far."""
        self.ellipse(x, y, radius, radius, colour)
        if glow:
            self.glows.append((self._px((x, y)), glow * self.scale, colour))


Painter = Callable[[Sprite, np.random.Generator], None]
