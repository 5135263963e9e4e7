"""What a look at the val split says about a trained detector, laid out as the report shows it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ssd_keras.data.samples import Split
from ssd_keras.detections import Detections
from ssd_keras.evaluation.analysis import Analysis
from ssd_keras.evaluation.curves import ClassCurve
from ssd_keras.evaluation.object_size import AREAS
from ssd_keras.evaluation.protocols import Protocol
from ssd_keras.evaluation.thresholds import BestThreshold
from ssd_keras.inference.drawing import class_colour
from ssd_keras.inference.scoring import Result, analyse_split, check_split, detect_split, score
from ssd_keras.training.charts import Chart, Frame, Line, line_chart, reliability_chart

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD

MOST_IMAGES = 2000
"""Of a larger split only so many images are looked at: a report is not to take as long as the training."""

SHOWN_MISTAKES = 12
"""So many pairs of classes that are mistaken for each other are listed, where the classes are many."""

FEW_DETECTIONS = 10
"""The share that is right among fewer detections than these says little."""

SMALL_FRAME = Frame(width=200, height=140, left=36, right=194, top=8, bottom=118)

MEANINGS = {
    "class": "the box is right, the class is not",
    "place": "the class is right, the box is too far off",
    "class and place": "near an object, but neither class nor box is right",
    "duplicate": "the object was found already",
    "background": "nothing is there",
    "missed": "objects that nothing was found for",
}
"""What the kinds of errors mean, in the order of the report."""

SIZES = {
    name: f"{math.sqrt(low):.0f} × {math.sqrt(low):.0f} pixels and more"
    if math.isinf(high)
    else f"up to {math.sqrt(high):.0f} × {math.sqrt(high):.0f} pixels"
    for name, (low, high) in AREAS.items()
}
"""What COCO calls small, medium and large."""


@dataclass(frozen=True, eq=False)
class Findings:
    """A detector on (the first images of) a split.

    Attributes:
        split: the images that were looked at.
        images: how many the whole split has.
        detections: what was found in each of them.
        result: the score by the protocol of the run; None where there is no object to be found.
        analysis: where the detector errs, with the score threshold at which it does best over all classes:
            a detector that is not sure of anything yet would else seem to find nothing.
    """

    split: Split
    images: int
    detections: list[Detections]
    result: Result | None
    analysis: Analysis

    @property
    def objects(self) -> int:
        """How many objects there are to be found."""
        return sum(curve.positives for curve in self.analysis.curves)


def look_at_split(model: SSD, split: Split, protocol: Protocol) -> Findings:
    """Run the detector over the first `MOST_IMAGES` of a split and judge what it finds.

    Raises:
        InputError: there is no image, or one cannot be read.
    """
    check_split(split)
    seen = split[:MOST_IMAGES]
    found = detect_split(model, seen)
    analysis = analyse_split(found, seen, protocol)
    best = analysis.thresholds.overall.threshold
    if not math.isnan(best):
        analysis = analyse_split(found, seen, protocol, score_threshold=best)
    has_objects = any(curve.positives for curve in analysis.curves)
    result = score(found, seen, protocol) if has_objects else None
    return Findings(seen, len(split), found, result, analysis)


class ClassRow(NamedTuple):
    """A class: its average precision and its best threshold; NaN and None where it has no object."""

    name: str
    colour: str
    objects: int
    ap: float
    best: BestThreshold | None
    curve: Chart | None


def class_rows(found: Findings) -> list[ClassRow]:
    """Give the classes, the one with the highest average precision first, those without objects last."""
    best = found.analysis.thresholds.best
    rows = []
    for label, curve in enumerate(found.analysis.curves):
        threshold = best.get(curve.name)
        if threshold is not None and math.isnan(threshold.threshold):
            threshold = None
        ap = found.result.per_class[curve.name] if found.result else math.nan
        chart = precision_chart(curve, label, threshold) if curve.positives else None
        rows.append(ClassRow(curve.name, css_colour(label), curve.positives, ap, threshold, chart))
    return sorted(rows, key=lambda row: math.inf if math.isnan(row.ap) else -row.ap)


def precision_chart(curve: ClassCurve, label: int, best: BestThreshold | None) -> Chart:
    """Draw precision, made to fall monotonically, over recall; with a dot at the best threshold.

    Without one no object is found at any score, and there is no line.
    """
    heights = curve.as_json()["precision_at_recall_percent"] if best else []
    points = [(percent / 100, precision) for percent, precision in enumerate(heights)]
    lines = [Line("precision", points, css_colour(label), dotted=False)]
    words = f"precision over recall of {curve.name}: average precision {curve.ap:.2f} at this overlap"
    if best is not None:
        at = f"score from {best.threshold:.2f}"
        lines.append(Line(f"best threshold, {at}", [(best.recall, best.precision)], "currentColor"))
        words += f"; best at {at}: precision {best.precision:.2f}, recall {best.recall:.2f}"
    return line_chart(
        curve.name,
        lines,
        x_label="recall",
        x_range=(0, 1),
        y_range=(0, 1),
        frame=SMALL_FRAME,
        words=words,
        empty="nothing found",
    )


class Cell(NamedTuple):
    """An entry of the confusion matrix: how many, which share of its row, and what that means."""

    number: int
    share: float
    right: bool
    text: str


class ConfusionRow(NamedTuple):
    """The objects of one class by what they were found as; the last row: detections where nothing is."""

    name: str
    cells: list[Cell]


def confusion_rows(found: Findings) -> list[ConfusionRow]:
    """Give the confusion matrix, background last, shares relative to the sum of each row."""
    matrix = found.analysis.confusion
    rows = []
    for index, (name, counts) in enumerate(zip(matrix.names, matrix.counts.tolist(), strict=True)):
        total = max(1, sum(counts))
        cells = [
            Cell(number, number / total, index == column, f"{name} found as {matrix.names[column]}: {number}")
            for column, number in enumerate(counts)
        ]
        rows.append(ConfusionRow(name, cells))
    return rows


class Mistake(NamedTuple):
    """Objects of one class that were found as another."""

    name: str
    found_as: str
    number: int
    share: float


def frequent_mistakes(found: Findings) -> list[Mistake]:
    """Give the pairs of classes that are most often mistaken, without background."""
    counts = found.analysis.confusion.counts
    objects = counts.sum(axis=1)
    between = counts[:-1, :-1] * ~np.eye(len(counts) - 1, dtype=bool)
    rows, columns = np.nonzero(between)
    order = np.argsort(-between[rows, columns], kind="stable")[:SHOWN_MISTAKES]
    names = found.analysis.confusion.names
    return [
        Mistake(names[i], names[j], int(counts[i, j]), float(counts[i, j] / objects[i]))
        for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    ]


class ErrorRow(NamedTuple):
    """A kind of error: how often it occurs, in percent of the most frequent one, and what it costs."""

    kind: str
    meaning: str
    number: int
    percent: float
    gain: float


def error_rows(found: Findings) -> list[ErrorRow]:
    """Give the errors by kind."""
    errors = found.analysis.errors
    most = max(1, *errors.total.values())
    return [
        ErrorRow(kind, MEANINGS[kind], number, 100 * number / most, errors.gains[kind])
        for kind, number in errors.total.items()
    ]


class SizeRow(NamedTuple):
    """Objects of one size, and how well they are found; NaN where there is none."""

    name: str
    meaning: str
    objects: int
    score: float


def size_rows(found: Findings) -> list[SizeRow]:
    """Give average precision by the size of the objects."""
    return [SizeRow(one.size, SIZES[one.size], one.objects, one.mAP) for one in found.analysis.sizes]


def calibration_chart(found: Findings) -> Chart:
    """Draw which share of the detections of each score is right."""
    words = "share of the detections that is right, by their score: " + (
        "; ".join(text for *_, text, _ in _bins(found.analysis)) or "there is no detection"
    )
    return reliability_chart("right detections by score", words, _bins(found.analysis))


def _bins(analysis: Analysis) -> Iterator[tuple[float, float, float, str, bool]]:
    """Give lower and upper score of each filled bin, the share that is right, this in words, if few."""
    measured = analysis.calibration
    for index, count in enumerate(measured.count.tolist()):
        if count:
            low, high = measured.edges[index : index + 2].tolist()
            share = float(measured.precision[index])
            text = f"{low:.1f} to {high:.1f}: {share:.0%} of {count} right"
            yield low, high, share, text, count < FEW_DETECTIONS


def css_colour(label: int) -> str:
    """Give the colour in which a class is drawn everywhere, as CSS writes it."""
    return "rgb({}, {}, {})".format(*class_colour(label))


def images_in_words(found: Findings, indices: Sequence[int]) -> list[str]:
    """Say how each of these images was done."""
    counts = found.analysis.images
    numbers = [(counts.found[index], counts.missed[index], counts.wrong[index]) for index in indices]
    return [
        "{} found, {} missed, {} wrong".format(*three) if any(three) else "nothing there, nothing found"
        for three in numbers
    ]
