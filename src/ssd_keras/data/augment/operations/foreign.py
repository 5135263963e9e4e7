"""A user's own function as a step of a chain."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ssd_keras.data.augment.box_map import SAME_PLACE, BoxMap
from ssd_keras.data.augment.operations.base import OperationError, decoded, size_of
from ssd_keras.data.augment.settings import shown
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError

HOW_TO_WRITE = "write it as function(sample) or function(sample, rng), which gives a Sample"

Passing = Literal["alone", "second", "by name"]
"""How the function takes the random numbers: not at all, as its second argument, or as `rng`."""


@dataclass(frozen=True)
class ForeignStep:
    """A function of a sample, or of a sample and random numbers, that gives a sample.

    Attributes:
        function: what the user wrote.

    Raises:
        InputError: it is no function of one or two arguments, or its `partner_count` is no whole number.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if isinstance(self.function, type):
            raise InputError(f"{self.name} is a class, no operation: write {self.function.__name__}(...)")
        if not callable(self.function):
            raise InputError(f"{self.function!r} is no operation: {HOW_TO_WRITE}")
        self._passing()
        if not isinstance(self.partner_count, int) or self.partner_count < 0:
            raise InputError(
                f"{self.name}: partner_count is {shown(self.partner_count)}: say of how many other images it "
                "may add the objects, a whole number"
            )

    @property
    def partner_count(self) -> int:
        """Of how many other images it may add the objects: its attribute of this name, or 1."""
        count: int = getattr(self.function, "partner_count", 1)
        return count

    @property
    def name(self) -> str:
        """What to call the function in a message."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def trace(self, sample: Sample, rng: np.random.Generator) -> tuple[Sample, BoxMap | None]:
        """Apply the function to a sample that is decoded.

        Returns:
            The new sample, decoded, and where its boxes went: what the function's own method `trace` says, or
            nowhere if the image keeps its size, else None.

        Raises:
            OperationError: the function gives no sample with an image and proper boxes, or raises an
                `InputError` of its own.
        """
        try:
            return self._traced(sample, rng)
        except OperationError:
            raise
        except InputError as error:
            raise OperationError(f"after {self.name}: {error}") from error

    def _traced(self, sample: Sample, rng: np.random.Generator) -> tuple[Sample, BoxMap | None]:
        own_trace = getattr(self.function, "trace", None)
        if not callable(own_trace):
            size = size_of(sample)
            given = self._checked(self._call(sample, rng))
            return given, SAME_PLACE if size_of(given) == size else None
        told = own_trace(sample, rng)
        if not isinstance(told, tuple) or len(told) != 2 or not isinstance(told[1], BoxMap):
            raise OperationError(f"{self.name}: trace(sample, rng) must give a Sample and a BoxMap")
        return self._checked(told[0]), told[1]

    def _call(self, sample: Sample, rng: np.random.Generator) -> Any:
        passing = self._passing()
        if passing == "alone":
            return self.function(sample)
        return self.function(sample, rng) if passing == "second" else self.function(sample, rng=rng)

    def _checked(self, given: Any) -> Sample:
        if not isinstance(given, Sample):
            raise OperationError(f"{self.name} gave a {type(given).__name__}, no sample: {HOW_TO_WRITE}")
        boxes = given.ground_truth.boxes_px
        wrong = ~np.isfinite(boxes).all(axis=1) | (boxes[:, :2] > boxes[:, 2:]).any(axis=1)
        if wrong.any():
            raise OperationError(
                f"{self.name} gave the box {[round(float(side), 2) for side in boxes[wrong][0]]}: "
                "give x0, y0, x1, y1 in pixels with x0 <= x1 and y0 <= y1"
            )
        return decoded(given)

    def _passing(self) -> Passing:
        try:
            parameters = list(inspect.signature(self.function).parameters.values())
        except (ValueError, TypeError):  # written in C
            return "alone"
        positional = [
            one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        ]
        required = [one for one in positional if one.default is one.empty]
        takes_any = any(one.kind is one.VAR_POSITIONAL for one in parameters)
        must_be_named = [
            one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty
        ]
        if len(required) > 2 or not (positional or takes_any) or not set(must_be_named) <= {"rng"}:
            raise InputError(f"{self.name} cannot be called as an operation: {HOW_TO_WRITE}")
        if len(required) == 2:
            return "second"
        named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        return "by name" if "rng" in named else "alone"
