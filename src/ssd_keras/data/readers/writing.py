"""What all writers of data sets share: a folder of their own, image files, names and numbers as text."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.classes import checked_class_names
from ssd_keras.data.images import StoredImage, encoded_bytes, loaded, read_image
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError

JPEG_QUALITY = 92

LONGEST_STEM = 200
"""Bytes; file systems take 255, and suffixes and numbers have to fit too."""

UNSAFE_IN_FILE_NAMES = re.compile(r'[^\S ]|[\x00-\x1f\x7f<>:"/\\|?*\ufeff\ud800-\udfff]')
UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

SIGNATURES = {
    b"\xff\xd8": ".jpg",
    b"\x89PNG": ".png",
    b"BM": ".bmp",
    b"RIFF": ".webp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"P6": ".ppm",
    b"P3": ".ppm",
}
"""How the bytes of an image file begin, and the suffix it goes by."""


def new_folder(folder: Path) -> Path:
    """Make the folder of a data set to be written; `InputError` where there is something in it already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror}): name another folder") from error
    if occupied:
        raise InputError(f"{folder} is not empty: name a new folder, data sets are not mixed")
    return folder


def writable_class_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Give the class names, or raise `InputError` where a text file cannot hold one of them."""
    names = checked_class_names(class_names)
    for name in names:
        if UNWRITABLE.search(name) or name != name.strip():
            raise InputError(
                f"class name {name!r} has control characters or blanks at its ends: "
                "rename the class before writing the data set"
            )
    return names


def safe_stem(name: str) -> str:
    """Give a file name without suffix that all file systems take and that is as near to `name` as may be."""
    short = UNSAFE_IN_FILE_NAMES.sub("_", name).encode()[:LONGEST_STEM].decode(errors="ignore")
    return short.strip(" .") or "image"


def number_text(number: float) -> str:
    """Write a coordinate with the fewest digits that give the same float32 when read: 37, 124.1669."""
    return np.format_float_positional(np.float32(number), trim="-")


def area_text(area: float) -> str:
    """Write an area with the fewest digits that give it back; nothing where it is not known (NaN)."""
    return "" if math.isnan(area) else repr(float(area)).removesuffix(".0")


class ImageWriter:
    """Writes the images of samples into one folder, each once and under a name of its own.

    Files and encoded bytes are copied as they are; pixels are encoded as JPEG. Files keep their names, also
    those in packs; others are named after the image id. Where two different samples would have one name, the
    second gets a number behind it.
    """

    def __init__(self, folder: Path, jpeg_quality: int = JPEG_QUALITY) -> None:
        self.folder = folder
        self.jpeg_quality = jpeg_quality
        self._written: dict[bytes, Path] = {}
        self._taken: set[str] = set()
        self._last_number: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, sample: Sample) -> tuple[Path, bool]:
        """Write the image of `sample` unless it was written before: its file, and whether it is new.

        Raises:
            InputError: the image cannot be read.
        """
        fingerprint = fingerprint_of(sample)
        if fingerprint in self._written:
            return self._written[fingerprint], False
        file = self._write(sample, self._free_stem(safe_stem(_stem_of(sample))))
        self._taken.add(file.stem.casefold())
        self._written[fingerprint] = file
        return file, True

    def _free_stem(self, stem: str) -> str:
        """The stem, or else with the lowest number behind it that no image has."""
        if stem.casefold() not in self._taken:
            return stem
        number = self._last_number.get(stem.casefold(), 1) + 1
        while f"{stem}_{number}".casefold() in self._taken:
            number += 1
        self._last_number[stem.casefold()] = number
        return f"{stem}_{number}"

    def _write(self, sample: Sample, stem: str) -> Path:
        image = loaded(sample.image)
        if isinstance(image, np.ndarray):
            encoded, suffix = as_jpeg(read_image(image, name=sample.name), self.jpeg_quality), ".jpg"
        else:
            encoded = encoded_bytes(image)
            suffix = _suffix_of(encoded, sample.name)
        file = self.folder / f"{stem}{suffix}"
        file.write_bytes(encoded)
        return file


def _stem_of(sample: Sample) -> str:
    match sample.image:
        case Path() as file:
            return file.stem
        case StoredImage(file_name=file_name) if file_name:
            return Path(file_name).stem
        case _:
            return sample.image_id


def fingerprint_of(sample: Sample) -> bytes:
    """Tell samples of the same file name apart: by image id, image and ground truth.

    Of an image in a file or in a pack only the place counts; it is not read.
    """
    truth = sample.ground_truth
    digest = hashlib.blake2b(sample.image_id.encode(errors="surrogatepass"))
    if isinstance(sample.image, Path):
        digest.update(os.fsencode(sample.image))
    elif isinstance(sample.image, StoredImage):
        digest.update(sample.image.name.encode(errors="surrogatepass"))
    else:
        digest.update(sample.image if isinstance(sample.image, bytes) else sample.image.tobytes())
    for values in truth.columns().values():
        digest.update(values.tobytes())
    return digest.digest()


def _suffix_of(encoded: bytes, name: str) -> str:
    for signature, suffix in SIGNATURES.items():
        if encoded.startswith(signature):
            return suffix
    raise InputError(
        f"{name} is in no known image format (JPEG, PNG, BMP, WebP, TIFF, PPM): "
        "replace it, or leave it out with 'ssd inspect DATA --fix OUT'"
    )


def as_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode pixels (H, W, 3) uint8 RGB as JPEG."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
