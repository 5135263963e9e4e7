"""From which score on a detection counts, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ssd_keras.classes import label_of
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError


@dataclass(frozen=True)
class Thresholds:
    """The lowest score of a detection that is kept, for each class.

    Attributes:
        default: of every class without one of its own, 0-1.
        class_names: all classes of the detector.
        per_class: those of single classes by their names, 0-1.

    Raises:
        InputError: a class is not known, or a number is not from 0 to 1.
    """

    default: float
    class_names: tuple[str, ...]
    per_class: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.default, f"threshold {self.default}")
        for name, threshold in self.per_class.items():
            label_of(name, self.class_names, f"threshold {threshold}")
            _check(threshold, f"threshold {threshold} of class {name!r}")

    @classmethod
    def parse(cls, default: float, per_class: Sequence[str], class_names: Sequence[str]) -> Thresholds:
        """Understand thresholds as they are written on the command line.

        Args:
            default: of every class that `per_class` does not name, 0-1.
            per_class: one text for each class with a threshold of its own: "car=0.3".
            class_names: all classes of the detector.

        Raises:
            InputError: a text is not like that, names an unknown class or one twice, or a number is not
                from 0 to 1.
        """
        own: dict[str, float] = {}
        for text in per_class:
            name, threshold = _parsed(text, class_names)
            if name in own:
                raise InputError(f"threshold {text!r}: class {name!r} has one already: give each class one")
            own[name] = threshold
        return cls(default, tuple(class_names), own)

    @property
    def lowest(self) -> float:
        """The lowest of all thresholds: with it a detector gives all that `apply` could keep."""
        return min((self.of(name) for name in self.class_names), default=self.default)

    def of(self, class_name: str) -> float:
        """Give the threshold of a class."""
        return self.per_class.get(class_name, self.default)

    def apply(self, detections: Detections) -> Detections:
        """Give only the detections with a score of at least the threshold of their class."""
        # In float32, as the scores are: float32(0.7) is less than 0.7.
        limits = np.array([self.of(name) for name in detections.class_names], np.float32)
        return detections.select(detections.scores >= limits[detections.labels])


def _parsed(text: str, class_names: Sequence[str]) -> tuple[str, float]:
    name, separator, number = text.rpartition("=")  # a name may have an equals sign, a number has none
    if not separator:
        raise InputError(f"threshold {text!r} is no class and number: write it as car=0.3")
    name = name if name in class_names else name.strip()
    label_of(name, class_names, f"threshold {text!r}")
    try:
        threshold = float(number)
    except ValueError as error:
        raise InputError(
            f"threshold {text!r}: {number.strip()!r} is no number: write it as {name}=0.3"
        ) from error
    _check(threshold, f"threshold {text!r}")
    return name, threshold


def _check(threshold: float, where: str) -> None:
    if not 0 <= threshold <= 1:  # written so that NaN fails, too
        raise InputError(f"{where} is not from 0 to 1, as scores are: give a number between them")
