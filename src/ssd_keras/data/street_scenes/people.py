"""The painters of pedestrians and cyclists."""

import math

import numpy as np

from ssd_keras.data.street_scenes.colours import (
    CLOTHES,
    HAIRS,
    PAINTS,
    SKINS,
    STEEL,
    TROUSERS,
    TYRE,
    Colour,
    pick,
    shaded,
)
from ssd_keras.data.street_scenes.sprite import CIRCLE, Sprite


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
    paint_head(s, 0.03, 1.58, skin, rng)
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
    (shoulder_x, shoulder_y), elbow = (0.14 + lean, 1.52 - lean), (0.32 + lean / 2, 1.2)
    far_leg, near_leg = cyclist_leg(crank + math.pi), cyclist_leg(crank)
    s.stroke(far_leg, 0.16, shaded(trousers, 0.7))
    paint_bicycle(s, rng)
    s.stroke(near_leg, 0.18, trousers)
    s.stroke((near_leg[2], (near_leg[2][0] + 0.12, near_leg[2][1])), 0.1, TYRE)
    s.polygon(((-0.38, 1.0), (-0.2, 1.38), (shoulder_x - 0.14, shoulder_y + 0.06),
               (shoulder_x + 0.1, shoulder_y + 0.02), (0.0, 1.0)), top)  # fmt: skip
    s.stroke(((shoulder_x, shoulder_y), elbow), 0.14, shaded(top, 0.85))
    s.stroke((elbow, (0.46, 1.08)), 0.1, skin)
    x, y = shoulder_x + 0.12, shoulder_y + 0.2
    paint_head(s, x, y, skin, rng)
    if rng.random() < 0.6:
        helmet = ((-0.24, 0.03), (-0.16, 0.17), (0.0, 0.21), (0.14, 0.16), (0.21, 0.06))
        s.polygon(np.add(helmet, (x, y)), pick(CLOTHES, rng))


def cyclist_leg(phase: float) -> tuple[tuple[float, float], ...]:
    """Give hip, knee and foot of a leg whose pedal is `phase` radians around the crank."""
    foot = (0.02 + 0.17 * math.cos(phase), 0.34 + 0.17 * math.sin(phase))
    return (-0.24, 1.04), (0.2 + 0.5 * foot[0], 0.5 + 0.75 * foot[1]), foot


def paint_head(s: Sprite, x: float, y: float, skin: Colour, rng: np.random.Generator) -> None:
    """Paint a head that looks to the right."""
    s.ellipse(x - 0.02, y + 0.03, 0.17, 0.18, pick(HAIRS, rng))
    s.ellipse(x + 0.04, y - 0.03, 0.125, 0.14, skin)


def paint_bicycle(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a bicycle; without a rider it is no object."""
    frame = pick(PAINTS, rng)
    for x in (-0.56, 0.56):
        s.stroke(CIRCLE * (0.33, 0.33) + (x, 0.36), 0.075, TYRE)
    crank, saddle, bar = (0.0, 0.33), (-0.22, 0.92), (0.42, 0.86)
    s.stroke((saddle, crank, (-0.56, 0.36), (-0.16, 0.74), (0.4, 0.76), crank), 0.055, frame)
    s.stroke(((0.56, 0.36), bar, (0.46, 1.06)), 0.055, frame)
    s.stroke(((-0.34, 0.95), (-0.12, 0.95)), 0.08, TYRE)
    s.stroke(((0.36, 1.08), (0.52, 1.06)), 0.06, TYRE)
