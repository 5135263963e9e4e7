"""The time of day, the weather and the camera: glow, rain, blur, exposure, noise, straight on the pixels."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.street_scenes.colours import Colour


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
MOOD_SHARES = np.cumsum((0.3, 0.2, 0.16, 0.14, 0.1, 0.1))


@dataclass(frozen=True)
class Glow:
    """The light around a lamp, of the thing with the index `owner`: its middle and radius in pixels."""

    owner: int
    x: float
    y: float
    radius: float
    colour: Colour


@cache
def halo() -> NDArray[np.float32]:
    """Give the light around a lamp: (33, 33), 1 in the middle, 0 at the edge."""
    axis = np.linspace(-1.0, 1.0, 33, dtype=np.float32)
    return np.square(np.clip(1.0 - np.hypot(axis[:, None], axis), 0.0, 1.0), dtype=np.float32)


def add_glow(
    image: NDArray[np.uint8], owner: NDArray[np.int16], glows: Iterable[Glow], strength: float
) -> None:
    """Let the lamps shine that nothing hides in `owner`, the index of the thing on top of each pixel."""
    rows, columns = owner.shape
    for glow in glows:
        x, y, reach = int(glow.x), int(glow.y), max(1, int(glow.radius))
        if not (0 <= glow.x < columns and 0 <= glow.y < rows) or owner[y, x] != glow.owner:
            continue
        y0, x0, side = y - reach, x - reach, 2 * reach + 1
        light = strength * cv2.resize(halo(), (side, side))[..., None]
        light = light[max(0, -y0) : rows - y0, max(0, -x0) : columns - x0]
        under = image[max(0, y0) : y0 + side, max(0, x0) : x0 + side]
        under[...] = np.minimum(under + light * np.array(glow.colour, np.float32), 255)


def add_rain(image: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Draw streaks of rain."""
    rows, columns = image.shape[:2]
    streak = np.array([rng.uniform(-0.012, 0.012), rng.uniform(0.03, 0.07)]) * rows
    starts = rng.random((int(rng.integers(60, 160)), 1, 2)) * (columns, rows)
    lines = np.rint(np.concatenate([starts, starts + streak], 1)).astype(np.int32)
    drops = np.zeros_like(image)
    cv2.polylines(drops, list(lines), False, (190, 200, 210), 1, cv2.LINE_AA)
    cv2.addWeighted(image, 1.0, drops, 0.3, 0.0, dst=image)


def photograph(image: NDArray[np.uint8], focal: float, rng: np.random.Generator) -> None:
    """Make `image` what a small camera sees: blur (in proportion to `focal`), exposure, contrast, noise."""
    sigma = rng.uniform(-0.5, 0.9) * focal / 380.0
    if sigma > 0.3:
        cv2.GaussianBlur(image, (0, 0), sigma, dst=image)
    grain = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    strength, contrast = rng.uniform(0.015, 0.08), rng.uniform(0.88, 1.1)
    brightness = rng.uniform(-12.0, 12.0) + 118.0 * (1 - contrast)
    cv2.addWeighted(image, contrast, grain, strength, brightness - 127.5 * strength, dst=image)
