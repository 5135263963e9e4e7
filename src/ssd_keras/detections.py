"""What a detector found in one image: the object everything after the model works with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.errors import InputError


class Detection(NamedTuple):
    """One found object: its class, its score (0-1) and its box (x0, y0, x1, y1) in pixels of the image."""

    label: str
    score: float
    box: tuple[float, float, float, float]

    def __str__(self) -> str:
        x0, y0, x1, y1 = (round(side) for side in self.box)
        return f"{self.label} {self.score:.2f} at ({x0}, {y0})-({x1}, {y1})"


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects found in one image, best score first. K may be 0.

    Attributes:
        boxes_px: (K, 4) float32, x0, y0, x1, y1 in pixels of the original image.
        scores: (K,) float32, 0-1, descending.
        labels: (K,) int32, indices into `class_names`.
        class_names: the names of all classes the detector knows.
        size: (height, width) of the image in pixels.

    Raises:
        ValueError: the shapes do not agree, a score is no number, or a label has no name.
    """

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    class_names: tuple[str, ...]
    size: tuple[int, int]

    def __init__(
        self,
        boxes_px: ArrayLike,
        scores: ArrayLike,
        labels: ArrayLike,
        class_names: tuple[str, ...] | list[str],
        size: tuple[int, int],
    ) -> None:
        boxes = np.asarray(boxes_px, np.float32).reshape(-1, 4)
        score = np.asarray(scores, np.float32).reshape(-1)
        label = np.asarray(labels, np.int32).reshape(-1)
        if not len(boxes) == len(score) == len(label):
            raise ValueError(f"{len(boxes)} boxes, {len(score)} scores and {len(label)} labels: need as many")
        if not np.isfinite(boxes).all() or not np.isfinite(score).all():
            raise ValueError("a box or score is not a finite number")
        if len(label) and (label.min() < 0 or label.max() >= len(class_names)):
            raise ValueError(f"labels {label.min()}..{label.max()} for {len(class_names)} class names")
        order = np.argsort(-score, kind="stable")
        object.__setattr__(self, "boxes_px", boxes[order])
        object.__setattr__(self, "scores", score[order])
        object.__setattr__(self, "labels", label[order])
        object.__setattr__(self, "class_names", tuple(class_names))
        object.__setattr__(self, "size", (int(size[0]), int(size[1])))

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        for box, score, label in zip(self.boxes_px, self.scores, self.labels, strict=True):
            x0, y0, x1, y1 = box.tolist()
            yield Detection(self.class_names[label], float(score), (x0, y0, x1, y1))

    def __str__(self) -> str:
        return "; ".join(map(str, self)) or "nothing found"

    def summary(self) -> str:
        """Say what was found, with the scores and without the places: "2 car (0.98, 0.91), 1 dog (0.77)"."""
        found = []
        for label in dict.fromkeys(self.labels.tolist()):
            scores = self.scores[self.labels == label]
            shown = f"{scores[0]:.2f} to {scores[-1]:.2f}" if len(scores) > 3 else _listed(scores)
            found.append(f"{len(scores)} {self.class_names[label]} ({shown})")
        return ", ".join(found) or "nothing found"

    def counts(self) -> dict[str, int]:
        """Count the objects of each class that was found, in the order of the classes."""
        numbers = np.bincount(self.labels, minlength=len(self.class_names)).tolist()
        return {name: number for name, number in zip(self.class_names, numbers, strict=True) if number}

    def above(self, threshold: float) -> Detections:
        """Give only the detections with a score of at least `threshold`."""
        return self.select(self.scores >= threshold)

    def select(self, kept: NDArray[np.bool_]) -> Detections:
        """Give only the detections where the mask `kept` (K,) is true."""
        return Detections(
            self.boxes_px[kept], self.scores[kept], self.labels[kept], self.class_names, self.size
        )

    def as_json(self) -> list[dict[str, Any]]:
        """Give the detections as the command line prints them: label, score and box.

        Numbers are as short as they can be and still the same float32, so that scores measured from a file
        are those of the model.
        """
        return [
            {"label": d.label, "score": _shortest(d.score), "box": [_shortest(side) for side in d.box]}
            for d in self
        ]

    def to_supervision(self) -> Any:
        """Give them as `supervision.Detections`, for the trackers and annotators of that library.

        Its `xyxy` are `boxes_px`, `confidence` the scores, `class_id` the labels, and `data["class_name"]`
        names the class of each.

        Raises:
            InputError: supervision is not installed.
        """
        try:
            supervision = import_module("supervision")
        except ImportError as error:
            raise InputError(
                f"detections cannot be given to supervision ({error}): pip install supervision"
            ) from error
        names = np.array([self.class_names[label] for label in self.labels], dtype=np.str_)
        return supervision.Detections(
            xyxy=self.boxes_px.copy(),
            confidence=self.scores.copy(),
            class_id=self.labels.astype(np.int_),
            data={"class_name": names},
        )


def _shortest(number: float) -> float:
    """Give the number with the fewest digits that is the same in float32."""
    return float(str(np.float32(number)))


def _listed(scores: NDArray[np.float32]) -> str:
    return ", ".join(f"{score:.2f}" for score in scores)
