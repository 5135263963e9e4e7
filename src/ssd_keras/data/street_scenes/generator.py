"""One street scene from back to front, and as many as wanted."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.samples import GroundTruth
from ssd_keras.data.street_scenes.backdrop import paint_road, paint_sky, paint_skyline, paint_town
from ssd_keras.data.street_scenes.scene import Scene, visible_ground_truth
from ssd_keras.data.street_scenes.sprite import Camera
from ssd_keras.data.street_scenes.street import Street, furnish
from ssd_keras.data.street_scenes.weather import MOOD_SHARES, MOODS, add_glow, add_rain, photograph
from ssd_keras.errors import InputError

DEFAULT_SIZE = (240, 384)
SMALLEST_SIDE = 10.0
"""An object is difficult if a side of its box is shorter: in pixels at `DEFAULT_SIZE`, else in proportion."""


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
    mood = MOODS[np.searchsorted(MOOD_SHARES, rng.random())]
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
    add_glow(image, owner, scene.glows, strength=0.9 if mood.lamps else 0.2)
    if mood.rain:
        add_rain(image, rng)
    photograph(image, camera.focal, rng)

    labels = [thing.label for thing in things]
    return image, visible_ground_truth(owner, labels, scene.drawn, scene.cut, SMALLEST_SIDE * unit)


def street_scenes(
    count: int, seed: int, size: tuple[int, int] = DEFAULT_SIZE
) -> Iterator[tuple[NDArray[np.uint8], GroundTruth]]:
    """Draw `count` scenes (H, W, 3) of `size`, which is (H, W); scene i depends on `seed` and i alone."""
    for i in range(count):
        yield draw_street_scene(np.random.default_rng((seed, i)), size)
