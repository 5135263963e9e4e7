"""The painters of cars and lorries, from the side and from the end."""

from collections.abc import Sequence

import numpy as np

from ssd_keras.data.street_scenes.colours import (
    BLACK,
    GLASS,
    HEADLIGHT,
    PAINTS,
    RED,
    STEEL,
    TYRE,
    WHITE,
    WINDSCREEN,
    Colour,
    pick,
    shaded,
)
from ssd_keras.data.street_scenes.sprite import Sprite


def paint_car_side(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a saloon, a hatchback or an off-roader that drives to the right."""
    paint = pick(PAINTS, rng)
    tail, roof = ((-1.75, 1.44), (-2.0, 1.5), (-2.08, 1.68))[rng.integers(3)]
    s.rectangle(-1.9, 0.2, 1.9, 0.5, BLACK)
    s.polygon(((tail, 0.9), (tail + 0.4, roof), (0.35, roof), (1.15, 0.88)), paint)
    s.polygon(((-2.12, 0.3), (-2.16, 0.8), (-2.0, 0.98), (1.1, 0.96), (1.95, 0.82), (2.14, 0.62),
               (2.14, 0.3)), paint)  # fmt: skip
    s.polygon(((tail + 0.3, 0.98), (tail + 0.52, roof - 0.1), (-0.4, roof - 0.1), (-0.4, 0.98)), GLASS)
    s.polygon(((-0.28, 0.98), (-0.28, roof - 0.1), (0.3, roof - 0.1), (0.9, 0.98)), GLASS)
    s.rectangle(-2.1, 0.3, 2.1, 0.42, shaded(paint, 0.6))
    s.stroke(((-0.34, 0.9), (-0.34, 0.42)), 0.03, shaded(paint, 0.6))
    s.rectangle(-0.65, 0.78, -0.45, 0.83, shaded(paint, 0.5))
    paint_wheels(s, 0.33, (-1.3, 1.3))
    s.lamp(2.03, 0.68, 0.1, (255, 244, 200), glow=0.5)
    s.lamp(-2.06, 0.78, 0.1, RED)


def paint_car_end(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a car that comes or goes, with the flank that perspective lets one see."""
    paint, coming, roof = pick(PAINTS, rng), rng.random() < 0.5, rng.uniform(1.42, 1.66)
    body = ((-0.9, 0.28), (-0.93, 0.78), (-0.8, 0.98), (0.8, 0.98), (0.93, 0.78), (0.9, 0.28))
    cabin = ((-0.8, 0.95), (-0.6, roof), (0.6, roof), (0.8, 0.95))
    s.extrude(np.array(body) * (0.94, 0.6), 4.0, BLACK)
    s.extrude(body, 4.1, shaded(paint, 0.72))
    s.extrude(cabin, 3.6, GLASS, start=0.9)
    roof_front, roof_rear = s.recede(cabin[1:3], 0.9), s.recede(cabin[1:3], 3.6)
    s.polygon([*roof_front, *roof_rear[::-1]], paint)
    paint_flank_wheels(s, 0.9, 0.33, (0.75, 3.2))
    paint_tyres(s, 0.72, 0.14, 0.45)
    s.polygon(body, paint)
    s.polygon([(-0.8, 0.97), (0.8, 0.97), *roof_front[::-1]], shaded(paint, 0.9))
    glass = [(-0.68, 0.99), (0.68, 0.99), *(roof_front[::-1] * (0.88, 0.96))]
    s.polygon(glass, WINDSCREEN if coming else GLASS)
    s.rectangle(-0.88, 0.28, 0.88, 0.42, shaded(paint, 0.5))
    s.rectangle(-0.24, 0.36, 0.24, 0.5, WHITE)
    if coming:
        s.rectangle(-0.42, 0.56, 0.42, 0.74, TYRE)
    paint_end_lamps(s, 0.7, 0.7, 0.15, coming)


def paint_truck_side(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a lorry that drives to the right: a tank, timber or, most often, a box behind its cab."""
    paint, load = pick(PAINTS, rng), pick(PAINTS, rng)
    s.rectangle(-3.3, 0.45, 3.1, 0.75, BLACK)
    (paint_tank, paint_timber, paint_box, paint_box)[rng.integers(4)](s, load, rng)
    s.polygon(((1.62, 0.5), (1.62, 2.55), (2.75, 2.6), (3.3, 1.6), (3.35, 0.4), (1.7, 0.4)), paint)
    s.polygon(((2.05, 1.55), (2.05, 2.35), (2.68, 2.38), (3.08, 1.55)), GLASS)
    s.rectangle(1.66, 0.4, 3.34, 0.62, shaded(paint, 0.55))
    paint_wheels(s, 0.48, (-2.55, -1.6, 2.4))
    s.lamp(3.26, 0.82, 0.13, (255, 244, 200), glow=0.6)
    s.lamp(-3.34, 0.68, 0.1, RED)


def paint_tank(s: Sprite, load: Colour, rng: np.random.Generator) -> None:
    """Paint the tank of a lorry seen from the side."""
    s.rectangle(-3.3, 0.85, 1.45, 2.5, shaded(load, 0.85))
    s.ellipse(-3.1, 1.67, 0.3, 0.83, shaded(load, 0.7))
    s.stroke(((-3.1, 1.9), (1.4, 1.9)), 0.16, shaded(load, 1.3))


def paint_timber(s: Sprite, load: Colour, rng: np.random.Generator) -> None:
    """Paint the logs on a lorry seen from the side."""
    s.rectangle(-3.4, 0.72, 1.45, 0.95, shaded(load, 0.7))
    for row, count in enumerate((6, 5, 4)):
        for i in range(count):
            x, y = -2.95 + 0.38 * row + 0.76 * i, 1.33 + 0.6 * row
            s.ellipse(x, y, 0.38, 0.36, (150, 104, 62))
            s.ellipse(x, y, 0.26, 0.24, (206, 164, 108))


def paint_box(s: Sprite, load: Colour, rng: np.random.Generator) -> None:
    """Paint the box of a lorry seen from the side."""
    s.rectangle(-3.4, 0.72, 1.5, 3.05, load)
    s.rectangle(-3.4, 2.9, 1.5, 3.05, shaded(load, 0.75))
    s.rectangle(-3.4, 1.15, 1.5, 1.45, pick(PAINTS, rng))
    s.ellipse(-0.9, 2.15, 0.75, 0.42, pick(PAINTS, rng))


def paint_truck_end(s: Sprite, rng: np.random.Generator) -> None:
    """Paint a lorry that comes or goes, as a tall box with its flank."""
    paint, load, coming = pick(PAINTS, rng), pick(PAINTS, rng), rng.random() < 0.5
    s.extrude(((-1.0, 0.3), (1.0, 0.3), (1.0, 0.8), (-1.0, 0.8)), 6.5, BLACK)
    box = np.array(((-1.2, 0.75), (-1.2, 3.1), (1.2, 3.1), (1.2, 0.75)))
    cab = ((-1.15, 0.4), (-1.15, 1.5), (-1.02, 2.55), (1.02, 2.55), (1.15, 1.5), (1.15, 0.4))
    if coming:
        s.extrude(box, 6.5, shaded(load, 0.72), start=2.0)
        s.polygon(s.recede(box, 2.0), load)
        s.extrude(cab, 1.7, shaded(paint, 0.75))
    else:
        s.extrude(box, 5.5, shaded(load, 0.72))
    paint_flank_wheels(s, 1.1, 0.48, (1.1, 4.6, 5.6))
    paint_tyres(s, 0.92, 0.2, 0.7)
    if coming:
        s.polygon(cab, paint)
        s.polygon(((-1.0, 1.5), (-0.92, 2.35), (0.92, 2.35), (1.0, 1.5)), WINDSCREEN)
        s.rectangle(-0.7, 0.85, 0.7, 1.25, TYRE)
        for x in (-1.3, 1.3):
            s.stroke(((x, 1.5), (x, 2.1)), 0.14, BLACK)
    else:
        s.polygon(box, load)
        s.stroke(((0.0, 0.8), (0.0, 3.05)), 0.06, shaded(load, 0.5))
        s.polygon(box * 0.9 + (0.0, 0.2), shaded(load, 0.88))
        s.stroke(((0.0, 0.95), (0.0, 2.95)), 0.08, shaded(load, 0.5))
    s.rectangle(-1.14, 0.42, 1.14, 0.72, shaded(paint, 0.5))
    paint_end_lamps(s, 0.9, 0.6, 0.16, coming)


def paint_wheels(s: Sprite, radius: float, columns: Sequence[float]) -> None:
    """Paint wheels that stand on the ground, seen from the side."""
    for x in columns:
        s.ellipse(x, radius * 1.05, radius * 1.16, radius * 1.16, BLACK)
        for share, colour in ((1.0, TYRE), (0.58, STEEL), (0.2, TYRE)):
            s.ellipse(x, radius, radius * share, radius * share, colour)


def paint_flank_wheels(s: Sprite, half_width: float, radius: float, depths: Sequence[float]) -> None:
    """Paint the wheels on that flank of a coming or going vehicle which faces the camera."""
    side = half_width if s.vanishing[0] > 0 else -half_width
    for depth in depths:
        near, far = s.recede((side, radius), depth - radius), s.recede((side, radius), depth + radius)
        x, y = (near + far) / 2
        narrowed = abs(near[0] - far[0]) / 2
        s.ellipse(x, y, narrowed, y - s.recede((0.0, 0.0), depth)[1], TYRE)
        s.ellipse(x, y, narrowed * 0.5, radius * 0.45, STEEL)


def paint_tyres(s: Sprite, x: float, half_width: float, height: float) -> None:
    """Paint the two tyres below the end of a vehicle, `x` metres left and right of its middle."""
    for centre in (-x, x):
        s.rectangle(centre - half_width, 0.0, centre + half_width, height, TYRE)


def paint_end_lamps(s: Sprite, x: float, y: float, radius: float, coming: bool) -> None:
    """Paint the headlights of a coming vehicle, the rear lights of a going one."""
    colour, glow = (HEADLIGHT, 0.8) if coming else (RED, 0.35)
    for centre in (-x, x):
        s.lamp(centre, y, radius, colour, glow)


VEHICLES = {  # nearest distance; painter, half width and height in metres from the side, from the end
    "car": (7.5, (paint_car_side, 2.2, 1.6), (paint_car_end, 1.5, 1.6)),
    "truck": (11.0, (paint_truck_side, 3.45, 3.1), (paint_truck_end, 2.2, 3.1)),
}
