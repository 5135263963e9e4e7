"""Writing an HDF5 pack, so that it can be continued where it was interrupted; see `hdf5` for its tables."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.packs.contents import FINGERPRINT_BYTES, LARGEST_LABELS, VERSION, DamagedError
from ssd_keras.data.packs.hdf5_tables import (
    HDF5_ERRORS,
    PACK,
    TABLES,
    Table,
    begins_as_hdf5,
    has_table,
    open_for_reading,
    open_table,
    whole_number,
)
from ssd_keras.data.packs.unfinished import foreign_file, writing_to
from ssd_keras.data.packs.writing import Record, too_many_labels
from ssd_keras.errors import InputError

WRITTEN, SETTINGS = "written", "settings"
"""Attributes of an unfinished pack: rows and checksum of each table, and what the pack is made of."""

CHUNK_BYTES = 1 << 16
IMAGE_CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 1 << 24


class HDF5Store:
    """An unfinished HDF5 pack, a `PackStore`.

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
            columns = _columns(records)
            self._refuse_too_much(columns)
            for name, rows in columns.items():
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
        file = self._opened()
        if file is None:
            return None
        try:
            if file.attrs[SETTINGS] == self._settings.encode():
                self._file = file
                for name, (count, checksum) in json.loads(file.attrs[WRITTEN]).items():
                    self._cut(name, count)
                    if self._rows[name] != (count, checksum):
                        raise DamagedError(f"has other {name} than were written")
                return file
        except (DamagedError, *HDF5_ERRORS):
            pass
        self._rows = dict.fromkeys(TABLES, (0, 0))
        _close(file)
        return None

    def _opened(self) -> h5py.File | None:
        """Open an unfinished pack that can be opened; `InputError` where the file is none."""
        if not self._path.is_file() or (self._path.stat().st_size and not begins_as_hdf5(self._path)):
            raise foreign_file(self._path)
        try:
            with open_for_reading(self._path) as file:
                is_unfinished = _is_unfinished(file)
            if is_unfinished:
                return h5py.File(self._path, "r+")
        except BlockingIOError as error:
            raise InputError(f"{self._path} is being written by another process: wait for it") from error
        except HDF5_ERRORS:  # the library promises nothing about a file whose writer was killed
            return None
        raise foreign_file(self._path)

    def _refuse_too_much(self, columns: dict[str, NDArray[Any]]) -> None:
        """Raise `InputError` where a table would become larger than a reader takes into memory."""
        for name, rows in columns.items():
            row_bytes = rows.itemsize * int(np.prod(rows.shape[1:]))
            is_in_memory = name not in ("images", "fingerprints")
            if is_in_memory and (self._rows[name][0] + len(rows)) * row_bytes > LARGEST_LABELS:
                raise too_many_labels()

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


def _is_unfinished(file: h5py.File) -> bool:
    """Tell whether a file is a pack that is not complete, or one that was not even begun."""
    with suppress(DamagedError, *HDF5_ERRORS):
        return not len(file) or (whole_number(file, PACK) is not None and not has_table(file, "about"))
    return True


def _close(file: h5py.File) -> None:
    with suppress(*HDF5_ERRORS):
        file.close()


def _columns(records: Sequence[Record]) -> dict[str, NDArray[Any]]:
    """What samples add to each table."""
    truths = [record.truth for record in records]
    return {
        "images": np.frombuffer(b"".join(record.image for record in records), np.uint8),
        "image_bytes": np.array([len(record.image) for record in records], np.int64),
        "image_sizes": np.array([record.size for record in records], np.int64),
        "image_ids": np.frombuffer(b"".join(record.image_id for record in records), np.uint8),
        "image_id_bytes": np.array([len(record.image_id) for record in records], np.int64),
        "file_names": np.frombuffer(b"".join(record.file_name for record in records), np.uint8),
        "file_name_bytes": np.array([len(record.file_name) for record in records], np.int64),
        "objects": np.array([len(truth) for truth in truths], np.int64),
        "boxes_px": np.concatenate([truth.boxes_px for truth in truths]),
        "labels": np.concatenate([truth.labels for truth in truths]),
        "difficult": np.concatenate([truth.difficult for truth in truths]).astype(np.uint8),
        "crowd": np.concatenate([truth.crowd for truth in truths]).astype(np.uint8),
        "truncated": np.concatenate([truth.truncated for truth in truths]).astype(np.uint8),
        "areas": np.concatenate([truth.areas for truth in truths]),
        "fingerprints": np.frombuffer(b"".join(record.fingerprint for record in records), np.uint8).reshape(
            -1, FINGERPRINT_BYTES
        ),
    }


def _blocks(table: h5py.Dataset) -> Iterator[NDArray[Any]]:
    """A table in pieces that fit into memory."""
    rows = max(1, BLOCK_BYTES // (table.dtype.itemsize * int(np.prod(table.shape[1:]))))
    for first in range(0, len(table), rows):
        yield table[first : first + rows]
