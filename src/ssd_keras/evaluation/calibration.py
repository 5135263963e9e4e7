"""Calibration: whether of the detections with a score of 0.8 eight in ten are right.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks": the reliability diagram and the expected
calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """Reliability by score: the bins have equal widths; an empty one has NaN for score and precision.

    Attributes:
        edges: (bins + 1,) float64, 0 to 1; a score on an edge belongs to the bin above it, and 1 to the last.
        count: (bins,) int, detections in each bin, the ignored ones left out.
        score: (bins,) float64, their mean score.
        precision: (bins,) float64, the share of them that is right.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.intp]
    score: NDArray[np.float64]
    precision: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error, 0-1: how far score and precision lie apart on average; 0 for none."""
        filled = self.count > 0
        gaps = np.abs(self.score - self.precision)[filled]
        return float((self.count[filled] * gaps).sum() / max(1, self.count.sum()))

    def as_json(self) -> dict[str, Any]:
        """Give bins and error; None stands for NaN."""

        def listed(values: NDArray[np.float64]) -> list[float | None]:
            return [None if np.isnan(value) else float(value) for value in values]

        return {
            "expected_calibration_error": self.expected_error,
            "edges": self.edges.tolist(),
            "count": self.count.tolist(),
            "score": listed(self.score),
            "precision": listed(self.precision),
        }


def calibration(scores: NDArray[np.floating], right: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Compare the scores (N,), 0-1, of detections with how often these are right (N,)."""
    place = np.clip((scores.astype(np.float64) * bins).astype(np.intp), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    some = np.where(count > 0, count, np.nan)
    return Calibration(
        edges=np.linspace(0, 1, bins + 1),
        count=count,
        score=np.bincount(place, scores, bins) / some,
        precision=np.bincount(place, right, bins) / some,
    )
