"""Tables of HDF5 files that may come from strangers: opened only if they are what they should be.

Those of packs are listed here for their reader and their writer.

A table must lie in the file itself, in plain rows: no links to other places, no external or virtual storage,
no filters that unfold. What is read into memory is measured before.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.packs.contents import FINGERPRINT_BYTES, DamagedError, PackFile

HDF5_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)
"""What h5py raises on damaged files."""


SIGNATURE = b"\x89HDF\r\n\x1a\n"
PACK = "ssd_keras_pack"


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
    "file_names": Table(np.uint8, counted_by="file_name_bytes"),
    "file_name_bytes": Table(np.int64),
    "objects": Table(np.int64),
    "boxes_px": Table(np.float32, (4,), "objects"),
    "labels": Table(np.int32, (), "objects"),
    "difficult": Table(np.uint8, (), "objects"),
    "crowd": Table(np.uint8, (), "objects"),
    "truncated": Table(np.uint8, (), "objects"),
    "areas": Table(np.float64, (), "objects"),
    "fingerprints": Table(np.uint8, (FINGERPRINT_BYTES,)),
}

SINCE_VERSION_2 = ("file_names", "file_name_bytes", "areas")
"""What packs of version 1 do not have."""


def begins_as_hdf5(path: Path) -> bool:
    """Tell whether a file begins as those of HDF5 do."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def open_for_reading(path: Path) -> h5py.File:
    """Open an HDF5 file, without a lock: packs do not change, and not every file system has locks."""
    return h5py.File(path, "r", locking=False)


def has_table(file: h5py.File, name: str) -> bool:
    """Tell whether there is something of that name; no link is followed."""
    return file.get(name, getlink=True) is not None


def whole_number(file: h5py.File, name: str) -> int | None:
    """Give an attribute of the file that is one whole number or truth value, or None where there is none."""
    if not h5py.h5a.exists(file.id, name.encode()):
        return None
    attribute = h5py.h5a.open(file.id, name.encode())
    if attribute.shape != () or attribute.dtype.kind not in "iub":
        raise DamagedError(f"has an attribute {name} that is no number")
    return int(file.attrs[name])


def open_table(file: h5py.File, name: str, dtype: Any = None, row: tuple[int, ...] = ()) -> h5py.Dataset:
    """Open a table with rows of this type and shape; any type where `dtype` is None.

    Raises:
        DamagedError: it is missing, or not such a table.
    """
    link = file.get(name, getlink=True)
    if link is None:
        raise DamagedError(f"has no table {name}")
    table = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(table, h5py.Dataset):
        raise DamagedError(f"has something else than a table for {name}")
    if table.ndim == 0 or table.shape[1:] != row or (dtype is not None and table.dtype != np.dtype(dtype)):
        raise DamagedError(
            f"has a table {name} of {table.dtype} rows {table.shape}, which is not as it should be"
        )
    plan = table.id.get_create_plist()
    if plan.get_nfilters() or plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
        raise DamagedError(f"has a table {name} that is compressed or lies in another file")
    return table


def read_table(
    file: h5py.File, name: str, dtype: Any, row: tuple[int, ...], largest: int = 1 << 28
) -> NDArray[Any]:
    """Read all of a table of at most `largest` bytes; `DamagedError` where that cannot be done."""
    table = open_table(file, name, dtype, row)
    if table.nbytes > min(largest, table.id.get_storage_size()):
        raise DamagedError(f"claims {table.nbytes} bytes of {name}, which is more than it has or may have")
    return np.asarray(table[()])


# --- Open files --------------------------------------------------------------------------------------------

_open: dict[PackFile, tuple[h5py.File, h5py.Dataset]] = {}
"""The tables of images that this process has open, each with its file, which must stay open, too."""


def images_of(pack: PackFile) -> h5py.Dataset:
    """Give the table of images of a pack, opened once in each process; h5py lets one thread in at a time."""
    if pack not in _open:
        pack.check_unchanged()
        file = open_for_reading(Path(pack.path))
        _open.setdefault(pack, (file, open_table(file, "images")))
    return _open[pack][1]


def _close_inherited() -> None:
    """Close what a new process has from its parent: HDF5 would share one open file between the two."""
    for file, _ in _open.values():
        file.close()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
