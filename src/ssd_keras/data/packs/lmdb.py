"""LMDB packs: one file (`subdir=False`) with two values for each image and one about all of them.

    image/0000000012    its encoded bytes, or its pixels, height × width × RGB uint8
    labels/0000000012   height, width of pixels (0, 0 where it is encoded), number of objects M, length in
                        bytes of its id and (not in version 1) of the name of its file, uint32 each; then
                        boxes_px (M, 4) float32, labels (M,) int32, difficult, crowd, truncated (M,) uint8
                        each, (not in version 1) areas (M,) float64, NaN where not known, its id and the
                        name of its file in UTF-8, and 16 bytes that tell samples apart while the pack is
                        written
    about               JSON: version, class_names, category_ids or null, splits {name: numbers of images}

Numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.packs.contents import (
    About,
    DamagedError,
    PackedImage,
    PackFile,
    check_version,
    reading,
)
from ssd_keras.data.packs.labels import assemble_pack, check_images
from ssd_keras.data.packs.lmdb_file import is_lmdb
from ssd_keras.data.packs.lmdb_layout import ABOUT, VERSION_KEY, Places, label_values, labels_of, read_value
from ssd_keras.data.packs.lmdb_store import LMDBStore
from ssd_keras.data.packs.writing import Settings, write_pack
from ssd_keras.data.readers.writing import JPEG_QUALITY
from ssd_keras.data.samples import Dataset, Sample
from ssd_keras.errors import InputError

READING_ERRORS = (OSError, ValueError, OverflowError, MemoryError)


# --- Reading -----------------------------------------------------------------------------------------------


def recognises_lmdb(path: Path) -> bool:
    """Tell whether `path` is an LMDB file."""
    try:
        with path.open("rb") as file:
            return is_lmdb(file)
    except OSError:
        return False


def read_lmdb(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read an LMDB pack; no image is read.

    Args:
        path: the file.
        class_names: the classes in the order of their labels; None: those of the pack.

    Raises:
        InputError: the file cannot be read, is no pack, is damaged or of a newer version, holds no image, or
            an object has a class that is not in `class_names`.
    """
    path = Path(path)
    with reading(path, READING_ERRORS), path.open("rb") as file:
        pack = PackFile.at(path)
        places = Places.of(path)
        version = _version_of(path, file, places)
        labels, names, sizes = labels_of(label_values(file, places.labels), version)
        lengths = np.array([image.length for image in places.images], np.int64)
        check_images(lengths, sizes)
        about = About.from_json(read_value(file, places.others[ABOUT]), len(lengths))

    def image_at(number: int) -> LMDBImage:
        size = (int(sizes[number, 0]), int(sizes[number, 1]))
        return LMDBImage(pack, number, labels.image_ids[number], names[number], size, *places.images[number])

    with reading(path, READING_ERRORS):
        return assemble_pack(path, "lmdb", labels, about, image_at, class_names)


def _version_of(path: Path, file: BinaryIO, places: Places) -> int:
    if VERSION_KEY not in places.others:
        raise InputError(
            f"{path} is an LMDB file, but no pack of images: give one of 'ssd convert --to lmdb'"
        )
    version = int(read_value(file, places.others[VERSION_KEY]))
    check_version(path, version)
    if ABOUT not in places.others:
        raise DamagedError("is not complete")
    return version


@dataclass(frozen=True, slots=True)
class LMDBImage(PackedImage):
    """An image of an LMDB pack."""

    def load(self) -> bytes | NDArray[np.uint8]:
        """Read its encoded bytes, or its pixels (H, W, 3) uint8 RGB."""
        path = Path(self.pack.path)
        with reading(path, READING_ERRORS), path.open("rb", buffering=0) as file:
            self.pack.check_unchanged()
            content = np.empty(self.length, np.uint8)
            file.seek(self.start)
            if file.readinto(content.data) != self.length:
                raise DamagedError("is cut short")
            return self.unpacked(content)


# --- Writing -----------------------------------------------------------------------------------------------


def write_lmdb(
    file: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    *,
    pixels: bool = False,
    size: tuple[int, int] | None = None,
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write an LMDB pack, or continue where an interrupted call with the same arguments stopped.

    Samples are taken one at a time; one that stands in two splits is stored once. The file appears under its
    name when it is complete; until then it is `unfinished-NAME` beside it.

    Args:
        file: the pack to make.
        splits: the samples of each split.
        class_names: in the order of the labels.
        pixels: store decoded pixels; otherwise encoded bytes, as they are wherever they are encoded.
        size: (height, width) to warp all images to, and their boxes with them.
        jpeg_quality: of images that have to be encoded, 1-100.
        category_ids: the number of each class, see `Dataset`.

    Raises:
        InputError: `file` exists or cannot be written, an image cannot be read, or a label is beyond the
            class names.
    """
    write_pack(LMDBStore, file, splits, class_names, Settings(pixels, size, jpeg_quality), category_ids)
