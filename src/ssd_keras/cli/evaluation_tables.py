"""The tables of `ssd evaluate`: average precision by class, COCO's numbers, the errors by kind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from ssd_keras.evaluation.coco import CocoResult

if TYPE_CHECKING:
    from ssd_keras.evaluation.analysis import Analysis
    from ssd_keras.inference.scoring import Result


def result_table(result: Result, analysis: Analysis | None = None) -> Table:
    """Lay out the average precision of each class, and from an analysis its best threshold."""
    if isinstance(result, CocoResult):
        ap = "AP (coco, IoU 0.5 to 0.95)"
    else:
        ap = f"AP ({result.protocol}, IoU {result.iou_threshold:g})"
    table = _table("class", "objects", ap, *(["best threshold", "F1 there"] if analysis else []))
    for name, score in result.per_class.items():
        shown = "none in this split" if math.isnan(score) else f"{score:.4f}"
        table.add_row(name, str(result.objects[name]), shown, *_best(analysis, name))
    table.add_section()
    if isinstance(result, CocoResult):
        for name, value in result.numbers.items():
            table.add_row(name, "", _number(value), style="bold" if name == "AP" else None)
    else:
        table.add_row("mAP", "", f"{result.mAP:.4f}", style="bold")
    return table


def analysis_tables(analysis: Analysis) -> Iterator[Table]:
    """Lay out the errors by kind, how objects of each size are found, and what the parts took."""
    errors = _table(
        f"errors (score from {analysis.score_threshold:g}, IoU {analysis.iou_threshold:g})",
        "how many",
        "mAP lost (all scores)",
    )
    for kind, count in analysis.errors.total.items():
        errors.add_row(kind, str(count), f"{analysis.errors.gains[kind]:.4f}")
    yield errors
    sizes = _table(f"size of the objects (IoU {analysis.iou_threshold:g})", "objects", "mAP")
    for score in analysis.sizes:
        sizes.add_row(score.size, str(score.objects), _number(score.mAP))
    yield sizes
    if analysis.seconds:
        parts = _table("part", "seconds")
        for part, seconds in analysis.seconds.items():
            parts.add_row(part, f"{seconds:.2f}")
        yield parts


def _best(analysis: Analysis | None, name: str) -> list[str]:
    """Give the cells of the best threshold of a class."""
    if analysis is None:
        return []
    best = analysis.thresholds.best.get(name)
    if best is None or math.isnan(best.threshold):
        return ["", ""]
    return [f"{best.threshold:.3f}", f"{best.f1:.4f}"]


def _table(*columns: str) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _number(value: float) -> str:
    return "none in this split" if math.isnan(value) else f"{value:.4f}"
