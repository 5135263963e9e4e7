"""The colours of the street, (red, green, blue) of 0-255."""

from collections.abc import Sequence

import numpy as np

Colour = tuple[int, int, int]

BLACK, TYRE, STEEL, WHITE = (14, 14, 16), (26, 26, 30), (150, 154, 160), (240, 240, 236)
GLASS, RED, AMBER, GREEN = (52, 70, 88), (232, 42, 34), (250, 176, 30), (40, 214, 110)
WINDSCREEN, HEADLIGHT = (84, 110, 130), (255, 246, 210)
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


def pick(colours: Sequence[Colour], rng: np.random.Generator) -> Colour:
    """Give one of `colours`, slightly altered."""
    r, g, b = colours[int(rng.integers(len(colours)))]
    dr, dg, db = rng.integers(-14, 15, 3).tolist()
    return max(0, min(255, r + dr)), max(0, min(255, g + dg)), max(0, min(255, b + db))


def shaded(colour: Colour, factor: float) -> Colour:
    """Give `colour` darker (`factor` below 1) or brighter."""
    r, g, b = (min(255, int(channel * factor)) for channel in colour)
    return r, g, b
