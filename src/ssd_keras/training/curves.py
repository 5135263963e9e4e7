"""The curves of a run, drawn from its log."""

import csv
import math
from pathlib import Path

from ssd_keras.training.run_folder import RunFolder

LOSSES = {"loss": "total", "confidence_loss": "confidence", "location_loss": "location"}


def draw_curves(folder: RunFolder) -> Path:
    """Draw losses, mAP and learning rate over the epochs of `log.csv` into `curves.png`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    log = read_log(folder.log)
    epochs = log["epoch"]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for column, label in LOSSES.items():
        left.plot(epochs, log[column], label=label)
    left.set(title="loss", xlabel="epoch", yscale="log")
    left.yaxis.set_major_formatter(ScalarFormatter())
    left.yaxis.set_minor_formatter(ScalarFormatter())
    left.tick_params(axis="y", which="both", labelsize="small")
    left.legend(frameon=False, fontsize="small", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    measured = [
        (epoch, score) for epoch, score in zip(epochs, log["val_mAP"], strict=True) if math.isfinite(score)
    ]
    if measured:
        middle.plot(*zip(*measured, strict=True), marker="o", markersize=3)
    else:
        middle.text(0.5, 0.5, "not measured:\nno val split", ha="center", transform=middle.transAxes)
    middle.set(title="mAP on the val split", xlabel="epoch", ylim=(0, 1))
    right.plot(epochs, log["learning_rate"])
    right.set(title="learning rate", xlabel="epoch")
    for axes in (left, middle, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    path = folder.path / "curves.png"
    figure.savefig(path, dpi=120)
    return path


def read_log(path: Path) -> dict[str, list[float]]:
    """Read `log.csv`: the values of each column, NaN where there is none."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [float(row[column] or math.nan) for row in rows] for column in (rows[0] if rows else {})}
