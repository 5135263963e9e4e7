"""The plan of the street, and what stands where on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area
from ssd_keras.boxes.iou import pairwise_intersection
from ssd_keras.data.street_scenes.furniture import LOOKALIKES, paint_light, paint_pole
from ssd_keras.data.street_scenes.people import paint_cyclist, paint_pedestrian
from ssd_keras.data.street_scenes.scene import Scene
from ssd_keras.data.street_scenes.sprite import Camera, Thing
from ssd_keras.data.street_scenes.vehicles import VEHICLES

STREET_CLASSES = ("car", "truck", "pedestrian", "cyclist", "light")
"""The classes of the street scenes; "light" is the head of a traffic light, without its pole."""

LIGHT = STREET_CLASSES.index("light")
CLASS_SHARES = np.cumsum((0.24, 0.21, 0.2, 0.18, 0.17))
NEAREST, FARTHEST = 6.5, 21.5
"""How far away the things on the street stand, in metres."""


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


def random_distance(nearest: float, rng: np.random.Generator) -> float:
    """Give a distance from `nearest` to `FARTHEST`, as likely to double as to halve."""
    return math.exp(rng.uniform(math.log(nearest), math.log(FARTHEST)))


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
        return (low - step if on_low else high + step), random_distance(NEAREST, rng)
    z = max(NEAREST, low - step) if on_low else min(FARTHEST, high + step)
    return anywhere(scene, z, rng), z


def place_vehicle(label: int, scene: Scene, street: Street, rng: np.random.Generator) -> Thing:
    """Put a car or a truck on the road: in a lane that leads away, or across the view."""
    low, high = street.road
    nearest, side, end = VEHICLES[STREET_CLASSES[label]]
    z = random_distance(nearest, rng)
    if street.along and rng.random() < 0.65:
        lane = street.middle + (high - low) * (-0.25 if rng.random() < 0.5 else 0.25)
        paint, reach, height = end
        return Thing(paint, lane, z, reach, height, label, flat=False)
    if not street.along:
        z = min(max(z, low + 0.8), high - 0.5)
    paint, reach, height = side
    return Thing(paint, anywhere(scene, z, rng), z, reach, height, label)


def place_object(label: int, scene: Scene, street: Street, rng: np.random.Generator) -> Thing:
    """Put an object of class `label` where it belongs: vehicles on the road, lights at the kerb."""
    name = STREET_CLASSES[label]
    if name in VEHICLES:
        return place_vehicle(label, scene, street, rng)
    if label == LIGHT:
        x, z = on_pavement(scene, street, rng, 0.7)
        light = partial(paint_light, mount=rng.uniform(2.0, 3.0))
        return Thing(light, x, max(z, 8.5), 0.45, 4.6, label)
    if name == "cyclist" or rng.random() < 0.35:
        z = random_distance(NEAREST, rng) if street.along else rng.uniform(*street.road)
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


def rough_box(thing: Thing, camera: Camera) -> NDArray[np.float64]:
    """Give roughly the box (1, 4) of `thing` in pixels."""
    bottom = thing.height - 1.7 if thing.label == LIGHT else 0.0
    corners = ((thing.x - thing.reach, thing.height, thing.z), (thing.x + thing.reach, bottom, thing.z))
    return camera.project(corners).reshape(1, 4)


def furnish(scene: Scene, street: Street, rng: np.random.Generator) -> list[Thing]:
    """Choose what stands on the street, so that little is hidden almost completely; from far to near."""
    count = 0 if rng.random() < 0.03 else int(rng.integers(1, 10))
    labels: list[int | None] = np.searchsorted(CLASS_SHARES, rng.random(count)).tolist()
    labels += [None] * int(rng.integers(1, 7))
    things: list[Thing] = []
    boxes = np.zeros((0, 4))
    for label in labels:
        for _ in range(8):
            if label is None:
                thing = place_lookalike(scene, street, rng)
            else:
                thing = place_object(label, scene, street, rng)
            box = rough_box(thing, scene.camera)
            shared = pairwise_intersection(box, boxes)[0] / np.minimum(box_area(box), box_area(boxes))
            middle = (box[0, 0] + box[0, 2]) / 2
            if 0 <= middle < scene.image.shape[1] and shared.max(initial=0.0) < 0.4:
                things.append(thing)
                boxes = np.concatenate([boxes, box])
                break
    things += [
        Thing(partial(paint_pole, **thing.paint.keywords), thing.x, thing.z + 0.01, 0.16, 4.0)
        for thing in things
        if thing.label == LIGHT and isinstance(thing.paint, partial)
    ]
    return sorted(things, key=lambda thing: -thing.z)
