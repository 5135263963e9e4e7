"""What every detector does around its network, be it Keras's or an exported artefact's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area, clip_to_image, relative_to_px
from ssd_keras.data.images import ImageSource, StoredImage
from ssd_keras.data.loader import detection_batches
from ssd_keras.detections import Detections

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
