"""HDF5 packs: one file with a table for each thing, and the HDF5 files of the Keras port of 2018.

N images with T objects in all. What differs in length from image to image stands in one table without gaps,
and another table says how much of it belongs to each image:

    images        (bytes,) uint8   encoded images, or pixels height × width × RGB; image_bytes of each
    image_bytes   (N,) int64
    image_sizes   (N, 2) int64     height, width of pixels; 0, 0 where an image is encoded
    image_ids     (bytes,) uint8   UTF-8, image_id_bytes of each
    image_id_bytes  (N,) int64
    file_names    (bytes,) uint8   UTF-8, file_name_bytes of each: the image's file, or empty
    file_name_bytes  (N,) int64
    objects       (N,) int64       how many rows of the next six tables belong to each image
    boxes_px      (T, 4) float32   x0, y0, x1, y1 in pixels
    labels        (T,) int32       indices into the class names
    difficult, crowd, truncated  (T,) uint8, 0 or 1
    areas         (T,) float64     of the objects, in square pixels; NaN where not known
    fingerprints  (N, 16) uint8    tell samples apart while the pack is written
    about         (bytes,) uint8   JSON: class_names, category_ids or null, splits {name: numbers of images}

The attribute `ssd_keras_pack` is the version of this layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.packs.contents import (
    LARGEST_ABOUT,
    LARGEST_LABELS,
    About,
    DamagedError,
    PackedImage,
    PackFile,
    check_version,
    reading,
)
from ssd_keras.data.packs.hdf5_store import HDF5Store
from ssd_keras.data.packs.hdf5_tables import (
    HDF5_ERRORS,
    PACK,
    SINCE_VERSION_2,
    TABLES,
    begins_as_hdf5,
    has_table,
    images_of,
    open_for_reading,
    open_table,
    read_table,
    whole_number,
)
from ssd_keras.data.packs.labels import PackLabels, assemble_pack, check_images, parts_of, texts_of
from ssd_keras.data.packs.port_of_2018 import is_port_file, read_port_file
from ssd_keras.data.packs.writing import Settings, write_pack
from ssd_keras.data.readers.writing import JPEG_QUALITY
from ssd_keras.data.samples import Dataset, Sample
from ssd_keras.errors import InputError

# --- Reading -----------------------------------------------------------------------------------------------


def recognises_hdf5(path: Path) -> bool:
    """Tell whether `path` is an HDF5 file."""
    try:
        return begins_as_hdf5(path)
    except OSError:
        return False


def read_hdf5(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read an HDF5 pack, or an HDF5 file of the Keras port of 2018; no image is read.

    Args:
        path: the file.
        class_names: the classes in the order of their labels; None: those of the pack. For a file of 2018
            they name its class ids from 1; None: "class 1" and so on, those in use.

    Raises:
        InputError: the file cannot be read, is no pack, is damaged or of a newer version, holds no image, or
            an object has a class that is not in `class_names`.
    """
    path = Path(path)
    with reading(path, HDF5_ERRORS), open_for_reading(path) as file:
        pack = PackFile.at(path)
        if is_port_file(file):
            return read_port_file(file, pack, class_names)
        version = whole_number(file, PACK)
        if version is None:
            raise InputError(
                f"{path} is an HDF5 file, but no pack of images: give one of 'ssd convert --to hdf5'"
            )
        check_version(path, version)
        if not has_table(file, "about"):
            raise DamagedError("is not complete")
        return _read_pack(file, pack, version, class_names)


def _read_pack(file: h5py.File, pack: PackFile, version: int, class_names: Sequence[str] | None) -> Dataset:
    columns = {
        name: read_table(file, name, table.dtype, table.row, LARGEST_LABELS)
        for name, table in TABLES.items()
        if name not in ("images", "fingerprints") and (version > 1 or name not in SINCE_VERSION_2)
    }
    images = open_table(file, "images", np.uint8)
    lengths, sizes = columns["image_bytes"], columns["image_sizes"]
    _check_rows(columns)
    check_images(lengths, sizes)
    starts = (parts_of(lengths, len(images), "bytes in its images") - lengths).tolist()
    about = About.from_json(read_table(file, "about", np.uint8, (), LARGEST_ABOUT).tobytes(), len(lengths))
    ids = texts_of(columns["image_ids"].tobytes(), columns["image_id_bytes"], "image ids")
    names = _file_names(columns, len(lengths))

    def image_at(number: int) -> HDF5Image:
        size = (int(sizes[number, 0]), int(sizes[number, 1]))
        return HDF5Image(pack, number, ids[number], names[number], size, starts[number], int(lengths[number]))

    labels = PackLabels(
        ids,
        columns["objects"],
        columns["boxes_px"],
        columns["labels"],
        columns["difficult"].astype(bool),
        columns["crowd"].astype(bool),
        columns["truncated"].astype(bool),
        areas=columns.get("areas"),
    )
    return assemble_pack(Path(pack.path), "hdf5", labels, about, image_at, class_names)


def _file_names(columns: Mapping[str, NDArray[Any]], images: int) -> list[str]:
    if "file_names" not in columns:
        return [""] * images
    return texts_of(columns["file_names"].tobytes(), columns["file_name_bytes"], "file names")


def _check_rows(columns: Mapping[str, NDArray[Any]]) -> None:
    """Check that what is said of each image, or of each object, is said of all of them."""
    for counted_by in (None, "objects"):
        rows = {name: len(c) for name, c in columns.items() if TABLES[name].counted_by == counted_by}
        if len(set(rows.values())) != 1:
            raise DamagedError(f"has tables of different lengths ({rows})")


@dataclass(frozen=True, slots=True)
class HDF5Image(PackedImage):
    """An image of an HDF5 pack."""

    def load(self) -> bytes | NDArray[np.uint8]:
        """Read its encoded bytes, or its pixels (H, W, 3) uint8 RGB."""
        with reading(Path(self.pack.path), HDF5_ERRORS):
            content = images_of(self.pack)[self.start : self.start + self.length]
            if len(content) != self.length:
                raise DamagedError("is cut short")
            return self.unpacked(content)


# --- Writing -----------------------------------------------------------------------------------------------


def write_hdf5(
    file: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    *,
    pixels: bool = False,
    size: tuple[int, int] | None = None,
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write an HDF5 pack, or continue where an interrupted call with the same arguments stopped.

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
    write_pack(HDF5Store, file, splits, class_names, Settings(pixels, size, jpeg_quality), category_ids)
