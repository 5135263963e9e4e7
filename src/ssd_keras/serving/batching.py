"""Batches across requests: one thread owns the detector and takes what is waiting.

While it computes, images gather; the next batch takes as many of them as the network likes at once. So a lone
request is computed at once and alone, and under load the batches fill up by themselves. Networks are compiled
for each size of a batch: all batches have one of a few sizes, for which the network is compiled at the start.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread
from time import perf_counter
from typing import NamedTuple

import numpy as np

from ssd_keras.detections import Detections
from ssd_keras.runtimes.detector import Detector
from ssd_keras.serving.metrics import Metrics
from ssd_keras.serving.reading import ReadImage

log = logging.getLogger(__name__)

WORTH_FILLING = 0.75
"""A batch is filled up with nothing to the next size if it is that full; else it takes fewer images."""

WEIGHT_OF_NEW = 0.2
"""Of a new batch in the running mean of the seconds an image takes."""


def batch_sizes(largest: int) -> list[int]:
    """Give the sizes that batches have, ascending: powers of four, and the largest.

    Each size takes seconds to compile at the start, and a few images are as fast in several small batches.
    """
    powers = (largest.bit_length() + 1) // 2
    return sorted({*(size for size in (4**power for power in range(powers)) if size < largest), largest})


def fitting_size(waiting: int, sizes: Sequence[int]) -> int:
    """Give the size of the next batch where so many images (at least 1) are waiting; `sizes` ascend."""
    above = next((size for size in sizes if size >= waiting), sizes[-1])
    if waiting >= WORTH_FILLING * above:
        return above
    return max(size for size in sizes if size <= waiting)


class _Waiting(NamedTuple):
    """An image in the queue."""

    image: ReadImage
    threshold: float
    since: float
    found: Future[Detections]


class Batcher:
    """The queue before a detector, and the thread that computes.

    Args:
        detector: only the thread calls it, from its warm-up on.
        max_batch: images for the network at once.
        max_wait: seconds that a batch which is not full waits for images that are `expected`.
        metrics: where batches are counted.
        expected: how many images are about to come, such as those that are being decoded.

    Attributes:
        failure: with which the warm-up ended, or None.
    """

    def __init__(
        self,
        detector: Detector,
        max_batch: int,
        max_wait: float,
        metrics: Metrics,
        expected: Callable[[], int] = lambda: 0,
    ) -> None:
        self.failure: Exception | None = None
        self._detector = detector
        self._sizes = batch_sizes(max_batch)
        self._max_wait = max_wait
        self._metrics = metrics
        self._expected = expected
        self._waiting: deque[_Waiting] = deque()
        self._changed = Condition()
        self._stopping = False
        self._seconds_per_image = 0.0
        self._thread = Thread(target=self._work, name="detector", daemon=True)
        self._warm: Future[None] = Future()

    @property
    def is_ready(self) -> bool:
        """Whether the network is warm."""
        return self._warm.done() and self.failure is None

    @property
    def waiting(self) -> int:
        """Images in the queue."""
        return len(self._waiting)

    @property
    def seconds_per_image(self) -> float:
        """What an image of the last batches took."""
        return self._seconds_per_image

    def start(self) -> Future[None]:
        """Start the thread; the future is done when the network is warm, or has the error of the warm-up."""
        self._thread.start()
        return self._warm

    def submit(self, image: ReadImage, threshold: float) -> Future[Detections]:
        """Queue an image; what is cancelled before its batch starts is not computed.

        The future has the error where the detector failed with the batch. Images that come after `stop` are
        computed as long as the thread is still busy with those before them, so nobody should send any.
        """
        found: Future[Detections] = Future()
        with self._changed:
            self._waiting.append(_Waiting(image, threshold, perf_counter(), found))
            self._changed.notify()
        return found

    def stop(self, seconds: float | None = None) -> bool:
        """Let the thread finish what is queued and end; tell whether it has ended within `seconds`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    # The thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._warm_up()
        except Exception as error:
            self.failure = error
            self._warm.set_exception(error)
            return
        self._warm.set_result(None)
        while batch := self._next_batch():
            self._detect(batch)

    def _warm_up(self) -> None:
        """Run batches of all sizes, which compiles the network for them, and one more to time it."""
        for size in (*self._sizes, self._sizes[-1]):
            images = np.zeros((size, *self._detector.image_size, 3), np.uint8)
            started = perf_counter()
            self._detector.detect_batch(images, [self._detector.image_size] * size)
            self._seconds_per_image = (perf_counter() - started) / size

    def _next_batch(self) -> list[_Waiting]:
        """Wait for images and take a batch of them from the queue; none: it is time to end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                self._changed.wait_for(self._is_worth_starting, self._max_wait)
                taken = self._take()
                if taken or (self._stopping and not self._waiting):
                    return taken

    def _is_worth_starting(self) -> bool:
        return self._stopping or len(self._waiting) >= self._sizes[-1] or not self._expected()

    def _take(self) -> list[_Waiting]:
        alive = deque(one for one in self._waiting if not one.found.cancelled())
        self._waiting = alive
        count = min(len(alive), fitting_size(len(alive), self._sizes)) if alive else 0
        taken = [alive.popleft() for _ in range(count)]
        return [one for one in taken if one.found.set_running_or_notify_cancel()]

    def _detect(self, batch: Sequence[_Waiting]) -> None:
        started = perf_counter()
        for one in batch:
            self._metrics.spent("waiting", started - one.since)
        try:
            found = self._found(batch)
        except Exception as error:
            log.exception("the detector failed with a batch of %d", len(batch))
            for one in batch:
                one.found.set_exception(error)
            return
        seconds = perf_counter() - started
        self._seconds_per_image += WEIGHT_OF_NEW * (seconds / len(batch) - self._seconds_per_image)
        self._metrics.batch(len(batch), seconds)
        for one, detections in zip(batch, found, strict=True):
            one.found.set_result(detections)

    def _found(self, batch: Sequence[_Waiting]) -> list[Detections]:
        """Detect at the lowest threshold of a batch, and give each image what is above its own."""
        size = next(size for size in self._sizes if size >= len(batch))
        pixels = np.zeros((size, *self._detector.image_size, 3), np.uint8)
        pixels[: len(batch)] = [one.image.pixels for one in batch]
        lowest = min(one.threshold for one in batch)
        found = self._detector.detect_batch(pixels, [one.image.size for one in batch], lowest)
        return [detections.above(one.threshold) for one, detections in zip(batch, found, strict=True)]
