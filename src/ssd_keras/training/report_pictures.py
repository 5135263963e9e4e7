"""The pictures of the report: the first training batch, and images with ground truth beside detections."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ssd_keras.boxes.formats import px_to_relative, relative_to_px
from ssd_keras.data.images import read_image, resize_image
from ssd_keras.data.loader import Batch
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.drawing import draw_detections, draw_ground_truth
from ssd_keras.training.findings import Findings, images_in_words

BATCH_PICTURES = 16
"""At most so many images of the first batch are shown."""

COMPARED = 6
"""So many of the best and as many of the worst images are shown, at most."""

BATCH_SIDE, COMPARED_SIDE = 360, 480
"""Of the longer side of a picture in the page, in pixels, at most."""

QUALITY = 85


class Picture(NamedTuple):
    """A picture as it stands in the page: its JPEG in base64, and what it shows in words."""

    data: Markup
    words: str
    caption: str


class Comparison(NamedTuple):
    """An image of the val split: what is in it and what was found."""

    name: str
    caption: str
    truth: Picture
    found: Picture


def batch_pictures(batch: Batch, class_names: Sequence[str]) -> list[Picture]:
    """Draw the first images of a training batch with the boxes that are trained on."""
    images, truths = batch
    pictures = []
    for image, boxes, labels in zip(images[:BATCH_PICTURES], truths["boxes"], truths["labels"], strict=False):
        size = _size_within(image.shape[:2], BATCH_SIDE)
        truth = GroundTruth(relative_to_px(boxes[labels >= 0], size), labels[labels >= 0])
        drawn = draw_ground_truth(resize_image(image, size), truth, class_names)
        said = _in_words(truth, class_names)
        pictures.append(Picture(_encoded(drawn), f"training image with {said}", said))
    return pictures


def best_and_worst(found: Findings) -> tuple[list[Comparison], list[Comparison]]:
    """Draw the best images and the worst of those that have errors; none is in both lists."""
    counts = found.analysis.images
    errors = counts.wrong + counts.missed
    worst = [index for index in counts.worst(COMPARED) if errors[index]]
    if len(found.split) < 2 * COMPARED:
        worst = worst[: (len(found.split) + 1) // 2]
    best = [index for index in counts.best(COMPARED + len(worst)) if index not in worst][:COMPARED]
    return _comparisons(found, best), _comparisons(found, worst)


def _comparisons(found: Findings, indices: Sequence[int]) -> list[Comparison]:
    drawn = []
    for index, caption in zip(indices, images_in_words(found, indices), strict=True):
        detections = found.detections[index].above(found.analysis.score_threshold)
        try:
            drawn.append(_compared(found.split[index], detections, caption))
        except InputError:
            continue  # the image was readable a moment ago; a report is not to fail for one picture
    return drawn


def _compared(sample: Sample, detections: Detections, caption: str) -> Comparison:
    image = read_image(sample.image, name=sample.name)
    size, shown = image.shape[:2], _size_within(image.shape[:2], COMPARED_SIDE)
    image = resize_image(image, shown)
    truth = sample.ground_truth
    scaled = GroundTruth(
        _moved(truth.boxes_px, size, shown), truth.labels, truth.difficult, truth.crowd, truth.truncated
    )
    moved = Detections(
        _moved(detections.boxes_px, size, shown),
        detections.scores,
        detections.labels,
        detections.class_names,
        shown,
    )
    left = draw_ground_truth(image, scaled, detections.class_names)
    right = draw_detections(image, moved)
    said = _in_words(truth, detections.class_names)
    return Comparison(
        sample.image_id,
        caption,
        Picture(_encoded(left), f"{sample.image_id}: {said}", "ground truth"),
        Picture(_encoded(right), f"{sample.image_id}, found: {detections.summary()}", "detections"),
    )


def _moved(
    boxes_px: NDArray[np.float32], size: tuple[int, int], new_size: tuple[int, int]
) -> NDArray[np.float32]:
    moved: NDArray[np.float32] = relative_to_px(px_to_relative(boxes_px, size), new_size)
    return moved


def _size_within(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Shrink (height, width) so that the longer one is at most `side`."""
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _in_words(truth: GroundTruth, class_names: Sequence[str]) -> str:
    """Count the objects by class: 2 car, 1 dog."""
    labels, counts = np.unique(truth.labels, return_counts=True)
    said = [f"{count} {class_names[label]}" for label, count in zip(labels, counts, strict=True)]
    return ", ".join(said) or "no object"


def _encoded(image: NDArray[np.uint8]) -> Markup:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return Markup(base64.b64encode(jpeg).decode("ascii"))
