"""What a server counts and measures, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Part = Literal["receiving", "reading", "waiting", "detecting"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128)


class Metrics:
    """The figures of one server, in a registry of its own: several may live in one process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "ssd_requests",
            "Requests by path and status (499: the client was gone).",
            ["path", "status"],
            registry=self.registry,
        )
        self._images = Counter(
            "ssd_images", "Images in which objects were looked for.", registry=self.registry
        )
        self._batches = Histogram(
            "ssd_batch_images", "Images of a batch.", buckets=BATCH_SIZES, registry=self.registry
        )
        self._seconds = Histogram(
            "ssd_seconds",
            "Seconds of receiving a body, reading an image (decoding, resizing), waiting in the queue, "
            "detecting a batch.",
            ["part"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._queue = Gauge("ssd_queue_images", "Images that wait for the network.", registry=self.registry)
        self._taken = Gauge("ssd_taken_images", "Images taken in, not answered yet.", registry=self.registry)

    def watch(self, queued: Callable[[], int], taken: Callable[[], int]) -> None:
        """Ask these for the length of the queue and the images taken in, whenever somebody wants to know."""
        self._queue.set_function(queued)
        self._taken.set_function(taken)

    def request(self, path: str, status: int) -> None:
        """Count a request that was answered."""
        self._requests.labels(path, str(status)).inc()

    def batch(self, images: int, seconds: float) -> None:
        """Count a batch that was computed."""
        self._images.inc(images)
        self._batches.observe(images)
        self.spent("detecting", seconds)

    def spent(self, part: Part, seconds: float) -> None:
        """Add to the seconds of a part."""
        self._seconds.labels(part).observe(seconds)

    @contextmanager
    def timed(self, part: Part) -> Iterator[None]:
        """Add what happens inside to the seconds of a part."""
        started = perf_counter()
        try:
            yield
        finally:
            self.spent(part, perf_counter() - started)

    def text(self) -> bytes:
        """Give all figures in Prometheus's text format."""
        return generate_latest(self.registry)
