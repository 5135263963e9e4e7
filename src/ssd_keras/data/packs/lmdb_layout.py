"""The values of an LMDB pack: their keys, and the labels of one image as bytes; see `lmdb`."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.packs.contents import (
    FINGERPRINT_BYTES,
    LARGEST_ABOUT,
    LARGEST_LABELS,
    VERSION,
    DamagedError,
)
from ssd_keras.data.packs.labels import PackLabels
from ssd_keras.data.packs.lmdb_file import Value, find_values
from ssd_keras.data.packs.writing import Record

ABOUT, VERSION_KEY, SETTINGS = b"about", b"version", b"settings"
IMAGE, LABELS = b"image/", b"labels/"

HEADS = {1: struct.Struct("<IIII"), VERSION: struct.Struct("<IIIII")}
"""How the labels of an image begin, by version; see the table in `lmdb`."""
COLUMN_BYTES = {1: (16, 4, 1, 1, 1), VERSION: (16, 4, 1, 1, 1, 8)}
"""Of each object: box, label, three flags and area, by version."""


class NoPackError(DamagedError):
    """An LMDB file is that of another program."""

    advice = "give the images and labels that it was made of; Caffe's LMDB files, for one, are not read"


@dataclass(frozen=True, eq=False)
class Places:
    """Where everything is in the file: images and labels by their numbers, the rest by its keys."""

    images: list[Value]
    labels: list[Value]
    others: dict[bytes, Value]

    @classmethod
    def of(cls, path: Path) -> Places:
        """Find them; `DamagedError` where something is wrong, `NoPackError` where the keys are not ours."""
        found = cls([], [], {})
        for key, value in find_values(path):
            if key in (ABOUT, VERSION_KEY, SETTINGS):
                found.others[key] = value
                continue
            values = found.labels if key.startswith(LABELS) else found.images
            if key != key_of(LABELS if values is found.labels else IMAGE, len(values)):
                raise NoPackError(f"is an LMDB file, but no pack of images (it has a key {key[:40]!r})")
            values.append(value)
        if len(found.images) != len(found.labels):
            raise DamagedError(f"has {len(found.images)} images and labels of {len(found.labels)}")
        return found


def key_of(prefix: bytes, number: int) -> bytes:
    """Give the key of the image `number`, or of its labels."""
    return prefix + b"%010d" % number


def read_value(file: BinaryIO, value: Value, largest: int = LARGEST_ABOUT) -> bytes:
    """Read a value; `DamagedError` where it is larger than it may be, or not all there."""
    if value.length > largest:
        raise DamagedError(f"has a value of {value.length} bytes, which is more than it may have")
    file.seek(value.start)
    data = file.read(value.length)
    if len(data) != value.length:
        raise DamagedError("is cut short")
    return data


def label_values(file: BinaryIO, places: Sequence[Value]) -> Iterator[bytes]:
    """Read the labels of all images, one at a time; `DamagedError` where they are too many."""
    if sum(place.length for place in places) > LARGEST_LABELS:
        raise DamagedError("has more labels than it may have")
    return (read_value(file, place) for place in places)


def label_value(record: Record) -> bytes:
    """Give the labels of one image as bytes."""
    truth = record.truth
    columns = (
        truth.boxes_px.astype("<f4"),
        truth.labels.astype("<i4"),
        *(flag.astype(np.uint8) for flag in (truth.difficult, truth.crowd, truth.truncated)),
        truth.areas.astype("<f8"),
    )
    texts = record.image_id, record.file_name
    head = HEADS[VERSION].pack(*record.size, len(truth), *map(len, texts))
    return b"".join([head, *(column.tobytes() for column in columns), *texts, record.fingerprint])


def labels_of(values: Iterable[bytes], version: int) -> tuple[PackLabels, list[str], NDArray[np.int64]]:
    """Give the labels of all images, the names of their files, and the sizes (N, 2) of pixels."""
    layout, widths = HEADS[version], COLUMN_BYTES[version]
    heads: list[tuple[int, ...]] = []
    ids: list[str] = []
    names: list[str] = []
    columns: tuple[list[bytes], ...] = tuple([] for _ in widths)
    for value in values:
        if len(value) < layout.size:
            raise DamagedError("has labels that are cut short")
        height, width, objects, id_length, *more = layout.unpack_from(value)
        start = layout.size + objects * sum(widths)
        middle = start + id_length
        end = middle + sum(more)
        if end + FINGERPRINT_BYTES != len(value):
            raise DamagedError("has labels of another length than they say")
        heads.append((height, width, objects))
        ids.append(value[start:middle].decode(errors="surrogatepass"))
        names.append(value[middle:end].decode(errors="surrogatepass"))
        place = layout.size
        for column, item_bytes in zip(columns, widths, strict=True):
            column.append(value[place : place + item_bytes * objects])
            place += item_bytes * objects
    numbers = np.array(heads, np.int64).reshape(-1, 3)
    return _flat_labels(ids, numbers[:, 2], columns), names, numbers[:, :2]


def _flat_labels(
    ids: Sequence[str], objects: NDArray[np.int64], columns: Iterable[Sequence[bytes]]
) -> PackLabels:
    boxes, labels, *more = (b"".join(column) for column in columns)
    difficult, crowd, truncated = (np.frombuffer(flag, np.uint8).astype(bool) for flag in more[:3])
    return PackLabels(
        ids,
        objects,
        np.frombuffer(boxes, "<f4").astype(np.float32).reshape(-1, 4),
        np.frombuffer(labels, "<i4").astype(np.int32),
        difficult,
        crowd,
        truncated,
        areas=np.frombuffer(more[3], "<f8").astype(np.float64) if more[3:] else None,
    )
