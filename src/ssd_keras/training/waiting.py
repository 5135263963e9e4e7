"""How long the training steps wait for their data."""

from __future__ import annotations

import time
from typing import Any

import grain


class TimedBatches(grain.IterDataset):
    """Batches as they come, with a clock that runs while the next one is awaited.

    Attributes:
        seconds: waited since it was last set to 0.
    """

    def __init__(self, batches: grain.IterDataset) -> None:
        super().__init__(batches)
        self.seconds = 0.0

    def __iter__(self) -> _TimedIterator:
        return _TimedIterator(iter(self._parent), self)


class _TimedIterator(grain.DatasetIterator):
    def __init__(self, batches: grain.DatasetIterator, clock: TimedBatches) -> None:
        super().__init__(batches)
        self._clock = clock

    def __next__(self) -> Any:
        started = time.perf_counter()
        try:
            return next(self._parent)
        finally:
            self._clock.seconds += time.perf_counter() - started

    def get_state(self) -> Any:
        return self._parent.get_state()

    def set_state(self, state: Any) -> None:
        self._parent.set_state(state)
