"""Boxes by their sizes, beside the sizes of the anchors: for which objects a detector has anchors."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ssd_keras.boxes.anchors import Size
from ssd_keras.boxes.coverage import THRESHOLD, Boxes, Coverage
from ssd_keras.boxes.formats import box_area, relative_to_px

RANGES_AN_OCTAVE, SMALLEST_SIDE = 2, 1.0
"""Ranges of sizes of boxes, √2 apart; what is smaller than a pixel is in the first."""


@dataclass(frozen=True)
class SizeRange:
    """The boxes of a range of sizes, and which predictor layers have anchors of such a size.

    Attributes:
        low_px, high_px: of √(width · height) in pixels of the network's input; a box of `high_px` is not in.
        boxes: how many there are.
        covered: how many of them some anchor overlaps by at least 0.5.
        layers: indices of the layers, the finest first.
    """

    low_px: float
    high_px: float
    boxes: int
    covered: int
    layers: tuple[int, ...]


def coverage_by_size(coverage: Coverage, image_size: Size, boxes: Boxes) -> tuple[SizeRange, ...]:
    """Divide `boxes` (N, 4), of which `coverage` was measured, by their sizes, two ranges an octave.

    The ranges reach from the smallest box or anchor to the largest of them; there is none without boxes.
    """
    if not len(boxes):
        return ()
    sides = np.sqrt(box_area(relative_to_px(boxes.astype(np.float64), image_size)))
    ends = [side for layer in coverage.layers for side in layer.sides_px]
    smallest, largest = max(min(*ends, sides.min()), SMALLEST_SIDE), max(*ends, sides.max())
    first = int(np.floor(np.log2(smallest) * RANGES_AN_OCTAVE))
    last = int(np.floor(np.log2(largest) * RANGES_AN_OCTAVE))
    edges = np.exp2(np.arange(first, last + 2) / RANGES_AN_OCTAVE)
    place = np.digitize(sides, edges[1:-1])
    in_all = np.bincount(place, minlength=len(edges) - 1).tolist()
    covered = np.bincount(place[coverage.overlaps >= THRESHOLD], minlength=len(edges) - 1).tolist()
    return tuple(
        SizeRange(float(low), float(high), in_all[at], covered[at], _layers_between(coverage, low, high))
        for at, (low, high) in enumerate(itertools.pairwise(edges))
    )


def _layers_between(coverage: Coverage, low: float, high: float) -> tuple[int, ...]:
    sides = [layer.sides_px for layer in coverage.layers]
    return tuple(at for at, (smallest, largest) in enumerate(sides) if smallest < high and largest >= low)
