"""How well anchors cover the boxes of a data set, and sizes and shapes that cover them better.

An object is learned well where some anchor overlaps it by half or more: that is what matching asks for (the
paper's section 2.2). Whether that is so depends on nothing but the boxes and the anchors.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.anchors import Anchors, PaperAnchors, ScaledAnchors, Size
from ssd_keras.boxes.iou import pairwise_iou

THRESHOLD = 0.5
"""IoU from which an anchor is matched with an object."""

BOXES_AT_ONCE = 64
FITTED_BOXES, FINALISTS = 600, 24
"""So many boxes are looked at while searching, and so many candidates are measured with all anchors."""

MEASURED_ON_ALL = 6
"""So many of the best candidates are measured on all boxes until one is good."""

RISES = (1.15, 1.35, 1.6, 2.0)
LEAST_RISE = 1.1
"""Factor from a predictor layer's size to the next one's, at least."""

WORTHWHILE = 0.01
"""Gain of covered share and mean IoU together from which a change is suggested."""

Boxes = NDArray[np.floating]


@dataclass(frozen=True)
class LayerCoverage:
    """What the anchors of one predictor layer cover.

    Attributes:
        feature_size: (height, width) of its feature map.
        anchors: how many there are.
        sides_px: smallest and largest √(width · height) of its anchors, in pixels of the network's input.
        boxes: how many boxes have their best anchor, by IoU, in this layer.
        covered: how many of them it overlaps by at least 0.5.
    """

    feature_size: Size
    anchors: int
    sides_px: tuple[float, float]
    boxes: int
    covered: int


@dataclass(frozen=True)
class Coverage:
    """What all anchors of a detector cover.

    Attributes:
        layers: one per predictor layer.
        overlaps: (N,) the IoU of each box with its best anchor.
    """

    layers: tuple[LayerCoverage, ...]
    overlaps: NDArray[np.float64]

    @property
    def share(self) -> float:
        """The share of the boxes, 0-1, that some anchor overlaps by at least 0.5; 0 without boxes."""
        return float((self.overlaps >= THRESHOLD).mean()) if len(self.overlaps) else 0.0

    @property
    def mean_overlap(self) -> float:
        """The mean IoU of boxes and their best anchors; 0 without boxes."""
        return float(self.overlaps.mean()) if len(self.overlaps) else 0.0

    def gain_over(self, other: Coverage) -> tuple[float, float]:
        """Give by how much `share` and `mean_overlap` are above those of another."""
        return self.share - other.share, self.mean_overlap - other.mean_overlap

    def as_json(self) -> dict[str, Any]:
        """Give it as the command line prints it."""
        return {
            "covered": round(self.share, 4),
            "mean_best_iou": round(self.mean_overlap, 4),
            "layers": [
                {
                    "feature_size": list(layer.feature_size),
                    "anchors": layer.anchors,
                    "sides_px": [round(side, 1) for side in layer.sides_px],
                    "boxes": layer.boxes,
                    "covered": layer.covered,
                }
                for layer in self.layers
            ],
        }


def measure_coverage(
    anchors: Anchors, image_size: Size, feature_sizes: Sequence[Size], boxes: Boxes
) -> Coverage:
    """Measure how well anchors cover `boxes` (N, 4), `xyxy` relative to the image. N may be 0.

    `image_size` and `feature_sizes` are those of the network, as in `Anchors.boxes`.
    """
    per_layer = anchors.per_layer(image_size, feature_sizes)
    best = np.stack([_best_overlaps(layer, boxes) for layer in per_layer])  # (layers, N)
    overlaps, layer_of = best.max(axis=0), best.argmax(axis=0)
    sides = [np.sqrt(shapes.prod(axis=1)) for shapes in anchors.cell_shapes(image_size)]
    layers = tuple(
        LayerCoverage(
            feature_size,
            len(per_layer[layer]),
            (float(sides[layer].min()), float(sides[layer].max())),
            int((layer_of == layer).sum()),
            int(((layer_of == layer) & (overlaps >= THRESHOLD)).sum()),
        )
        for layer, feature_size in enumerate(feature_sizes)
    )
    return Coverage(layers, overlaps)


def suggest_anchors(
    anchors: Anchors, image_size: Size, feature_sizes: Sequence[Size], boxes: Boxes, seed: int = 0
) -> Anchors:
    """Look for sizes and aspect ratios that cover `boxes` (N, 4) better than those of `anchors`.

    No more boxes stand at each cell than before. Sizes between quantiles of those of the boxes are tried,
    spaced evenly or by a constant factor, and multiples of those of `anchors`, none larger than the image;
    aspect ratios as usual, and quantiles of those of the boxes. Sizes rise from layer to layer by a tenth at
    least: a layer for boxes of a size that another has already would learn little. Candidates whose shapes
    fit best are then measured in their places, on up to 600 boxes, and the best of them on all.

    Returns:
        The best by the sum of covered share and mean IoU, or `anchors` where none gains at least 0.01 without
        covering fewer boxes.
    """
    if not len(boxes):
        return anchors
    chosen = np.random.default_rng(seed).permutation(len(boxes))[:FITTED_BOXES]
    fitted = boxes[chosen]
    height, width = image_size
    shapes = (fitted[:, 2:] - fitted[:, :2]) * np.array([width, height])

    def shape_fit(candidate: Anchors) -> float:
        overlaps = _shape_overlaps(np.concatenate(candidate.cell_shapes(image_size)), shapes)
        return _score(overlaps)

    def measured(candidate: Anchors, boxes: Boxes) -> Coverage:
        return measure_coverage(candidate, image_size, feature_sizes, boxes)

    largest = max(max(_sizes_of(anchors)), _largest_size(anchors, image_size))
    candidates = [
        one
        for one in _candidates(anchors, image_size, shapes)
        if _sizes_rise(one) and max(_sizes_of(one)) <= largest
    ]
    finalists = sorted(candidates, key=shape_fit, reverse=True)[:FINALISTS]
    finalists.sort(key=lambda candidate: _score(measured(candidate, fitted).overlaps), reverse=True)
    present = measured(anchors, boxes)
    for candidate in finalists[:MEASURED_ON_ALL]:
        found = measured(candidate, boxes)
        if found.share >= present.share and _score(found.overlaps) >= _score(present.overlaps) + WORTHWHILE:
            return candidate
    return anchors


def changed_settings(old: Anchors, new: Anchors) -> dict[str, Any]:
    """Give what differs between two descriptions of one kind, by the names of their fields."""
    fields = (field.name for field in dataclasses.fields(old))
    return {name: getattr(new, name) for name in fields if getattr(old, name) != getattr(new, name)}


def _score(overlaps: NDArray[np.float64]) -> float:
    """What is to be as large as possible: the share of covered boxes, and how well they are covered."""
    return float((overlaps >= THRESHOLD).mean() + overlaps.mean())


def _best_overlaps(anchors: Boxes, boxes: Boxes) -> NDArray[np.float64]:
    """The IoU (N,) of each box with the best of `anchors`, in pieces, so that memory stays bounded."""
    pieces = [boxes[at : at + BOXES_AT_ONCE] for at in range(0, len(boxes), BOXES_AT_ONCE)]
    best = [pairwise_iou(piece.astype(np.float64), anchors).max(axis=1) for piece in pieces]
    return np.concatenate([np.zeros(0), *best])


def _shape_overlaps(anchor_shapes: Boxes, shapes: Boxes) -> NDArray[np.float64]:
    """The IoU (N,) of each shape (N, 2) with the best anchor of one cell, centre on centre."""
    together = [np.concatenate([-half, half], axis=1) for half in (anchor_shapes / 2, shapes / 2)]
    best: NDArray[np.float64] = pairwise_iou(together[1], together[0]).max(axis=1)
    return best


def _candidates(anchors: Anchors, image_size: Size, shapes: Boxes) -> Iterator[Anchors]:
    sides = np.sqrt(shapes.prod(axis=1))
    old_sizes = np.array(_sizes_of(anchors))
    unit = min(image_size) / _largest_size(anchors, image_size)
    for factor in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5):
        yield from _with_sizes(anchors, old_sizes * factor, shapes)
    lows, highs = np.quantile(sides, (0.01, 0.05, 0.15, 0.3)), np.quantile(sides, (0.7, 0.9, 0.97, 1.0))
    for low, high in itertools.product(np.unique(lows), np.unique(highs)):
        for space in (np.linspace, np.geomspace):
            yield from _with_sizes(anchors, space(low, high, len(old_sizes)) / unit, shapes)
    for low, rise in itertools.product(np.unique(lows), RISES):  # where all boxes are of about one size
        yield from _with_sizes(anchors, low * rise ** np.arange(len(old_sizes)) / unit, shapes)


def _sizes_of(anchors: Anchors) -> tuple[float, ...]:
    return anchors.min_sizes if isinstance(anchors, PaperAnchors) else anchors.scales


def _largest_size(anchors: Anchors, image_size: Size) -> float:
    """The size of the whole image, in the unit of `_sizes_of`."""
    return min(image_size) if isinstance(anchors, PaperAnchors) else 1.0


def _sizes_rise(anchors: Anchors) -> bool:
    return all(later >= LEAST_RISE * size for size, later in itertools.pairwise(_sizes_of(anchors)))


def _with_sizes(anchors: Anchors, sizes: Boxes, shapes: Boxes) -> Iterator[Anchors]:
    if isinstance(anchors, PaperAnchors):
        yield from _paper_candidates(anchors, sizes, shapes)
    else:
        yield from _scaled_candidates(anchors, sizes, shapes)


def _paper_candidates(anchors: PaperAnchors, sizes: Boxes, shapes: Boxes) -> Iterator[PaperAnchors]:
    """Descriptions with these sizes; the aspect ratios stand for themselves and their reciprocals."""
    low = _rounded(sizes)
    high = (*low[1:], low[-1] * low[-1] / low[-2] if len(low) > 1 else low[-1])
    ratios = np.maximum(shapes[:, 0] / shapes[:, 1], shapes[:, 1] / shapes[:, 0])
    pairs = {
        (2.0, 3.0),
        (1.5, 2.5),
        _rounded(np.quantile(ratios, (0.5, 0.9))),
        _rounded(np.quantile(ratios, (0.4, 0.75))),
    }
    for pair in pairs:
        if any(ratio < 1.1 for ratio in pair) or pair[0] == pair[1]:
            continue
        yield dataclasses.replace(
            anchors,
            min_sizes=low,
            max_sizes=tuple(
                None if old is None else round(size, 2)
                for old, size in zip(anchors.max_sizes, high, strict=True)
            ),
            aspect_ratios=tuple(pair[: len(layer)] for layer in anchors.layer_ratios),
        )


def _scaled_candidates(anchors: ScaledAnchors, scales: Boxes, shapes: Boxes) -> Iterator[ScaledAnchors]:
    """Descriptions with these scales, also with other ratios where all layers have as many, 1 among them."""
    numbers = {len(layer) for layer in anchors.layer_ratios}
    yield dataclasses.replace(anchors, scales=_rounded(scales, 4))
    if len(numbers) != 1 or any(1 not in layer for layer in anchors.layer_ratios):
        return
    others = numbers.pop() - 1
    if others:
        found = np.quantile(shapes[:, 0] / shapes[:, 1], (np.arange(others) + 0.5) / others)
        ratios = {1.0, *_rounded(found)}
        if len(ratios) == others + 1:
            yield dataclasses.replace(
                anchors, scales=_rounded(scales, 4), aspect_ratios=tuple(sorted(ratios))
            )


def _rounded(values: Boxes, digits: int = 2) -> tuple[float, ...]:
    return tuple(round(float(value), digits) for value in values)
