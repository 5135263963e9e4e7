"""What is behind the things on the street: sky, houses, ground and road."""

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.data.street_scenes.colours import CLOTHES, GLASS, WALLS, Colour, pick, shaded
from ssd_keras.data.street_scenes.scene import Scene
from ssd_keras.data.street_scenes.street import Street

HOUSES = 24.0
"""How far away the houses behind a street across the view stand, in metres."""
Lot = tuple[tuple[float, float], tuple[float, float]]


def paint_sky(scene: Scene, rng: np.random.Generator) -> None:
    """Paint the sky with its sun, clouds or stars, small at first: it has no sharp edges."""
    mood, (height, width) = scene.mood, scene.owner.shape
    rows = min(height, max(4, int(scene.camera.vanishing[1]) + 5))
    small_rows, small_width = max(2, rows // 3), max(2, width // 3)
    blend = np.linspace(0.0, 1.0, small_rows)[:, None, None]
    gradient = (1 - blend) * np.array(mood.zenith) + blend * np.array(mood.horizon)
    sky = np.repeat(gradient.astype(np.uint8), small_width, axis=1)
    if mood.sight > 100:
        x, y = int((0.5 + 0.42 * scene.sun) * small_width), int(rng.uniform(0.1, 0.6) * small_rows)
        disc = shaded(mood.horizon, 4.0) if mood.light[2] > 0.65 else (226, 228, 214)
        cv2.circle(sky, (x, y), max(1, small_rows // 10), disc, -1)
    for _ in range(rng.integers(0, 6)):
        x, y = int(rng.integers(small_width)), int(rng.uniform(0.05, 0.7) * small_rows)
        cloud = (0.55 * sky[y, x] + 0.45 * np.minimum(255, np.array(mood.horizon) + 30)).tolist()
        for dx, dy in rng.uniform(-1.0, 1.0, (4, 2)).tolist():
            centre = (int(x + dx * 0.1 * small_width), int(y + dy * 0.04 * small_rows))
            cv2.ellipse(sky, centre, (small_width // 11, small_rows // 14), 0, 0, 360, cloud, -1)
    scene.image[:rows] = cv2.resize(cv2.blur(sky, (3, 3)), (width, rows), interpolation=cv2.INTER_LINEAR)
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


def paint_road(scene: Scene, street: Street, rng: np.random.Generator) -> None:
    """Paint the pavements and the road with its kerbs, lane marks and sometimes a zebra crossing."""
    asphalt = pick(((92, 94, 100), (78, 80, 86), (108, 106, 104)), rng)
    pavement = pick(((168, 164, 156), (150, 148, 148), (178, 162, 140)), rng)
    verge = pick(((98, 134, 76), (120, 140, 84), pavement), rng)
    mark, (low, high) = (226, 226, 220), street.road

    def bands(rectangles: ArrayLike, colour: Colour) -> None:
        """Fill rectangles (N, 4): from column 0 to 2 across the road, from 1 to 3 in its direction."""
        order = [0, 1, 2, 3] if street.along else [1, 0, 3, 2]
        scene.fill_ground(np.asarray(rectangles)[:, order], colour)

    begin, end = (2.0, 400.0) if street.along else (-400.0, 400.0)
    edges = (low - 3.0, high + 3.0) if street.along else (2.0, HOUSES)
    scene.fill_ground([(-400.0, 2.0, 400.0, 400.0)], verge)
    bands([(edges[0], begin, edges[1], end)], pavement)
    bands([(low - 0.2, begin, high + 0.2, end)], shaded(pavement, 1.15))
    bands([(low, begin, high, end)], asphalt)
    starts = np.arange(3.0 if street.along else -40.0, 60.0, 4.0).tolist()
    bands([(street.middle - 0.08, start, street.middle + 0.08, start + 2.0) for start in starts], mark)
    if rng.random() < 0.4:
        start = rng.uniform(8.0, 14.0) if street.along else rng.uniform(-6.0, 4.0)
        stripes = np.arange(low + 0.4, high - 0.4, 1.1).tolist()
        bands([(stripe, start, stripe + 0.55, start + 3.0) for stripe in stripes], mark)


def lots(scene: Scene, street: Street, rng: np.random.Generator) -> Iterator[Lot]:
    """Give where the fronts of the houses begin and end, (x, z): two rows that lead away, or one across."""
    if street.along:
        for x in (street.road[0] - rng.uniform(3.2, 6.0), street.road[1] + rng.uniform(3.2, 6.0)):
            ends = [2.5, *(np.cumsum(rng.uniform(6.0, 13.0, 8)) + 2.5).tolist()]
            for i in range(8, 0, -1):
                yield (x, ends[i - 1]), (x, ends[i])
        return
    half_view = 1.1 * HOUSES * scene.image.shape[1] / scene.camera.focal
    x = -half_view
    while x < half_view:
        width = rng.uniform(5.0, 11.0)
        yield (x, HOUSES), (x + width, HOUSES)
        x += width


def paint_town(scene: Scene, street: Street, rng: np.random.Generator) -> None:
    """Paint the houses, from far to near; some lots are empty."""
    for lot in lots(scene, street, rng):
        if rng.random() < 0.88:
            paint_facade(scene, lot, rng.uniform(5.0, 15.0), rng)


def paint_facade(scene: Scene, lot: Lot, height: float, rng: np.random.Generator) -> None:
    """Paint the front of a house: wall, roof, windows, shop, door."""
    (x0, z0), (x1, z1) = lot
    length, middle = math.hypot(x1 - x0, z1 - z0), min((z0 + z1) / 2, 60.0)
    wall = pick(WALLS, rng)

    def panels(
        lefts: Sequence[float], bottoms: Sequence[float], width: float, tall: float
    ) -> NDArray[np.float64]:
        """Give the rectangles (N, 4, 3) on the wall that begin at each of `lefts` and `bottoms`."""
        share = np.add.outer(lefts, (0.0, width, width, 0.0))[:, None] / length
        corners = np.empty((len(lefts), len(bottoms), 4, 3))
        corners[..., 0], corners[..., 2] = x0 + share * (x1 - x0), z0 + share * (z1 - z0)
        corners[..., 1] = np.add.outer(bottoms, (0.0, 0.0, tall, tall))
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
