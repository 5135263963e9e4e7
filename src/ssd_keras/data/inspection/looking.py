"""Looking at each image of a data set: does it decode, and do its boxes fit it."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ssd_keras.boxes.orientation import TRANSPOSED, upright_boxes
from ssd_keras.data.checks import BOX_ADVICE, check_box, is_cut_short, silent_decoders
from ssd_keras.data.image_headers import JPEG_START, PNG_START, UPRIGHT, encoded_image_size
from ssd_keras.data.images import StoredImage, content_digest, encoded_bytes, loaded, read_image
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, StatedSize
from ssd_keras.errors import InputError

IMAGE_ADVICE = "replace the image, or take it out of the data set"
SIZE_ADVICE = "correct the size, and see whether the boxes fit the image"
TURN_ADVICE = "turn the boxes, or save the image upright"
STORED_FRAME = "is turned by its EXIF orientation, but its stated size and boxes are for the image as stored"

ORIENTATIONS = range(1, 9)


class Look(NamedTuple):
    """What one image showed.

    Attributes:
        size: (height, width) of the image as it is read; None if it cannot be.
        digest: of its content; None if it cannot be read.
        truth: its objects, in the frame of the image as it is read.
        problems: what is wrong with it.
        mended: of these, what is right as soon as the image and its labels are written anew.
        is_rotated: whether its EXIF orientation turns or mirrors it.
    """

    size: tuple[int, int] | None
    digest: bytes | None
    truth: GroundTruth
    problems: list[Problem]
    mended: list[Problem] = []  # noqa: RUF012 - never changed
    is_rotated: bool = False


def key_of(sample: Sample) -> object:
    """What makes two samples the same image: its file or place in a pack, or else the sample itself."""
    return sample.image if isinstance(sample.image, Path | StoredImage) else id(sample)


def distinct_samples(dataset: Dataset) -> dict[object, Sample]:
    """Give each image once, by what tells it apart."""
    samples: dict[object, Sample] = {}
    for split in dataset.values():
        for sample in split:
            samples.setdefault(key_of(sample), sample)
    return samples


def look_at_all(
    samples: Sequence[Sample], on_progress: Callable[[int, int], None] | None = None
) -> list[Look]:
    """Look at images in threads; OpenCV and the digest release the interpreter's lock."""
    looks = []
    with silent_decoders(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for look in pool.map(_look_at, samples):
            looks.append(look)
            if on_progress is not None:
                on_progress(len(looks), len(samples))
    return looks


def _look_at(sample: Sample) -> Look:
    truth = sample.ground_truth
    try:
        data, size = _decode(sample)
    except _UnusableImageError as unusable:
        return Look(None, None, truth, [Problem(sample.name, str(unusable), IMAGE_ADVICE)])
    orientation = _orientation(data)
    mended = []
    stated = sample.stated_size.size if sample.stated_size else size
    if orientation in TRANSPOSED and stated == size[::-1] != size:
        mended = [Problem(sample.name, STORED_FRAME, TURN_ADVICE)]
        truth = dataclasses.replace(truth, boxes_px=upright_boxes(truth.boxes_px, orientation, stated))
    elif sample.stated_size and stated != size:
        mended = [_wrong_size(sample, sample.stated_size, size)]
    problems = [*_boxes_that_do_not_fit(sample.name, truth, size), *_repeated_boxes(sample), *mended]
    return Look(size, content_digest(data), truth, problems, mended, orientation != UPRIGHT)


class _UnusableImageError(Exception):
    """What is wrong with an image, as the end of a sentence that starts with its name."""


def _decode(sample: Sample) -> tuple[bytes, tuple[int, int]]:
    """The bytes of an image and its (height, width), known to decode."""
    try:
        image = loaded(sample.image)
        if isinstance(image, np.ndarray):
            size = image.shape[0], image.shape[1]
            return repr(size).encode() + image.tobytes(), size  # so that no other shape has these bytes
        data = encoded_bytes(image)
    except InputError as error:
        raise _UnusableImageError("cannot be read") from error
    if is_cut_short(data):
        raise _UnusableImageError("is cut short: the end of the image is missing")
    try:
        pixels = read_image(data)
    except InputError as error:
        raise _UnusableImageError("does not decode as an image") from error
    return data, (pixels.shape[0], pixels.shape[1])


def _boxes_that_do_not_fit(name: str, truth: GroundTruth, size: tuple[int, int]) -> Iterator[Problem]:
    """Judge the boxes by the image as decoded; the reader had only its stated size or header, if that."""
    for number, box in enumerate(truth.boxes_px.tolist(), 1):
        if check_box(box, size)[1]:
            problem = f"box {number} does not fit into the image ({size[1]} × {size[0]})"
            yield Problem(name, problem, BOX_ADVICE)


def _repeated_boxes(sample: Sample) -> Iterator[Problem]:
    """Find objects that are labelled twice: the same class and the same box."""
    seen: dict[tuple[int, ...], int] = {}
    truth = sample.ground_truth
    for number, (label, box) in enumerate(
        zip(truth.labels.tolist(), truth.boxes_px.tolist(), strict=True), 1
    ):
        first = seen.setdefault((label, *box), number)
        if first != number:
            yield Problem(sample.name, f"box {number} is box {first} once more", "remove one of them")


def _wrong_size(sample: Sample, stated: StatedSize, size: tuple[int, int]) -> Problem:
    (height, width), where = stated
    name = Path(sample.name).name
    problem = f"states a size of {width} × {height} for {name}, but the image is {size[1]} × {size[0]}"
    return Problem(where, problem, SIZE_ADVICE)


def _orientation(data: bytes) -> int:
    """The EXIF orientation of an encoded image, 1-8; upright where it states none that is known."""
    if encoded_image_size(data) is not None or not data.startswith((JPEG_START, PNG_START)):
        return UPRIGHT  # only then is the size not what the header says
    try:
        with Image.open(io.BytesIO(data)) as image:
            stated = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return UPRIGHT
    return stated if stated in ORIENTATIONS else UPRIGHT
