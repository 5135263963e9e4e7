"""What the parts of an evaluation take: reading, network, decoding, matching."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class PartTimes:
    """Seconds by part.

    Attributes:
        seconds: "reading" is the time spent waiting for images, which are read ahead meanwhile; "compiling"
            what the first batch takes longer than the others; "network" and "decoding" are one, "network",
            for detectors that do both at once; "matching" is the comparison with the ground truth.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Add what happens inside to a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._add(part, time.perf_counter() - started)

    @contextmanager
    def of_detecting(self, model: Any) -> Iterator[None]:
        """Add what happens inside to the parts of detecting, by the calls of `model`'s methods."""
        network: list[float] = []
        detecting: list[float] = []
        started = time.perf_counter()
        with _clocked(model, "detect_batch", detecting), _clocked(model, "predict_on_batch", network):
            yield
        self._add("reading", time.perf_counter() - started - sum(detecting))
        if not network:
            network, detecting = detecting, []
        decoding = [whole - part for whole, part in zip(detecting, network, strict=False)]
        for part, calls in (("network", network), ("decoding", decoding)):
            if calls:
                usual = statistics.median(calls[1:] or calls)
                compiling = max(0.0, calls[0] - usual)
                self._add("compiling", compiling)
                self._add(part, sum(calls) - compiling)

    def _add(self, part: str, seconds: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds


@contextmanager
def _clocked(owner: Any, method: str, calls: list[float]) -> Iterator[None]:
    """Write down what each call of a method takes, where the object has it."""
    original: Callable[..., Any] | None = getattr(owner, method, None)
    if original is None:
        yield
        return

    def clocked(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = original(*arguments, **named)
        calls.append(time.perf_counter() - started)
        return result

    setattr(owner, method, clocked)
    try:
        yield
    finally:
        delattr(owner, method)
