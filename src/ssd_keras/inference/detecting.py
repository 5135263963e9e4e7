"""Running a detector over many images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ssd_keras.data.images import ImageSource
from ssd_keras.data.loader import detection_batches
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD

BATCH_SIZE = 8


def detect_images(
    model: SSD,
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
