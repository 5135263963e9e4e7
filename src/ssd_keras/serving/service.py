"""From uploads to detections: what every endpoint that detects goes through.

    with service.admitted():                                    # 503: it starts or stops
        async with service.time_limited():                      # 504: all this takes too long
            uploads = ...                                       # read the request
            found = await service.detect(uploads, threshold)    # 400, 413, 429, 500

An image has a place in the queue once all of its bytes are there: whoever sends slowly keeps nobody out.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

from ssd_keras.data.checks import counted, shown_text
from ssd_keras.data.loader import THREADS
from ssd_keras.detections import Detections
from ssd_keras.inference.detecting import usual_batch_size
from ssd_keras.runtimes.detector import Detector
from ssd_keras.serving.batching import Batcher
from ssd_keras.serving.metrics import Metrics
from ssd_keras.serving.reading import ReadImage, Upload, read_upload
from ssd_keras.serving.refusals import FAILED, TOO_LATE, TOO_MANY, UNAVAILABLE, Refusal
from ssd_keras.serving.settings import ServerSettings

LAST_BATCH_SECONDS = 5.0
"""When all is answered, for a batch that nobody waits for any more."""


class DetectionService:
    """A detector for many who ask at the same time.

    Args:
        detector: of any kind.
        settings: limits.
        metrics: where images, batches and seconds are counted.

    Attributes:
        batcher: the queue and the thread that computes.
        taken: images that have a place in the queue and are not answered yet.
        requests: that were taken in and are not answered yet, such as those whose body still comes.
        is_stopping: nothing new is taken in.
    """

    def __init__(self, detector: Detector, settings: ServerSettings, metrics: Metrics) -> None:
        self.detector = detector
        self.settings = settings
        self.metrics = metrics
        self.taken = 0
        self.requests = 0
        self.is_stopping = False
        self._is_abandoned = False
        self._being_read = 0
        self._limits: set[asyncio.Timeout] = set()
        self._readers = ThreadPoolExecutor(THREADS, "read_image")
        self.batcher = Batcher(
            detector,
            settings.max_batch or usual_batch_size(detector),
            settings.max_wait_ms / 1000,
            metrics,
            lambda: self._being_read,
        )
        metrics.watch(lambda: self.batcher.waiting, lambda: self.taken)

    def start(self) -> None:
        """Start to warm the network up."""
        self.batcher.start()

    def check_ready(self) -> None:
        """Raise `Refusal` (503) while the server starts or stops."""
        if self.is_stopping:
            raise Refusal(UNAVAILABLE, "the server is stopping: ask another, or again when it is back")
        if not self.batcher.is_ready:
            raise Refusal(
                UNAVAILABLE, "the server is starting: ask again in a few seconds", {"Retry-After": "5"}
            )

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Take in a request: the server does not end before it is answered. `Refusal` (503) if it cannot."""
        self.check_ready()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @asynccontextmanager
    async def time_limited(self) -> AsyncGenerator[None]:
        """Do what is inside within the time limit; `Refusal` (504, or 503 when the server ends) beyond."""
        try:
            async with asyncio.timeout(0 if self._is_abandoned else self.settings.time_limit) as limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError as error:
            raise self._too_late() from error

    def _too_late(self) -> Refusal:
        if self.is_stopping:
            return Refusal(UNAVAILABLE, "the server stopped before the answer was ready: ask again later")
        return Refusal(
            TOO_LATE,
            f"the request took longer than {self.settings.time_limit:g} s: send fewer or smaller images, or "
            "ask when the server is less busy",
        )

    def abandon(self) -> None:
        """Let all requests that were taken in have their answer now: 503."""
        self._is_abandoned = True
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            limit.reschedule(now)

    def check_places(self, images: int = 1) -> None:
        """Raise `Refusal` (429) where the queue has no places for so many images."""
        if self.taken + images > self.settings.max_queue:
            seconds = self.retry_after()
            raise Refusal(
                TOO_MANY,
                f"the queue is full ({counted(self.taken, 'image')}): ask again in {seconds} s",
                {"Retry-After": str(seconds)},
            )

    async def detect(self, uploads: Sequence[Upload], threshold: float) -> list[Detections]:
        """Find objects in encoded images, in their order; each has a place in the queue meanwhile.

        Raises:
            Refusal: 400 no image or damaged, 413 too many pixels, 429 the queue is full, 500 the detector
                failed.
        """
        self.check_places(len(uploads))
        self.taken += len(uploads)
        try:
            return await self._found(await self._images(uploads), threshold)
        finally:
            self.taken -= len(uploads)

    async def _found(self, images: Sequence[ReadImage], threshold: float) -> list[Detections]:
        waiting = [asyncio.wrap_future(self.batcher.submit(image, threshold)) for image in images]
        try:
            return await asyncio.gather(*waiting)
        except Exception as error:  # the batcher has logged it
            raise Refusal(
                FAILED,
                f"the detector failed ({type(error).__name__}): send the image again; the server's log has "
                "the reason",
            ) from error

    def retry_after(self) -> int:
        """Seconds after which what is taken in will be done, by the speed of the last batches; at least 1."""
        return max(1, math.ceil(self.taken * self.batcher.seconds_per_image))

    async def _images(self, uploads: Sequence[Upload]) -> list[ReadImage]:
        """Decode and resize in threads; the first in order that cannot be read is the error."""
        loop = asyncio.get_running_loop()
        names = [called(upload, index, len(uploads)) for index, upload in enumerate(uploads)]
        self._being_read += len(uploads)
        try:
            reading = [
                loop.run_in_executor(self._readers, self._read, upload, name)
                for upload, name in zip(uploads, names, strict=True)
            ]
            results = await asyncio.gather(*reading, return_exceptions=True)
        finally:
            self._being_read -= len(uploads)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, ReadImage)]

    def _read(self, upload: Upload, name: str) -> ReadImage:
        with self.metrics.timed("reading"):
            return read_upload(upload, name, self.detector.image_size, self.settings.max_image_pixels)

    def close(self) -> None:
        """Let the threads end; what is queued is computed before."""
        self.is_stopping = True
        self.batcher.stop(LAST_BATCH_SECONDS)
        self._readers.shutdown(wait=False, cancel_futures=True)


def called(upload: Upload, index: int, count: int) -> str:
    """What to call an upload in a message: by its number where there are several, and its name."""
    number = f"image {index + 1} of {count}" if count > 1 else "the image"
    return f"{number} ({shown_text(upload.name)})" if upload.name else number
