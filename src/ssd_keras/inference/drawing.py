"""Pictures of detections and of ground truth."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ssd_keras.boxes.iou import pairwise_intersection
from ssd_keras.data.checks import shown_text
from ssd_keras.data.images import resize_image
from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.files import whole_file

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

LARGEST_SIDES = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}
"""Pixels of a side that a picture may have in each format; PNG takes whatever can be read."""

GOLDEN_RATIO = 0.618034
"""Steps of this size around the circle of hues keep any number of classes well apart."""


def class_colour(label: int) -> Colour:
    """Give the RGB colour of a class: bright, and far from that of its neighbours."""
    hue = (0.02 + label * GOLDEN_RATIO) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_boxes(
    image: Pixels,
    boxes_px: NDArray[np.float32],
    labels: NDArray[np.int32],
    captions: Sequence[str],
) -> Pixels:
    """Draw boxes (K, 4) with a caption each on a copy of an RGB image; the first lie on top.

    An empty caption is none: nothing stands at such a box.
    """
    drawn = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 320))
    for box, label in reversed(list(zip(boxes_px, labels, strict=True))):
        x0, y0, x1, y1 = (round(float(side)) for side in box)
        cv2.rectangle(drawn, (x0, y0), (x1 - 1, y1 - 1), class_colour(int(label)), thickness, cv2.LINE_AA)
    said = np.array([bool(caption) for caption in captions], bool)
    return _with_captions(drawn, boxes_px[said], labels[said], list(filter(None, captions)))


def draw_detections(image: Pixels, detections: Detections) -> Pixels:
    """Draw detections with class and score on a copy of an RGB image."""
    captions = [f"{found.label} {found.score:.2f}" for found in detections]
    return draw_boxes(image, detections.boxes_px, detections.labels, captions)


def draw_ground_truth(image: Pixels, truth: GroundTruth, class_names: Sequence[str]) -> Pixels:
    """Draw the labelled objects on a copy of an RGB image; a difficult one has a question mark."""
    captions = [
        class_names[label] + (" ?" if difficult else "")
        for label, difficult in zip(truth.labels, truth.difficult, strict=True)
    ]
    return draw_boxes(image, truth.boxes_px, truth.labels, captions)


def draw_comparison(image: Pixels, truth: GroundTruth, detections: Detections) -> Pixels:
    """Draw the ground truth on the left and the detections on the right, each with its heading."""
    left = draw_ground_truth(image, truth, detections.class_names)
    right = draw_detections(image, detections)
    gap = np.full((image.shape[0], 6, 3), 255, np.uint8)
    both = np.concatenate([left, gap, right, gap, gap], axis=1)
    heading = Image.new("RGB", (both.shape[1], 24), "white")
    pen = ImageDraw.Draw(heading)
    pen.text((4, 3), "ground truth", fill="black", font=_font(15))
    pen.text((image.shape[1] + 10, 3), "detections", fill="black", font=_font(15))
    return np.concatenate([np.asarray(heading), both])


def tile_pictures(pictures: Sequence[Pixels], columns: int) -> Pixels:
    """Put pictures of one size side by side on one sheet."""
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    white = np.full_like(pictures[0], 255)
    return np.concatenate(
        [np.concatenate([*row, *[white] * (columns - len(row))], axis=1) for row in rows], axis=0
    )


def save_picture(path: Path, image: Pixels) -> None:
    """Write an RGB image, whole or not at all; the suffix of `path` says in which format.

    Raises:
        InputError: it cannot be written.
    """
    content = encode_picture(path, image)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


def encode_picture(path: Path, image: Pixels) -> bytes:
    """Encode an RGB image as the suffix of `path` says, shrunk where it is too long for the format.

    Raises:
        InputError: the suffix is that of no picture.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"{path} is no name of a picture: let it end in {' or '.join(PICTURE_SUFFIXES)}")
    fitting = _no_longer_than(LARGEST_SIDES.get(path.suffix.lower()), image)
    return cv2.imencode(path.suffix, cv2.cvtColor(fitting, cv2.COLOR_RGB2BGR))[1].tobytes()


def _no_longer_than(side: int | None, image: Pixels) -> Pixels:
    """Shrink an image of which a side is longer; None: any length will do."""
    longest = max(image.shape[:2])
    if side is None or longest <= side:
        return image
    height, width = (max(1, length * side // longest) for length in image.shape[:2])
    return resize_image(image, (height, width))


def _with_captions(
    image: Pixels, boxes_px: NDArray[np.float32], labels: NDArray[np.int32], captions: Sequence[str]
) -> Pixels:
    """Write each caption on its class's colour, at its box; see `_caption_places`."""
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    font = _font(max(10, round(max(image.shape[:2]) / 45)))
    lines = [shown_text(caption) for caption in captions]  # a name may hold what no font can draw
    sizes = [(round(bottom) + 3, round(right) + 4) for _, _, right, bottom in map(font.getbbox, lines)]
    places = _caption_places(boxes_px, sizes, (image.shape[0], image.shape[1]))
    for place, label, caption in reversed(list(zip(places, labels, lines, strict=True))):
        colour = class_colour(int(label))
        x0, y0, x1, y1 = place.tolist()
        pen.rectangle((x0, y0, x1, y1), fill=colour)
        pen.text((x0 + 2, y0 + 1), caption, fill=_readable_on(colour), font=font)
    return np.array(picture)


def _caption_places(
    boxes_px: NDArray[np.float32], sizes: Sequence[tuple[int, int]], image_size: tuple[int, int]
) -> NDArray[np.float32]:
    """Give the place (x0, y0, x1, y1) of each caption of (height, width): (K, 4), in pixels.

    Above the box, or else below it or inside, where it hides no caption before; all hidden, above.
    """
    places = np.zeros((len(sizes), 4), np.float32)
    for number, (box, (height, width)) in enumerate(zip(boxes_px, sizes, strict=True)):
        x = min(max(float(box[0]), 0), max(image_size[1] - width, 0))
        tops = np.array([box[1] - height, box[3], box[1], box[3] - height], np.float32)
        tops = tops[(tops >= 0) & (tops + height <= image_size[0])]
        if not len(tops):
            tops = np.array([max(min(float(box[1]), image_size[0] - height), 0)], np.float32)
        possible = np.stack([np.full_like(tops, x), tops, np.full_like(tops, x + width), tops + height], 1)
        hidden = pairwise_intersection(possible, places[:number]).sum(axis=1)
        places[number] = possible[np.argmax(hidden == 0)]  # the first of them if there is none
    return places


def _readable_on(colour: Colour) -> str:
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib brings a font that knows most alphabets.
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size)
