"""What every detector does around its network, be it Keras's or an exported artefact's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import grain
import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area, clip_to_image, relative_to_px
from ssd_keras.data.image_headers import read_resized
from ssd_keras.data.images import ImageSource, StoredImage
from ssd_keras.data.loader import THREADS, Size
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError

DetectBatch = Callable[
    [NDArray[np.uint8], Sequence[tuple[int, int]], float, bool],
    list[Detections],
]
"""The method `detect_batch` of a detector: images, sizes of the originals, threshold, fast."""


def detect_photographs(
    detect_batch: DetectBatch,
    image_size: tuple[int, int],
    images: ImageSource | Sequence[ImageSource],
    threshold: float,
    fast: bool,
    batch_size: int,
) -> list[Detections]:
    """Find objects in one image or several, of any size; see `SSD.detect`.

    Args:
        detect_batch: finds objects in images of `image_size`, (height, width).
        image_size: of the network's input.
        images: files, encoded bytes, or (H, W, 3) uint8 RGB pixels.
        threshold: only detections with at least this score.
        fast: the best class of each anchor only.
        batch_size: images that go through the network at once.

    Raises:
        InputError: an image does not decode.
    """
    if isinstance(images, str | bytes | Path | np.ndarray | StoredImage):
        images = [images]
    found: list[Detections] = []
    for batch in detection_batches(images, image_size, max(1, min(batch_size, len(images)))):
        for error in batch.errors.values():
            raise error
        found += detect_batch(batch.images, batch.sizes, threshold, fast)
    return found


class DetectionBatch(NamedTuple):
    """Images on their way to a detector.

    Attributes:
        images: (B, H, W, 3) uint8 at the detector's input size, padded with zeros up to B.
        sizes: (height, width) of the originals, as many as there are images.
        indices: which of the sources they are.
        errors: what was wrong with sources that could not be read, by their index.
    """

    images: NDArray[np.uint8]
    sizes: list[Size]
    indices: list[int]
    errors: dict[int, InputError]


def detection_batches(
    sources: Sequence[ImageSource], image_size: Size, batch_size: int
) -> Iterator[DetectionBatch]:
    """Read images, warp them to `image_size` and batch them, in order, reading ahead in threads.

    Every batch has the same shape, so that the network is compiled once.
    """

    def read(index: int) -> tuple[int, Size, NDArray[np.uint8] | InputError]:
        try:
            size, image = read_resized(sources[index], image_size, f"image {index + 1}")
        except InputError as error:
            return index, (0, 0), error
        return index, size, image

    def collate(rows: Sequence[tuple[int, Size, NDArray[np.uint8] | InputError]]) -> DetectionBatch:
        batch = DetectionBatch(np.zeros((batch_size, *image_size, 3), np.uint8), [], [], {})
        for index, size, image in rows:
            if isinstance(image, InputError):
                batch.errors[index] = image
                continue
            batch.images[len(batch.indices)] = image
            batch.sizes.append(size)
            batch.indices.append(index)
        return batch

    reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=2 * batch_size)
    rows = grain.MapDataset.range(len(sources)).map(read).to_iter_dataset(reading)
    yield from rows.batch(batch_size, batch_fn=collate)


def detections_in_px(
    decoded: Mapping[str, NDArray[np.generic]],
    sizes: Sequence[tuple[int, int]],
    threshold: float,
    class_names: tuple[str, ...],
) -> list[Detections]:
    """Turn what a decoder gives into `Detections`, one an image.

    Boxes are cut off at the edges of the image; what has no area left is dropped, as is the padding, whose
    score is 0.

    Args:
        decoded: "boxes" (B, K, 4) float32 `xyxy`, relative to the image, "scores" (B, K) float32 and
            "labels" (B, K) int32.
        sizes: (height, width) of the original images; images beyond the last of them are padding.
        threshold: only detections with at least this score.
        class_names: of all labels.
    """
    found = []
    for boxes, scores, labels, size in zip(
        decoded["boxes"], decoded["scores"], decoded["labels"], sizes, strict=False
    ):
        inside = clip_to_image(boxes)
        kept = (scores >= max(threshold, np.finfo(np.float32).tiny)) & (box_area(inside) > 0)
        boxes_px = relative_to_px(inside[kept], size)
        found.append(Detections(boxes_px, scores[kept], labels[kept], class_names, size))
    return found
