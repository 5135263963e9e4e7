"""Charts as SVG drawings can show them: numbers turned into places, ticks and words.

Only geometry: the template of the page draws it, in colours that suit a light and a dark screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Point = tuple[float, float]

MOST_POINTS = 600
"""More points of a line than these are not to be told apart: it is thinned evenly."""

SMALLEST = 1e-12
"""What is smaller counts as 0, which a logarithmic scale cannot show."""

FEW_POINTS = 30
"""So few points are marked with dots."""

NICE_STEPS = (1, 2, 5, 10)
"""Times a power of ten: the distances between the ticks of an axis."""


class Line(NamedTuple):
    """A line by its points: x ascending, all finite; it may have none. `dotted`: few points are marked."""

    label: str
    points: Sequence[Point]
    colour: str
    dotted: bool = True


class Tick(NamedTuple):
    """A mark of an axis: its place in the drawing and its number."""

    place: float
    text: str


class DrawnLine(NamedTuple):
    """A line in the drawing: the `d` of its path, and its dots with what they say."""

    label: str
    colour: str
    path: str
    dots: tuple[tuple[float, float, str], ...]


class DrawnBar(NamedTuple):
    """A bar in the drawing, by its upper left corner and its size, what it says, and if it says little."""

    x: float
    y: float
    width: float
    height: float
    text: str
    pale: bool


@dataclass(frozen=True)
class Frame:
    """The area of a drawing in which the curves lie, all in the units of the drawing."""

    width: float = 320
    height: float = 190
    left: float = 52
    right: float = 312
    top: float = 10
    bottom: float = 166


@dataclass(frozen=True)
class Chart:
    """A drawing of lines or bars.

    Attributes:
        title: what it shows.
        words: the same for those who do not see it.
        x_label: what the horizontal axis counts.
        guide: the path of a dashed line to compare with, or "".
        empty: what stands in the frame where nothing is drawn.
    """

    title: str
    words: str
    frame: Frame
    x_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[DrawnLine, ...] = ()
    bars: tuple[DrawnBar, ...] = ()
    guide: str = ""
    empty: str = "not measured"


@dataclass(frozen=True)
class Scale:
    """From numbers between `low` and `high` to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, number: float) -> float:
        """Give the place of a number, to a hundredth."""
        low, high = self._bent(self.low), self._bent(self.high)
        share = (self._bent(number) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, shown: Callable[[float], str]) -> tuple[Tick, ...]:
        """Give a handful of round numbers with their places."""
        numbers = log_ticks(self.low, self.high) if self.logarithmic else even_ticks(self.low, self.high)
        return tuple(Tick(self(number), shown(number)) for number in numbers)

    def _bent(self, number: float) -> float:
        return math.log(number) if self.logarithmic else number


