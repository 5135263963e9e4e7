"""Running a detector over many images: those of a list, or a stream that may never end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.detecting import detection_batches
from ssd_keras.data.image_headers import read_resized
from ssd_keras.data.images import ImageSource, loaded, read_image
from ssd_keras.data.loader import THREADS
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.reading_ahead import read_ahead
from ssd_keras.inference.sources.images import SourceImage
from ssd_keras.runtimes.detector import Detector

BATCH_SIZE = 8

GPU_BATCH_SIZE = 32

IMAGES_PER_CORE = 4

MOST_ON_CPU = 16


@dataclass(frozen=True)
class Tiling:
    """How large images are cut: see `tiles.detect_tiled`; `InputError` where that makes no sense."""

    tile: int
    overlap: float = 0.2

    def __post_init__(self) -> None:
        from ssd_keras.inference.tiles import check_tiling

        check_tiling(self.tile, self.overlap)


def usual_batch_size(model: Detector) -> int:
    """Give the number of images for the network at once that suits the machine.

    A GPU wants many. On a CPU four for each core keep all of them busy: on two cores SSD7 (300 × 480) made 40
    images/s with 1, 48 with 4, 51 with 8, 52 with 32; more is only more to wait for.
    """
    cores = os.cpu_count() or 1
    return GPU_BATCH_SIZE if _is_on_gpu(model) else min(IMAGES_PER_CORE * cores, MOST_ON_CPU)


def _is_on_gpu(model: Any) -> bool:
    """Tell by where the weights are, which the tensors of all three backends say; artefacts have none."""
    weights = getattr(model, "weights", None)
    place = str(getattr(weights[0].value, "device", "")).lower() if weights else ""
    return "gpu" in place or "cuda" in place


def detect_images(
    model: Detector,
    sources: Sequence[ImageSource],
    threshold: float = 0.5,
    fast: bool = False,
    batch_size: int = BATCH_SIZE,
) -> Iterator[tuple[int, Detections | InputError]]:
    """Run a detector over images, reading ahead while it computes.

    Args:
        model: the detector.
        sources: files, encoded bytes or pixels.
        threshold: only detections with at least this score.
        fast: the best class of each anchor only.
        batch_size: images that go through the network at once.

    Yields:
        The index of the source with its detections, or with the error where the image cannot be read; not
        always in order within a batch.
    """
    size = min(batch_size, max(1, len(sources)))
    for batch in detection_batches(sources, model.image_size, size):
        yield from batch.errors.items()
        if batch.indices:
            yield from zip(
                batch.indices, model.detect_batch(batch.images, batch.sizes, threshold, fast), strict=True
            )


class _Read(NamedTuple):
    """An image that was read: as it came, its (height, width), and its pixels as the detector takes them."""

    image: SourceImage
    size: tuple[int, int]
    pixels: NDArray[np.uint8]


def detect_stream(
    model: Detector,
    images: Iterable[SourceImage | InputError],
    threshold: float = 0.5,
    fast: bool = False,
    batch_size: int = BATCH_SIZE,
    is_live: bool = False,
    tiling: Tiling | None = None,
) -> Iterator[tuple[SourceImage, Detections] | InputError]:
    """Run a detector over images as they come, in their order; no more than two batches are held.

    Args:
        model: the detector.
        images: the images; an error in place of one is handed on.
        threshold: only detections with at least this score.
        fast: the best class of each anchor only.
        batch_size: images, or tiles of one, that go through the network at once.
        is_live: never wait for an image while another is ready, and never read ahead: what comes is new.
        tiling: cut images into tiles; None: the whole image goes through the network.

    Yields:
        Each image with its detections, or the error where it cannot be read.
    """
    if tiling is not None:
        for whole in _all_read(images, None, is_live, ahead=1):
            if isinstance(whole, InputError):
                yield whole
            else:
                yield _in_tiles(model, whole, tiling, threshold, fast, batch_size)
        return
    waiting: list[_Read | InputError] = []
    ready = 0
    for read in _all_read(images, model.image_size, is_live, ahead=batch_size + THREADS):
        waiting.append(read)
        ready += isinstance(read, _Read)
        if ready == batch_size or not ready:
            yield from _detected(model, waiting, threshold, fast, batch_size)
            waiting, ready = [], 0
    yield from _detected(model, waiting, threshold, fast, batch_size)


def _all_read(
    images: Iterable[SourceImage | InputError], size: tuple[int, int] | None, is_live: bool, ahead: int
) -> Iterator[_Read | InputError]:
    """Read images, in threads and `ahead` of who takes them unless they are live."""
    if is_live:
        yield from (_read(image, size) for image in images)
        return
    pool = ThreadPoolExecutor(THREADS, "read_image")
    try:
        for future in read_ahead((pool.submit(_read, image, size) for image in images), ahead):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read(image: SourceImage | InputError, size: tuple[int, int] | None) -> _Read | InputError:
    """Read an image and warp it to `size`; None: its own. What has to be fetched is fetched only here."""
    if isinstance(image, InputError):
        return image
    try:
        image = image._replace(content=loaded(image.content))
        if size is not None:
            return _Read(image, *read_resized(image.content, size, image.name))
        pixels = read_image(image.content, name=image.name)
    except InputError as error:
        return error
    return _Read(image._replace(pixels=pixels), (pixels.shape[0], pixels.shape[1]), pixels)


def _detected(
    model: Detector, batch: Sequence[_Read | InputError], threshold: float, fast: bool, batch_size: int
) -> Iterator[tuple[SourceImage, Detections] | InputError]:
    """Run the detector over a batch, filled up to `batch_size`, so that the network is compiled once."""
    images = [read for read in batch if isinstance(read, _Read)]
    found: Iterator[Detections] = iter(())
    if images:
        pixels = np.zeros((batch_size, *model.image_size, 3), np.uint8)
        pixels[: len(images)] = [image.pixels for image in images]
        found = iter(model.detect_batch(pixels, [image.size for image in images], threshold, fast))
    for read in batch:
        yield read if isinstance(read, InputError) else (read.image, next(found))


def _in_tiles(
    model: Detector, read: _Read, tiling: Tiling, threshold: float, fast: bool, batch_size: int
) -> tuple[SourceImage, Detections] | InputError:
    from ssd_keras.inference.tiles import check_number, detect_tiled

    try:
        check_number(read.size, tiling.tile, tiling.overlap, model.image_size)
    except InputError as error:  # others may be smaller
        return InputError(f"{read.image.shown_name}: {error}")
    found = detect_tiled(model, read.pixels, tiling.tile, tiling.overlap, threshold, fast, batch_size)
    return read.image, found
