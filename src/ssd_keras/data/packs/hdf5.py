"""HDF5 packs: one file with a table for each thing, and the HDF5 files of the Keras port of 2018.

N images with T objects in all. What differs in length from image to image stands in one table without gaps,
and another table says how much of it belongs to each image:

    images        (bytes,) uint8   encoded images, or pixels height × width × RGB; image_bytes of each
    image_bytes   (N,) int64
    image_sizes   (N, 2) int64     height, width of pixels; 0, 0 where an image is encoded
    image_ids     (bytes,) uint8   UTF-8, image_id_bytes of each
    image_id_bytes  (N,) int64
    objects       (N,) int64       how many rows of the next five tables belong to each image
    boxes_px      (T, 4) float32   x0, y0, x1, y1 in pixels
    labels        (T,) int32       indices into the class names
    difficult, crowd, truncated  (T,) uint8, 0 or 1
    fingerprints  (N, 16) uint8    tell samples apart while the pack is written
    about         (bytes,) uint8   JSON: class_names, category_ids or null, splits {name: numbers of images}

The attribute `ssd_keras_pack` is the version of this layout.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.packs.contents import (
    LARGEST_ABOUT,
    LARGEST_LABELS,
    VERSION,
    About,
    DamagedError,
    PackedImage,
    PackFile,
    PackLabels,
    assemble_pack,
    check_images,
    parts_of,
    reading,
    texts_of,
)
from ssd_keras.data.packs.hdf5_tables import (
    HDF5_ERRORS,
    has_table,
    images_of,
    open_for_reading,
    open_table,
    read_table,
    whole_number,
)
from ssd_keras.data.packs.port_of_2018 import is_port_file, read_port_file
from ssd_keras.data.packs.writing import FINGERPRINT_BYTES, Record, Settings, write_pack, writing_to
from ssd_keras.data.readers.writing import JPEG_QUALITY
from ssd_keras.data.samples import Dataset, Sample
from ssd_keras.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
PACK = "ssd_keras_pack"
WRITTEN, SETTINGS = "written", "settings"
"""Attributes of an unfinished pack: rows and checksum of each table, and what the pack is made of."""

CHUNK_BYTES = 1 << 16
IMAGE_CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 1 << 24


class Table(NamedTuple):
    """A table of the file: type and shape of a row, and the table that says how many belong to an image."""

    dtype: Any
    row: tuple[int, ...] = ()
    counted_by: str | None = None


TABLES = {
    "images": Table(np.uint8, counted_by="image_bytes"),
    "image_bytes": Table(np.int64),
    "image_sizes": Table(np.int64, (2,)),
    "image_ids": Table(np.uint8, counted_by="image_id_bytes"),
    "image_id_bytes": Table(np.int64),
    "objects": Table(np.int64),
    "boxes_px": Table(np.float32, (4,), "objects"),
    "labels": Table(np.int32, (), "objects"),
    "difficult": Table(np.uint8, (), "objects"),
    "crowd": Table(np.uint8, (), "objects"),
    "truncated": Table(np.uint8, (), "objects"),
    "fingerprints": Table(np.uint8, (FINGERPRINT_BYTES,)),
}


# --- Reading -----------------------------------------------------------------------------------------------


def recognises_hdf5(path: Path) -> bool:
    """Tell whether `path` is an HDF5 file."""
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
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
        if version > VERSION:
            raise InputError(f"{path} is a pack of version {version}, newer than {VERSION}: update ssd-keras")
        if not has_table(file, "about"):
            raise DamagedError("is not complete")
        return _read_pack(file, pack, class_names)


def _read_pack(file: h5py.File, pack: PackFile, class_names: Sequence[str] | None) -> Dataset:
    columns = {
        name: read_table(file, name, table.dtype, table.row, LARGEST_LABELS)
        for name, table in TABLES.items()
        if name not in ("images", "fingerprints")
    }
    images = open_table(file, "images", np.uint8)
    lengths, sizes = columns["image_bytes"], columns["image_sizes"]
    _check_rows(columns)
    check_images(lengths, sizes)
    starts = (parts_of(lengths, len(images), "bytes in its images") - lengths).tolist()
    about = About.from_json(read_table(file, "about", np.uint8, (), LARGEST_ABOUT).tobytes(), len(lengths))
    ids = texts_of(columns["image_ids"].tobytes(), columns["image_id_bytes"])

    def image_at(number: int) -> HDF5Image:
        size = (int(sizes[number, 0]), int(sizes[number, 1]))
        return HDF5Image(pack, number, ids[number], size, starts[number], int(lengths[number]))

    labels = PackLabels(
        ids,
        columns["objects"],
        columns["boxes_px"],
        columns["labels"],
        *(columns[flag].astype(bool) for flag in ("difficult", "crowd", "truncated")),
    )
    return assemble_pack(Path(pack.path), "hdf5", labels, about, image_at, class_names)


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
    write_pack(_Store, file, splits, class_names, Settings(pixels, size, jpeg_quality), category_ids)


class _Store:
    """An unfinished HDF5 pack.

    HDF5 promises nothing about a file whose writer was killed, so the file says how many rows were safe and
    what their checksum was; it is continued only where both are still true.
    """

    def __init__(self, path: Path, settings: str) -> None:
        self._path = path
        self._settings = hashlib.sha256(settings.encode()).hexdigest()
        self._rows = dict.fromkeys(TABLES, (0, 0))
        with writing_to(path, RuntimeError):
            file = self._continued() if path.exists() else None
            self._file = file or self._begun()
            self._make_safe()
            fingerprints = self._file["fingerprints"][()]
        self.fingerprints = [row.tobytes() for row in fingerprints]

    def keep(self, count: int) -> None:
        """Drop all samples but the first `count`."""
        if count < len(self._file["fingerprints"]):
            with writing_to(self._path, RuntimeError):
                for name, table in TABLES.items():
                    self._cut(name, self._rows_of(table, count))
                self._make_safe()

    def append(self, records: Sequence[Record]) -> None:
        """Add samples; they are safe when this returns."""
        with writing_to(self._path, RuntimeError):
            for name, rows in _columns(records).items():
                table, (count, checksum) = self._file[name], self._rows[name]
                table.resize(count + len(rows), axis=0)
                table[count:] = rows
                self._rows[name] = count + len(rows), zlib.crc32(rows.tobytes(), checksum)
            self._make_safe()

    def finish(self, about: bytes) -> None:
        """Add what is said once, and mark the pack as complete."""
        with writing_to(self._path, RuntimeError):
            del self._file.attrs[WRITTEN], self._file.attrs[SETTINGS]
            self._file.create_dataset("about", data=np.frombuffer(about, np.uint8))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with writing_to(self._path, RuntimeError):
            self._file.close()

    def _begun(self) -> h5py.File:
        file = h5py.File(self._path, "w")
        for name, (dtype, row, _) in TABLES.items():
            space = IMAGE_CHUNK_BYTES if name == "images" else CHUNK_BYTES
            rows = space // (np.dtype(dtype).itemsize * int(np.prod(row)))
            file.create_dataset(name, (0, *row), dtype, maxshape=(None, *row), chunks=(rows, *row))
        file.attrs[PACK] = VERSION
        file.attrs[SETTINGS] = np.bytes_(self._settings)
        return file

    def _continued(self) -> h5py.File | None:
        """Open what an interrupted writing left, cut back to what is safe; None where it is of no use."""
        file = None
        try:
            file = h5py.File(self._path, "r+")
            if file.attrs[SETTINGS] == self._settings.encode():
                self._file = file
                for name, (count, checksum) in json.loads(file.attrs[WRITTEN]).items():
                    self._cut(name, count)
                    if self._rows[name] != (count, checksum):
                        raise DamagedError(f"has other {name} than were written")
                return file
        except BlockingIOError as error:
            raise InputError(f"{self._path} is being written by another process: wait for it") from error
        except (DamagedError, *HDF5_ERRORS):
            pass
        self._rows = dict.fromkeys(TABLES, (0, 0))
        if file is not None:
            with suppress(*HDF5_ERRORS):
                file.close()
        return None

    def _rows_of(self, table: Table, images: int) -> int:
        """How many rows of a table belong to the first `images` images."""
        if table.counted_by is None:
            return images
        return int(self._file[table.counted_by][:images].sum())

    def _cut(self, name: str, count: int) -> None:
        """Leave the first `count` rows of a table, and take their checksum."""
        dtype, row, _ = TABLES[name]
        table = open_table(self._file, name, dtype, row)
        table.resize(min(count, len(table)), axis=0)
        checksum = 0
        for block in _blocks(table):
            checksum = zlib.crc32(block.tobytes(), checksum)
        self._rows[name] = len(table), checksum

    def _make_safe(self) -> None:
        """Write everything first, and only then that it is there."""
        self._file.flush()
        self._file.attrs[WRITTEN] = np.bytes_(json.dumps(self._rows))
        self._file.flush()


def _columns(records: Sequence[Record]) -> dict[str, NDArray[Any]]:
    """What samples add to each table."""
    truths = [record.truth for record in records]
    return {
        "images": np.frombuffer(b"".join(record.image for record in records), np.uint8),
        "image_bytes": np.array([len(record.image) for record in records], np.int64),
        "image_sizes": np.array([record.size for record in records], np.int64),
        "image_ids": np.frombuffer(b"".join(record.image_id for record in records), np.uint8),
        "image_id_bytes": np.array([len(record.image_id) for record in records], np.int64),
        "objects": np.array([len(truth) for truth in truths], np.int64),
        "boxes_px": np.concatenate([truth.boxes_px for truth in truths]),
        "labels": np.concatenate([truth.labels for truth in truths]),
        "difficult": np.concatenate([truth.difficult for truth in truths]).astype(np.uint8),
        "crowd": np.concatenate([truth.crowd for truth in truths]).astype(np.uint8),
        "truncated": np.concatenate([truth.truncated for truth in truths]).astype(np.uint8),
        "fingerprints": np.frombuffer(b"".join(record.fingerprint for record in records), np.uint8).reshape(
            -1, FINGERPRINT_BYTES
        ),
    }


def _blocks(table: h5py.Dataset) -> Iterator[NDArray[Any]]:
    """A table in pieces that fit into memory."""
    rows = max(1, BLOCK_BYTES // (table.dtype.itemsize * int(np.prod(table.shape[1:]))))
    for first in range(0, len(table), rows):
        yield table[first : first + rows]
