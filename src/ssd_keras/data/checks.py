"""Judging what stands in a data set: one box, one image file, one text. Every reader asks here."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from ssd_keras.data.image_headers import JPEG_SCAN, JPEG_START, PNG_START, encoded_image_size
from ssd_keras.data.images import ImageSource, encoded_bytes, loaded, read_image
from ssd_keras.errors import UNSHOWABLE, InputError

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the image, each of them exact in float32."""

CORNERS = ("xmin", "ymin", "xmax", "ymax")
"""The four numbers of a box in the order of a `Box`, under the names that users know from their files."""

EDGE_TOLERANCE = 1.0
"""Pixels beyond the edge that are cut off without a word: Pascal VOC counts pixels from 1, others from 0."""

BOX_ADVICE = "correct the file"

FLOAT32 = struct.Struct("4f")
"""Four numbers in float32: ten times as fast as an array of so few."""

LARGEST = float(np.finfo(np.float32).max)

NUMBER_TYPES = frozenset({int, float, str})
"""What a number is in files; in JSON, `true` is none."""

LARGEST_SIDE = 1 << 20
"""Pixels of a side of an image that its labels may state."""

HEAD_BYTES = 1 << 16
"""How much of a file is read in search of the image's size; nearly always enough."""

JPEG_END = b"\xff\xd9"

LONGEST_SHOWN = 1000
"""Characters of a text of the user's in a message."""


# --- Boxes -------------------------------------------------------------------------------------------------


def check_box(
    corners: Sequence[float | str | None], size: tuple[int, int] | None
) -> tuple[Box | None, str | None]:
    """Judge one box as it stands in a file.

    Args:
        corners: xmin, ymin, xmax, ymax in pixels, as numbers or as text; None where one is missing.
        size: (height, width) of the image, or None where it is not known.

    Returns:
        The box and what was wrong with it. The box is None where it cannot be used: a corner is missing or no
        number, it has no area, it lies outside of the image. Swapped corners are put right and what reaches
        out of the image is cut off. The fault completes a sentence that starts with the name of the box; it
        is None where there is none, or none worth a word.
    """
    numbers, fault = _numbers(corners)
    if numbers is None:
        return None, fault
    x0, y0, x1, y1 = FLOAT32.unpack(FLOAT32.pack(*numbers))
    if size is not None and 0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]:
        return (x0, y0, x1, y1), None  # as nearly all are
    box: Box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    if x0 == x1:
        return None, f"has no width (xmin = xmax = {_shown(x0)}) and is left out"
    if y0 == y1:
        return None, f"has no height (ymin = ymax = {_shown(y0)}) and is left out"
    faults = _swapped((x0, y0, x1, y1))
    if size is not None:
        uncut, box = box, _cut(box, size)
        if box[0] >= box[2] or box[1] >= box[3]:
            return None, f"lies outside of the image ({size[1]} × {size[0]}) and is left out"
        if max(abs(a - b) for a, b in zip(uncut, box, strict=True)) > EDGE_TOLERANCE:
            faults.append(f"reaches out of the image ({size[1]} × {size[0]}) and is cut off at its edge")
    return box, "; it ".join(faults) or None


def _numbers(corners: Sequence[float | str | None]) -> tuple[list[float] | None, str | None]:
    try:
        numbers = [float(value) for value in corners]  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None, _fault_of_text(corners)
    for name, number in zip(CORNERS, numbers, strict=True):
        if not -LARGEST <= number <= LARGEST:  # written so that NaN fails, too
            return None, f"is left out: its {name} is not finite ({number})"
    return numbers, None


def _fault_of_text(corners: Sequence[float | str | None]) -> str:
    """Say which corner is no number."""
    for name, value in zip(CORNERS, corners, strict=True):
        if value is None or (isinstance(value, str) and not value.strip()):
            return f"has no {name} and is left out"
        try:
            float(value)
        except (ValueError, OverflowError):
            return f"is left out: its {name} is no number ({value!r})"
    raise ValueError(f"corners {corners} are numbers")


