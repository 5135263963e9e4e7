"""The log of a run, and which curves are drawn of it: here into `curves.png`, by `report` into its page."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ssd_keras.files import whole_file
from ssd_keras.training.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Log = dict[str, list[float]]
"""The values of each column of `log.csv`, one for each epoch; NaN where nothing was measured."""

COLUMNS = 4

POSITIVES = "positives_per_image"


class Panel(NamedTuple):
    """Curves that are drawn into one diagram over the epochs.

    Attributes:
        title: what they show.
        lines: columns of the log with the name of each line.
        log_scale: whether the values are drawn on a logarithmic scale.
        percent: whether they are shares.
    """

    title: str
    lines: Mapping[str, str]
    log_scale: bool = False
    percent: bool = False


LOSSES = {"loss": "total", "confidence_loss": "confidence", "location_loss": "location"}

PANELS = (
    Panel("loss", LOSSES, log_scale=True),
    Panel("mAP on the val split", {"val_mAP": "mAP"}),
    Panel("learning rate", {"learning_rate": "learning rate"}),
    Panel("gradient norm", {"gradient_norm": "gradient norm"}),
    Panel("matched anchors per image", {POSITIVES: "matched anchors"}),
    Panel("time spent waiting for data", {"waiting": "waiting"}, percent=True),
    Panel("images per second", {"images_per_second": "images/s"}),
)


def read_curves(folder: RunFolder) -> Log:
    """Read the log of a run, with the matched anchors counted by image: the log has those of a batch."""
    log = read_log(folder.log)
    batch_size = folder.recipe.batch_size
    return log | {POSITIVES: [count / batch_size for count in log.get("positives", [])]}


def read_log(path: Path) -> Log:
    """Read `log.csv`: the values of each column, NaN where there is none."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [float(row[column] or math.nan) for row in rows] for column in (rows[0] if rows else {})}


def measured(log: Log, column: str) -> list[tuple[float, float]]:
    """Give epoch and value wherever a column of the log has one; a log without the column has none."""
    pairs = zip(log.get("epoch", []), log.get(column, []), strict=False)
    return [(epoch, value) for epoch, value in pairs if math.isfinite(value)]


def draw_curves(folder: RunFolder) -> Path:
    """Draw all `PANELS` over the epochs of `log.csv` into `curves.png`; `InputError` on a full disk."""
    from matplotlib.figure import Figure

    log = read_curves(folder)
    rows = -(-len(PANELS) // COLUMNS)
    figure = Figure(figsize=(3 * COLUMNS, 2.8 * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS).flat
    for panel, axes in zip(PANELS, grid, strict=False):
        _draw(axes, panel, log)
    for axes in grid[len(PANELS) :]:
        axes.set_axis_off()
    path = folder.path / "curves.png"
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=120)
    return path


def _draw(axes: Axes, panel: Panel, log: Log) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter, ScalarFormatter

    lines = {label: points for column, label in panel.lines.items() if (points := measured(log, column))}
    few: dict[str, Any] = {"marker": "o", "markersize": 3}
    for label, points in lines.items():
        axes.plot(*zip(*points, strict=True), label=label, **(few if len(points) < 30 else {}))
    axes.set_title(panel.title, fontsize="medium")
    if not lines:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
    highest = max((value for points in lines.values() for _, value in points), default=0.0)
    if panel.log_scale and highest > 0:  # no loss at all where there is no object
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(ScalarFormatter())
    else:
        axes.set_ylim(0, 1.05 * highest if highest > 0 else 1)
    if panel.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    if len(lines) > 1:
        axes.legend(frameon=False, fontsize="small")
    axes.tick_params(axis="both", which="both", labelsize="small")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
