"""Looking at each image of a data set: does it decode, and do its boxes fit it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ssd_keras.data.checks import BOX_ADVICE, check_box, image_size, is_cut_short
from ssd_keras.data.image_headers import JPEG_START, PNG_START, UPRIGHT, encoded_image_size
from ssd_keras.data.images import StoredImage, content_digest, encoded_bytes, loaded, read_image
from ssd_keras.data.readers.voc import annotation_of, size_tag
from ssd_keras.data.samples import Dataset, Problem, Sample
from ssd_keras.errors import InputError

IMAGE_ADVICE = "replace the image, or take it out of the data set"


class Look(NamedTuple):
    """What one image showed: (height, width) and a digest of its bytes, both None if it cannot be read."""

    size: tuple[int, int] | None
    digest: bytes | None
    problems: list[Problem]
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
    samples: Sequence[Sample], data_format: str, on_progress: Callable[[int, int], None] | None
) -> list[Look]:
    """Look at images in threads; OpenCV and the digest release the interpreter's lock."""
    looks = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for look in pool.map(lambda sample: _look_at(sample, data_format), samples):
            looks.append(look)
            if on_progress is not None:
                on_progress(len(looks), len(samples))
    return looks


def _look_at(sample: Sample, data_format: str) -> Look:
    try:
        data, size = _decode(sample)
    except _UnusableImageError as unusable:
        return Look(None, None, [Problem(sample.name, str(unusable), IMAGE_ADVICE)])
    problems = [*_boxes_that_do_not_fit(sample, size), *_repeated_boxes(sample)]
    if data_format == "voc" and isinstance(sample.image, Path):
        problems += _wrong_size_tag(sample.image, size)
    return Look(size, content_digest(data), problems, _is_rotated(data))


class _UnusableImageError(Exception):
    """What is wrong with an image, as the end of a sentence that starts with its name."""


def _decode(sample: Sample) -> tuple[bytes, tuple[int, int]]:
    """The bytes of an image and its (height, width), known to decode."""
    try:
        image = loaded(sample.image)
        if isinstance(image, np.ndarray):
            return image.tobytes(), (image.shape[0], image.shape[1])
        data = encoded_bytes(image)
    except InputError as error:
        raise _UnusableImageError("cannot be read") from error
    if is_cut_short(data):
        raise _UnusableImageError("is cut short: the end of the image is missing")
    try:
        read_image(data)
    except InputError as error:
        raise _UnusableImageError("does not decode as an image") from error
    size = image_size(data)
    assert size is not None, "it was just decoded"
    return data, size


def _boxes_that_do_not_fit(sample: Sample, size: tuple[int, int]) -> Iterator[Problem]:
    """Judge the boxes by the image as decoded; the reader had only its size tag or header, if that."""
    for number, box in enumerate(sample.ground_truth.boxes_px.tolist(), 1):
        if check_box(box, size)[1]:
            problem = f"box {number} does not fit into the image ({size[1]} × {size[0]})"
            yield Problem(sample.name, problem, BOX_ADVICE)


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


def _wrong_size_tag(image: Path, size: tuple[int, int]) -> list[Problem]:
    annotation = annotation_of(image)
    tag = size_tag(annotation)
    if tag is None or tag == size:
        return []
    problem = f"states a size of {tag[1]} × {tag[0]}, but the image is {size[1]} × {size[0]}"
    return [
        Problem(str(annotation), problem, "correct the size tag, and see whether the boxes fit the image")
    ]


def _is_rotated(data: bytes) -> bool:
    """Tell whether the EXIF orientation of an encoded image turns or mirrors it."""
    if encoded_image_size(data) is not None or not data.startswith((JPEG_START, PNG_START)):
        return False  # only then is the size not what the header says
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) not in (0, UPRIGHT)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return False
