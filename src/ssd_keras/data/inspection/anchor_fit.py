"""How the boxes of a data set fit the anchors of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.anchors import Anchors
from ssd_keras.boxes.coverage import Coverage, measure_coverage
from ssd_keras.boxes.formats import px_to_relative
from ssd_keras.boxes.size_ranges import SizeRange, coverage_by_size
from ssd_keras.data.checks import image_size
from ssd_keras.data.samples import GroundTruth, Sample


class Network(NamedTuple):
    """What of a detector the boxes are compared with.

    Attributes:
        name: what to call it.
        anchors: their description.
        image_size: (height, width) of its input.
        feature_sizes: (height, width) of each feature map that it predicts from.
    """

    name: str
    anchors: Anchors
    image_size: tuple[int, int]
    feature_sizes: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class AnchorFit:
    """How the boxes of a data set fit the anchors of a network; crowds are left out.

    Attributes:
        model: name of the network.
        boxes: how many were measured.
        coverage: by predictor layer.
        sizes: by the sizes of the boxes; empty without boxes.
    """

    model: str
    boxes: int
    coverage: Coverage
    sizes: tuple[SizeRange, ...]

    def as_json(self) -> dict[str, Any]:
        """Give it as the command line prints it."""
        sizes = [
            {
                "side_px": [round(one.low_px, 1), round(one.high_px, 1)],
                "boxes": one.boxes,
                "covered": one.covered,
                "layers": list(one.layers),
            }
            for one in self.sizes
        ]
        return {"model": self.model, "boxes": self.boxes, **self.coverage.as_json(), "box_sizes_px": sizes}


def fit_of_anchors(network: Network, boxes: NDArray[np.floating]) -> AnchorFit:
    """Measure how `boxes` (N, 4), relative to their images, fit the anchors of a network. N may be 0."""
    coverage = measure_coverage(network.anchors, network.image_size, network.feature_sizes, boxes)
    by_size = coverage_by_size(coverage, network.image_size, boxes)
    return AnchorFit(network.name, len(boxes), coverage, by_size)


def boxes_of(samples: Iterable[Sample]) -> NDArray[np.float64]:
    """Give the boxes (N, 4) of samples but their crowds, relative to the images; only headers are read."""
    chosen = list(samples)
    truths = [sample.ground_truth for sample in chosen]
    return relative_boxes(truths, [image_size(sample.image) for sample in chosen])


def relative_boxes(
    truths: Iterable[GroundTruth], sizes: Iterable[tuple[int, int] | None], crowds: bool = False
) -> NDArray[np.float64]:
    """Give the boxes (N, 4) of images of these (height, width), relative to them; None: left out."""
    boxes = [np.zeros((0, 4))]
    for truth, size in zip(truths, sizes, strict=True):
        if size is not None:
            chosen = truth.boxes_px if crowds else truth.boxes_px[~truth.crowd]
            boxes.append(px_to_relative(chosen.astype(np.float64), size))
    return np.concatenate(boxes)
