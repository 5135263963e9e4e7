"""What all figures share: size, colours, how a box is drawn, how a file is written.

Figures are 7 inches wide. On a page of 700 pixels, letters of 8 points are 11 pixels high.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageColor
from street_example import SIDE, scene, sharp_picture

WIDTH, DOTS = 7.0, 180

INK, GREY, PALE = "#1b1f24", "#6b7280", "#c5cad3"
TRUTH = "#1b1f24"
POSITIVE, NEGATIVE, PREDICTED = "#00875a", "#d1480f", "#6a3d9a"
OBJECTS = ("#b8127f", "#0b6fbf", "#00875a", "#d1480f")
"""One colour for each object of the scene."""

SHAPES = {"1": "#0b6fbf", "1'": "#0b6fbf", "2": "#d1480f", "1/2": "#00875a", "3": "#e69f00", "1/3": "#8a5cc2"}
"""One colour for each aspect ratio of anchors; 1' is the second square."""

SHADES = ("#cfbbe5", "#b99dd8", "#a37fc9", "#8c62ba", "#7548a8", "#5c2f92", "#431b72")
"""From nothing to sure."""

LINE_COLOURS = (
    "#ffffff",
    INK,
    GREY,
    PALE,
    POSITIVE,
    NEGATIVE,
    PREDICTED,
    *OBJECTS,
    *SHAPES.values(),
    *SHADES,
)

STREET = (0, SIDE, 212, 68)
"""The part of the scene where the objects are: left, right, bottom, top."""

FONT = {"family": "DejaVu Sans"}


def sheet(height: float, rows: int = 1, columns: int = 1, **grid: Any) -> tuple[Figure, NDArray[Any]]:
    """Make a figure with panels: the figure, and its axes (rows, columns)."""
    figure = Figure((WIDTH, height), dpi=DOTS, facecolor="white", layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid)
    return figure, panels


def heading(axes: Axes, text: str) -> None:
    """Write what a panel shows above it, on the left."""
    axes.set_title(text, loc="left", fontsize=8.5, color=INK, pad=4, **FONT)


def show_scene(axes: Axes, faded: float, view: Sequence[float] = (0, SIDE, SIDE, 0)) -> None:
    """Show the scene, faded towards white so that lines on it stay readable; no ticks."""
    picture = sharp_picture().astype(float)
    light = (picture * (1 - faded) + 255 * faded).astype(np.uint8)
    axes.imshow(light, extent=(0, SIDE, SIDE, 0), interpolation="bilinear", zorder=0)
    left, right, bottom, top = view
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    bare(axes)


def bare(axes: Axes) -> None:
    """Leave out ticks and make the frame thin."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(PALE)
        spine.set_linewidth(0.6)


def draw_box(
    axes: Axes, box: ArrayLike, colour: str, width: float = 1.4, style: str = "-", alpha: float = 1.0
) -> None:
    """Draw a box `xyxy` in pixels; a thick line has a white edge."""
    x0, y0, x1, y1 = np.asarray(box, float)
    edge = [patheffects.withStroke(linewidth=width + 1.4, foreground="white")] if width >= 1.2 else []
    axes.add_patch(
        Rectangle(
            (x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=width, linestyle=style,
            alpha=alpha, path_effects=edge,
        )
    )  # fmt: skip


def note(axes: Axes, x: float, y: float, text: str, colour: str = INK, **more: Any) -> None:
    """Write a few words into a panel, on a white ground."""
    settings = {"fontsize": 7.5, "va": "center", "ha": "left", **FONT, **more}
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
    axes.text(x, y, text, color=colour, bbox=ground, zorder=10, clip_on=True, **settings)


def chart(axes: Axes, x: str, y: str) -> None:
    """Dress a panel as a chart with named axes."""
    axes.set_xlabel(x, fontsize=7.5, color=INK, **FONT)
    axes.set_ylabel(y, fontsize=7.5, color=INK, **FONT)
    axes.tick_params(labelsize=7, colors=GREY, length=2.5, width=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(PALE)
    axes.grid(axis="both", color="#eceef1", linewidth=0.6)
    axes.set_axisbelow(True)


def scene_boxes() -> NDArray[np.float32]:
    """Give the boxes of the scene's objects (M, 4) in pixels."""
    return scene()[1].boxes_px


def save(figure: Figure, path: Path, dots: int = DOTS) -> None:
    """Write a figure as a PNG of 256 colours, among them those of lines and letters."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dots, metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    lines = [ImageColor.getrgb(colour) for colour in LINE_COLOURS]
    common = picture.quantize(256 - len(lines), Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(level for colour in lines for level in colour), *common])
    few = np.array(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    pixels = np.asarray(picture)
    for place, colour in enumerate(lines):  # Pillow looks colours up a little coarsely
        few[(pixels == colour).all(axis=-1)] = place
    exact = Image.fromarray(few, "P")
    exact.putpalette(palette.getpalette() or [])
    exact.save(path, optimize=True)
