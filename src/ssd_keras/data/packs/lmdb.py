"""LMDB packs: one file (`subdir=False`) with two values for each image and one about all of them.

    image/0000000012    its encoded bytes, or its pixels, height × width × RGB uint8
    labels/0000000012   height, width of pixels (0, 0 where it is encoded), number of objects M, length of
                        its id in bytes, uint32 each; then boxes_px (M, 4) float32, labels (M,) int32,
                        difficult, crowd, truncated (M,) uint8 each, its id in UTF-8, and 16 bytes that tell
                        samples apart while the pack is written
    about               JSON: version, class_names, category_ids or null, splits {name: numbers of images}

Numbers are little-endian.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import lmdb
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
    reading,
)
from ssd_keras.data.packs.lmdb_file import Value, find_values, is_lmdb
from ssd_keras.data.packs.writing import FINGERPRINT_BYTES, Record, Settings, write_pack, writing_to
from ssd_keras.data.readers.writing import JPEG_QUALITY
from ssd_keras.data.samples import Dataset, GroundTruth, Sample
from ssd_keras.errors import InputError

ABOUT, VERSION_KEY, SETTINGS = b"about", b"version", b"settings"
IMAGE, LABELS = b"image/", b"labels/"

HEAD = struct.Struct("<IIII")
BYTES_PER_OBJECT = 4 * 4 + 4 + 3

FIRST_MAP_BYTES = 1 << 26

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
        places = _Places.of(path)
        _check_version(path, file, places)
        labels, sizes = _labels_of(_label_values(file, places.labels))
        lengths = np.array([image.length for image in places.images], np.int64)
        check_images(lengths, sizes)
        about = About.from_json(_read(file, places.others[ABOUT]), len(lengths))

    def image_at(number: int) -> LMDBImage:
        size = (int(sizes[number, 0]), int(sizes[number, 1]))
        return LMDBImage(pack, number, labels.image_ids[number], size, *places.images[number])

    with reading(path, READING_ERRORS):
        return assemble_pack(path, "lmdb", labels, about, image_at, class_names)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where everything is in the file: images and labels by their numbers, the rest by its keys."""

    images: list[Value]
    labels: list[Value]
    others: dict[bytes, Value]

    @classmethod
    def of(cls, path: Path) -> _Places:
        found = cls([], [], {})
        for key, value in find_values(path):
            if key in (ABOUT, VERSION_KEY, SETTINGS):
                found.others[key] = value
                continue
            values = found.labels if key.startswith(LABELS) else found.images
            if key != _key(LABELS if values is found.labels else IMAGE, len(values)):
                raise DamagedError(f"is an LMDB file, but no pack of images (it has a key {key[:40]!r})")
            values.append(value)
        if len(found.images) != len(found.labels):
            raise DamagedError(f"has {len(found.images)} images and labels of {len(found.labels)}")
        return found


def _key(prefix: bytes, number: int) -> bytes:
    return prefix + b"%010d" % number


def _check_version(path: Path, file: BinaryIO, places: _Places) -> None:
    if VERSION_KEY not in places.others:
        raise InputError(
            f"{path} is an LMDB file, but no pack of images: give one of 'ssd convert --to lmdb'"
        )
    version = int(_read(file, places.others[VERSION_KEY]))
    if version > VERSION:
        raise InputError(f"{path} is a pack of version {version}, newer than {VERSION}: update ssd-keras")
    if ABOUT not in places.others:
        raise DamagedError("is not complete")


def _read(file: BinaryIO, value: Value, largest: int = LARGEST_ABOUT) -> bytes:
    if value.length > largest:
        raise DamagedError(f"has a value of {value.length} bytes, which is more than it may have")
    file.seek(value.start)
    data = file.read(value.length)
    if len(data) != value.length:
        raise DamagedError("is cut short")
    return data


def _label_values(file: BinaryIO, places: Sequence[Value]) -> Iterator[bytes]:
    if sum(place.length for place in places) > LARGEST_LABELS:
        raise DamagedError("has more labels than it may have")
    return (_read(file, place) for place in places)