def even_ticks(low: float, high: float, most: int = 5, whole: bool = False) -> list[float]:
    """Give at most `most` + 1 round numbers between `low` and `high`, evenly apart; `whole`: integers."""
    rough = max((high - low) / most, 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in NICE_STEPS if nice * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Give round numbers between two positive ones: powers of ten, also 2 and 5 times them if few are."""
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    finer = [
        [factor * power for power in powers for factor in factors if low <= factor * power <= high]
        for factors in ((1,), (1, 2, 5))
    ]
    enough = next((ticks for ticks in finer if len(ticks) >= 3), None)
    return enough or even_ticks(low, high)


def line_chart(
    title: str,
    lines: Iterable[Line],
    *,
    x_label: str = "epoch",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    log_scale: bool = False,
    percent: bool = False,
    frame: Frame | None = None,
    words: str = "",
    empty: str = "not measured",
) -> Chart:
    """Lay out lines; without a point it is an empty frame.

    Args:
        title: what they show.
        lines: those to draw.
        x_label: what the horizontal axis counts; epochs have ticks at whole numbers only.
        x_range: of the horizontal axis; by default what the points need.
        y_range: of the vertical axis; by default from 0, or what a logarithmic scale needs.
        log_scale: of the vertical axis; what is not positive is left out.
        percent: whether the vertical axis shows shares.
        frame: the size of the drawing.
        words: what the chart says; by default where its lines begin and end.
        empty: what to say where no line has a point.
    """
    frame = frame or Frame()
    lines = [_thinned(line, log_scale) for line in lines]
    lines = [line for line in lines if line.points]
    logarithmic = log_scale and bool(lines)
    shown = _as_percent if percent else "{:.4g}".format
    x = Scale(*(x_range or _x_range(lines)), frame.left, frame.right)
    y = Scale(*(y_range or _y_range(lines, logarithmic)), frame.bottom, frame.top, logarithmic)
    whole = x_range is None
    return Chart(
        title=title,
        words=words or _in_words(title, lines, x_label, shown, empty),
        frame=frame,
        x_label=x_label,
        x_ticks=tuple(Tick(x(number), f"{number:g}") for number in even_ticks(x.low, x.high, 5, whole)),
        y_ticks=y.ticks(shown),
        lines=tuple(_drawn(line, x, y, x_label, shown) for line in lines),
        empty=empty,
    )


def reliability_chart(title: str, words: str, bins: Iterable[tuple[float, float, float, str, bool]]) -> Chart:
    """Lay out a reliability diagram.

    Args:
        title: what it shows.
        words: what it says.
        bins: lower and upper score of each bin, the share in it that is right, what it says, and whether it
            rests on little.
    """
    frame = Frame()
    x, y = Scale(0, 1, frame.left, frame.right), Scale(0, 1, frame.bottom, frame.top)
    bars = [
        DrawnBar(x(low) + 1, y(share), x(high) - x(low) - 2, frame.bottom - y(share), text, pale)
        for low, high, share, text, pale in bins
    ]
    return Chart(
        title=title,
        words=words,
        frame=frame,
        x_label="score",
        x_ticks=x.ticks("{:g}".format),
        y_ticks=y.ticks("{:.0%}".format),
        bars=tuple(bars),
        guide=f"M{x(0)} {y(0)}L{x(1)} {y(1)}",
    )


def _thinned(line: Line, positive_only: bool) -> Line:
    points = [point for point in line.points if point[1] > SMALLEST or not positive_only]
    step = -(-len(points) // MOST_POINTS) or 1
    # The last point counts: the end of a line is what is read first.
    return line._replace(points=[*points[:-1:step], *points[-1:]])


def _x_range(lines: Sequence[Line]) -> tuple[float, float]:
    places = [x for line in lines for x, _ in line.points] or [1.0]
    low, high = min(places), max(places)
    return (low, high) if high > low else (low - 1, high + 1)


def _y_range(lines: Sequence[Line], logarithmic: bool) -> tuple[float, float]:
    values = [value for line in lines for _, value in line.points]
    if logarithmic:
        return min(values) / 1.1, max(values) * 1.1
    low, high = min([0.0, *values]), max([0.0, *values])
    return low, (high if high - low > SMALLEST else 1.0) * 1.05


def _drawn(line: Line, x: Scale, y: Scale, x_label: str, shown: Callable[[float], str]) -> DrawnLine:
    places = [(x(at), y(value)) for at, value in line.points]
    path = "M" + "L".join(f"{at:g} {value:g}" for at, value in places)
    dots: tuple[tuple[float, float, str], ...] = ()
    if line.dotted and len(places) <= FEW_POINTS:
        dots = tuple(
            (*place, f"{line.label} at {x_label} {at:g}: {shown(value)}")
            for place, (at, value) in zip(places, line.points, strict=True)
        )
    return DrawnLine(line.label, line.colour, path, dots)


def _in_words(
    title: str, lines: Sequence[Line], x_label: str, shown: Callable[[float], str], empty: str
) -> str:
    if not lines:
        return f"{title}: {empty}"
    said = []
    for line in lines:
        values = [value for _, value in line.points]
        name = f"{line.label} " if len(lines) > 1 else ""
        ends = f"from {shown(values[0])} to {shown(values[-1])}"
        said.append(f"{name}{ends} (lowest {shown(min(values))}, highest {shown(max(values))})")
    last = max(at for line in lines for at, _ in line.points)
    return f"{title} up to {x_label} {last:g}: {'; '.join(said)}"


def _as_percent(share: float) -> str:
    return f"{100 * share:.3g} %"
