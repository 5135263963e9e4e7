"""Rows of variable length in HDF5 files, read without the library.

The library makes room for whatever number of values a row claims, and may go on forever where the heap with
the values is damaged. Here nothing is believed that was not measured.

A row is a reference: how many values it has, the address of a heap collection, and an index in that. A heap
collection begins with `GCOL`, a version and its size in bytes; its objects follow one another, each with its
index, its size and, behind that, its bytes, filled up to a multiple of eight. Index 0 is the free rest.

Source: the HDF5 File Format Specification 3.0, III.E "Disk Format: Level 1E - Global Heap".
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.packs.contents import DamagedError

REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])

COLLECTION = struct.Struct("<4sB3xQ")
"""Signature, version, size with this head."""
OBJECT = struct.Struct("<HH4xQ")
"""Index, number of references, size without this head."""
SIGNATURE = b"GCOL"
MOST_OBJECTS = 1 << 16


def references_of(table: h5py.Dataset, path: str) -> NDArray[Any]:
    """Give the references (N,) of a table's rows as they stand in the file `path`."""
    if len(table) * REFERENCE.itemsize > table.id.get_storage_size():
        raise DamagedError(f"claims {len(table)} rows of {table.name}, which is more than it has")
    references = np.zeros(len(table), REFERENCE)
    with Path(path).open("rb") as file:
        for first, count, offset in _pieces(table):
            file.seek(offset)
            found = np.frombuffer(file.read(count * REFERENCE.itemsize), REFERENCE)
            if len(found) != count:
                raise DamagedError("is cut short")
            references[first : first + count] = found
    return references


def _pieces(table: h5py.Dataset) -> list[tuple[int, int, int]]:
    """Where the rows of a one-dimensional table stand in the file: first row, number of rows, offset."""
    if table.chunks is None:
        offset = table.id.get_offset()
        return [] if offset is None else [(0, len(table), offset)]
    chunks = (table.id.get_chunk_info(number) for number in range(table.id.get_num_chunks()))
    return [
        (chunk.chunk_offset[0], min(table.chunks[0], len(table) - chunk.chunk_offset[0]), chunk.byte_offset)
        for chunk in chunks
        if chunk.chunk_offset[0] < len(table)
    ]


class Heap:
    """The heap collections of one file.

    Args:
        file: the HDF5 file, opened for reading bytes.
        size: its size in bytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}
        # Collections do not overlap, so there cannot be more objects than heads of them fit into the file.
        self._objects_left = size // OBJECT.size

    def read(self, address: int, index: int, length: int) -> bytes:
        """Give the `length` bytes of one object, or raise `DamagedError` where it has another length."""
        if length == 0:
            return b""
        if address not in self._collections:
            self._collections[address] = self._objects_of(address)
        start, size = self._collections[address].get(index, (0, 0))
        if size != length:
            raise DamagedError("has a row of another length than it says")
        return self._bytes(start, length)

    def _objects_of(self, address: int) -> dict[int, tuple[int, int]]:
        """Where each object of a collection begins and how long it is, by its index."""
        signature, _, size = COLLECTION.unpack(self._bytes(address, COLLECTION.size))
        if signature != SIGNATURE:
            raise DamagedError("has a row without its values")
        objects: dict[int, tuple[int, int]] = {}
        start, end = address + COLLECTION.size, min(address + size, self._size)
        while start + OBJECT.size <= end:
            index, _, length = OBJECT.unpack(self._bytes(start, OBJECT.size))
            start += OBJECT.size
            self._objects_left -= 1
            if index == 0:
                break
            if self._objects_left < 0 or len(objects) >= MOST_OBJECTS:
                raise DamagedError("has rows whose values overlap")
            objects[index] = start, length
            start += -(-length // 8) * 8
        return objects

    def _bytes(self, start: int, length: int) -> bytes:
        if start + length > self._size:
            raise DamagedError("is cut short")
        self._file.seek(start)
        data = self._file.read(length)
        if len(data) != length:
            raise DamagedError("is cut short")
        return data