def _swapped(box: Box) -> list[str]:
    x0, y0, x1, y1 = box
    swapped = [f"xmin {_shown(x0)} > xmax {_shown(x1)}"] if x0 > x1 else []
    swapped += [f"ymin {_shown(y0)} > ymax {_shown(y1)}"] if y0 > y1 else []
    return [f"has swapped corners ({', '.join(swapped)}) and is read the other way round"] if swapped else []


def _cut(box: Box, size: tuple[int, int]) -> Box:
    height, width = size
    x0, y0, x1, y1 = box
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def _shown(number: float) -> str:
    return f"{number:.7g}"


# --- Texts -------------------------------------------------------------------------------------------------


def shown_text(text: str) -> str:
    """Give a text as it can stand in a message: in one line, and without the middle where it is long."""
    line = UNSHOWABLE.sub(" ", text)
    return (
        line if len(line) <= LONGEST_SHOWN else f"{line[: LONGEST_SHOWN // 2]}…{line[-LONGEST_SHOWN // 2 :]}"
    )


def counted(number: int, thing: str, things: str = "") -> str:
    """Give a number and its noun: 1 box, 2 boxes; `things` is the plural where it does not end in s."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


# --- Sizes and areas ---------------------------------------------------------------------------------------


def usable_size(height: object, width: object) -> tuple[int, int] | None:
    """Give (height, width) of an image as a file states them, or None where that makes no sense."""
    sides = _number_or_nan(height), _number_or_nan(width)
    if not all(1 <= side <= LARGEST_SIDE for side in sides):  # written so that NaN fails, too
        return None
    return int(sides[0]), int(sides[1])


def area_of(value: object) -> float:
    """Give the area of an object as it stands in a file, in square pixels; NaN where it is not usable."""
    area = _number_or_nan(value)
    return area if 0 < area <= LARGEST else math.nan


def _number_or_nan(value: object) -> float:
    if type(value) not in NUMBER_TYPES:
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return math.nan


# --- Image files -------------------------------------------------------------------------------------------


def image_size(source: ImageSource) -> tuple[int, int] | None:
    """Give (height, width) of an image as `read_image` would, or None where it is no readable image.

    Only the first bytes of a file are read where they say it, as those of most JPEG and PNG files do.
    """
    try:
        source = loaded(source)
        if isinstance(source, np.ndarray):
            return int(source.shape[0]), int(source.shape[1])
        stated = encoded_image_size(_head(source)) or encoded_image_size(encoded_bytes(source))
        return stated or read_image(source).shape[:2]
    except (InputError, OSError):
        return None


def labelled_frame(stated: tuple[int, int] | None, image: ImageSource) -> tuple[int, int] | None:
    """Give the (height, width) that boxes are judged by where some do not fit into the `stated` one.

    It is that of the image, since a wrong size would cost right boxes, unless its EXIF orientation turns it:
    then the boxes may be for the image as it is stored.
    """
    size = image_size(image)
    return stated if size is None or (stated is not None and stated == size[::-1]) else size


@contextmanager
def silent_decoders() -> Iterator[None]:
    """Keep OpenCV from writing lines of its own about damaged images: they are named among the problems."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def is_cut_short(data: bytes) -> bool:
    """Tell whether the bytes of a JPEG or PNG file stop before the image does.

    Some decoders fill the missing part with grey and say nothing. A JPEG's scans end with the marker FFD9,
    which cannot occur inside of one; a PNG ends with a chunk named IEND. What follows these does not matter.
    """
    if data.startswith(JPEG_START):
        return data.find(JPEG_END, _jpeg_header_end(data)) < 0
    return data.startswith(PNG_START) and b"IEND" not in data


def _head(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    with Path(source).open("rb") as file:
        return file.read(HEAD_BYTES)


def _jpeg_header_end(data: bytes) -> int:
    """Where the segments of a JPEG's header end: a thumbnail inside of them has an end marker of its own."""
    position = len(JPEG_START)
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == JPEG_SCAN:
            break
        is_padding = marker == 0xFF
        position += 1 if is_padding else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position
