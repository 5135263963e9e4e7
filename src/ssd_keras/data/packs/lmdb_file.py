"""Where the values of an LMDB file are, found without the library.

The library maps a file into memory and trusts every number in it: a damaged or cut file ends the process.
Here each number is checked before it is followed. What comes out is where each value begins and how long it
is; values are then read as parts of any file are, by any number of threads and processes.

Layout (LMDB 0.9, 64 bits, little-endian): pages of one size; the first two are meta pages, of which the one
with the higher transaction id counts. It names the root page of a B+ tree. A page begins with a header (page
number, flags, end of the list of its nodes), then come the places of its nodes. A node of a branch names a
page; one of a leaf holds key and value, or the number of the page where a large value begins.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ssd_keras.data.packs.contents import DamagedError

MAGIC_BYTES = 0xBEEFC0DE.to_bytes(4, "little")
DATA_VERSION = 1
HEADER = struct.Struct("<QHHHH")
"""Of a page: its number, padding, flags, end of the list of nodes, start of the nodes."""
NEWER_HEADER_BYTES = 24
"""What LMDB 1.0 has for it."""
META = struct.Struct("<4sI16x4s44x48s8xQ")
"""Behind the header: magic, version, page size (in the record of free pages), main tree, transaction id."""
TREE = struct.Struct("<IHHQQQQQ")
"""Padding, flags, depth, branch, leaf and overflow pages, entries, root."""
NODE = struct.Struct("<HHHH")
"""Two parts of a number, flags, length of the key."""
PAGE_NUMBER = struct.Struct("<Q")

BRANCH, LEAF = 0x01, 0x02
LARGE_VALUE = 0x01
NO_PAGE = (1 << 64) - 1
DEEPEST = 32
PAGE_SIZES = tuple(1 << exponent for exponent in range(9, 17))


class Value(NamedTuple):
    """Where a value is in the file, in bytes."""

    start: int
    length: int


def is_lmdb(file: BinaryIO) -> bool:
    """Tell whether a file begins as those of LMDB do, of this layout or a newer one."""
    file.seek(0)
    head = file.read(NEWER_HEADER_BYTES + len(MAGIC_BYTES))
    return any(head[place:].startswith(MAGIC_BYTES) for place in (HEADER.size, NEWER_HEADER_BYTES))


def find_values(path: Path) -> Iterator[tuple[bytes, Value]]:
    """Give each key and its value's place, in the order of the keys.

    Raises:
        DamagedError: the file is no LMDB file, is of another layout, or contradicts itself.
    """
    with path.open("rb") as file:
        yield from _Pages(file, path.stat().st_size).values()


class _Pages:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._bytes = size
        self._page_size, self._root, self._entries = self._newest_tree()
        self._visits_left = size // self._page_size

    def values(self) -> Iterator[tuple[bytes, Value]]:
        """Walk through the tree."""
        found, last = 0, b""
        for key, value in self._values_below(self._root, 1) if self._root != NO_PAGE else ():
            if key <= last or value.start + value.length > self._bytes:
                raise DamagedError("is cut short, or its keys are not in order")
            found, last = found + 1, key
            yield key, value
        if found != self._entries:
            raise DamagedError(f"has {found} of {self._entries} entries")

    def _newest_tree(self) -> tuple[int, int, int]:
        """The size of a page, and root and number of entries of the tree that was last written."""
        page_size, *first = self._tree(0)
        other_size, *second = self._tree(page_size)
        if page_size != other_size:
            raise DamagedError("has a damaged head")
        _, root, entries = max(first, second)
        return page_size, root, entries

    def _tree(self, start: int) -> tuple[int, int, int, int]:
        """Page size, transaction id, root and number of entries of the meta page that begins at `start`."""
        data = self._read(start + HEADER.size, META.size)
        magic, version, page_size, tree, transaction = META.unpack(data)
        if magic != MAGIC_BYTES and data[NEWER_HEADER_BYTES - HEADER.size :].startswith(MAGIC_BYTES):
            raise DamagedError("is of a newer LMDB than packs are written with")
        if magic != MAGIC_BYTES:
            raise DamagedError("has a damaged head")
        if version != DATA_VERSION:
            raise DamagedError(f"is an LMDB file of data version {version}, not {DATA_VERSION}")
        _, flags, _, _, _, _, entries, root = TREE.unpack(tree)
        size = int.from_bytes(page_size, "little")
        if size not in PAGE_SIZES or flags:
            raise DamagedError("has a damaged head")
        return size, transaction, root, entries

    def _values_below(self, number: int, depth: int) -> Iterator[tuple[bytes, Value]]:
        self._visits_left -= 1
        if self._visits_left < 0 or depth > DEEPEST:
            raise DamagedError("has pages that lead in a circle")
        start = number * self._page_size
        page = self._read(start, self._page_size)
        stated, _, kind, lower, _ = HEADER.unpack_from(page)
        if stated != number or kind not in (BRANCH, LEAF) or not HEADER.size <= lower <= len(page):
            raise DamagedError("has a damaged page")
        for place in struct.unpack_from(f"<{(lower - HEADER.size) // 2}H", page, HEADER.size):
            low, high, flags, key_length = self._unpacked(NODE, page, place)
            if kind == BRANCH:
                yield from self._values_below(low | high << 16 | flags << 32, depth + 1)
                continue
            key_end = place + NODE.size + key_length
            length = low | high << 16
            if flags == LARGE_VALUE:
                (first,) = self._unpacked(PAGE_NUMBER, page, key_end)
                yield (
                    page[key_end - key_length : key_end],
                    Value(first * self._page_size + HEADER.size, length),
                )
            elif flags == 0 and key_end + length <= len(page):
                yield page[key_end - key_length : key_end], Value(start + key_end, length)
            else:
                raise DamagedError("has a damaged page, or was not written by ssd-keras")

    def _unpacked(self, layout: struct.Struct, page: bytes, place: int) -> tuple[int, ...]:
        if place + layout.size > len(page):
            raise DamagedError("has a damaged page")
        return layout.unpack_from(page, place)

    def _read(self, start: int, length: int) -> bytes:
        if start + length > self._bytes:
            raise DamagedError("is cut short")
        self._file.seek(start)
        data = self._file.read(length)
        if len(data) != length:
            raise DamagedError("is cut short")
        return data
