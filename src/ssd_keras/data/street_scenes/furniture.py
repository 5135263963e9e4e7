"""The painters of what stands at the kerb: traffic lights, and what is no object but may look like one."""

import numpy as np

from ssd_keras.data.street_scenes.colours import (
    AMBER,
    BLACK,
    CLOTHES,
    GREEN,
    LEAVES,
    PAINTS,
    RED,
    STEEL,
    WHITE,
    pick,
    shaded,
)
from ssd_keras.data.street_scenes.people import paint_bicycle
from ssd_keras.data.street_scenes.sprite import Painter, Sprite


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
    match rng.integers(4):
        case 0:
            s.ellipse(0, y, 0.42, 0.42, RED)
            s.ellipse(0, y, 0.3, 0.3, WHITE)
        case 1:
            s.polygon(((-0.48, y - 0.35), (0.48, y - 0.35), (0.0, y + 0.5)), RED)
            s.polygon(((-0.29, y - 0.24), (0.29, y - 0.24), (0.0, y + 0.27)), WHITE)
        case 2:
            s.ellipse(0, y, 0.42, 0.42, (40, 90, 180))
            s.rectangle(-0.25, y - 0.07, 0.25, y + 0.07, WHITE)
        case _:
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


def paint_leaves(
    s: Sprite, rng: np.random.Generator, y: float = 0.55, rise: float = 0.5, spread: float = 0.75
) -> None:
    """Paint a bush, or the crown of a tree around the height `y`, darker below."""
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
    (paint_leaves, 0.9, 1.1),
    (paint_cone, 0.4, 0.8),
    (paint_bench, 1.0, 1.0),
    (paint_kiosk, 1.6, 2.5),
    (paint_billboard, 1.7, 2.9),
)