def _labels_of(values: Iterable[bytes]) -> tuple[PackLabels, NDArray[np.int64]]:
    """The labels of all images, and the sizes (N, 2) of those that are stored as pixels."""
    heads: list[tuple[int, ...]] = []
    ids: list[str] = []
    columns: tuple[list[bytes], ...] = ([], [], [], [], [])
    for value in values:
        if len(value) < HEAD.size:
            raise DamagedError("has labels that are cut short")
        head = HEAD.unpack_from(value)
        _, _, objects, id_length = head
        id_start = HEAD.size + objects * BYTES_PER_OBJECT
        if id_start + id_length + FINGERPRINT_BYTES != len(value):
            raise DamagedError("has labels of another length than they say")
        heads.append(head)
        ids.append(value[id_start : id_start + id_length].decode(errors="surrogatepass"))
        start = HEAD.size
        for column, width in zip(columns, (16, 4, 1, 1, 1), strict=True):
            column.append(value[start : start + width * objects])
            start += width * objects
    boxes, labels, *flags = (b"".join(column) for column in columns)
    numbers = np.array(heads, np.int64).reshape(-1, 4)
    difficult, crowd, truncated = (np.frombuffer(flag, np.uint8).astype(bool) for flag in flags)
    packed = PackLabels(
        ids,
        numbers[:, 2],
        np.frombuffer(boxes, "<f4").astype(np.float32).reshape(-1, 4),
        np.frombuffer(labels, "<i4").astype(np.int32),
        difficult,
        crowd,
        truncated,
    )
    return packed, numbers[:, :2]


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
    write_pack(_Store, file, splits, class_names, Settings(pixels, size, jpeg_quality), category_ids)


class _Store:
    """An unfinished LMDB pack. What a transaction wrote is there completely or not at all."""

    def __init__(self, path: Path, settings: str) -> None:
        self._path = path
        digest = hashlib.sha256(settings.encode()).hexdigest().encode()
        with writing_to(path, lmdb.Error):
            found = self._found(digest)
            self.fingerprints = [] if found is None else found
            if found is None:
                path.unlink(missing_ok=True)
            self._environment = lmdb.open(
                str(path), subdir=False, lock=False, map_size=max(FIRST_MAP_BYTES, 2 * self._size())
            )
            if found is None:
                self._write({VERSION_KEY: b"%d" % VERSION, SETTINGS: digest})

    def keep(self, count: int) -> None:
        """Drop all samples but the first `count`."""
        superfluous = range(count, len(self.fingerprints))
        if superfluous:
            with writing_to(self._path, lmdb.Error):
                self._write(
                    {}, [_key(prefix, number) for number in superfluous for prefix in (IMAGE, LABELS)]
                )
            del self.fingerprints[count:]

    def append(self, records: Sequence[Record]) -> None:
        """Add samples; they are safe when this returns."""
        values: dict[bytes, bytes] = {}
        for number, record in enumerate(records, len(self.fingerprints)):
            values[_key(IMAGE, number)] = record.image
            values[_key(LABELS, number)] = _label_value(record)
        with writing_to(self._path, lmdb.Error):
            self._write(values)
        self.fingerprints += [record.fingerprint for record in records]

    def finish(self, about: bytes) -> None:
        """Add what is said once, and mark the pack as complete."""
        with writing_to(self._path, lmdb.Error):
            self._write({ABOUT: about}, [SETTINGS])

    def close(self) -> None:
        """Close the file."""
        self._environment.close()

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def _found(self, settings: bytes) -> list[bytes] | None:
        """The fingerprints of what an interrupted writing left; None where that is of no use."""
        if not self._path.exists():
            return None
        with suppress(DamagedError), self._path.open("rb") as file:
            places = _Places.of(self._path)
            if SETTINGS in places.others and _read(file, places.others[SETTINGS]) == settings:
                return [value[-FINGERPRINT_BYTES:] for value in _label_values(file, places.labels)]
        return None

    def _write(self, values: Mapping[bytes, bytes], superfluous: Iterable[bytes] = ()) -> None:
        """Put and delete in one transaction; the map grows until it is large enough."""
        superfluous = list(superfluous)
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key in superfluous:
                        transaction.delete(key)
                    for key, value in values.items():
                        transaction.put(key, value)
                return
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])


def _label_value(record: Record) -> bytes:
    truth: GroundTruth = record.truth
    columns = (
        truth.boxes_px.astype("<f4"),
        truth.labels.astype("<i4"),
        *(flag.astype(np.uint8) for flag in (truth.difficult, truth.crowd, truth.truncated)),
    )
    head = HEAD.pack(*record.size, len(truth), len(record.image_id))
    return b"".join([head, *(column.tobytes() for column in columns), record.image_id, record.fingerprint])
