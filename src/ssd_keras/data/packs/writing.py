"""Writing a pack: image by image, complete or not there at all, and to be continued where it was interrupted.

A pack is written as `unfinished-NAME` and gets its name at the end. When the same pack is written again after
an interruption, samples that lie in the unfinished file already are passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import px_to_relative, relative_to_px
from ssd_keras.classes import checked_class_names
from ssd_keras.data.images import StoredImage, encoded_bytes, loaded, read_image, resize_image
from ssd_keras.data.packs.contents import ENCODED, LARGEST_IMAGE, VERSION, About, first_line
from ssd_keras.data.readers.writing import as_jpeg, fingerprint_of
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

FLUSH_BYTES, FLUSH_IMAGES = 1 << 25, 1000
"""After so much the images are written and safe."""

FINGERPRINT_BYTES = 16


class Record(NamedTuple):
    """One sample as it is stored: flat bytes, and (height, width) of pixels or `ENCODED`."""

    image: bytes
    size: tuple[int, int]
    image_id: bytes
    truth: GroundTruth
    fingerprint: bytes


class PackStore(Protocol):
    """An unfinished pack on disk, opened for writing."""

    fingerprints: list[bytes]
    """Of the samples that lie in it safely, in order."""

    def keep(self, count: int) -> None:
        """Drop all samples but the first `count`."""

    def append(self, records: Sequence[Record]) -> None:
        """Add samples; they are safe when this returns."""

    def finish(self, about: bytes) -> None:
        """Add what is said once, and mark the pack as complete."""

    def close(self) -> None:
        """Close the file."""


@dataclass(frozen=True)
class Settings:
    """How images are stored: see `write_hdf5`."""

    pixels: bool
    size: tuple[int, int] | None
    jpeg_quality: int

    def __post_init__(self) -> None:
        if self.size is not None and not (
            len(self.size) == 2 and min(self.size) > 0 and 3 * self.size[0] * self.size[1] <= LARGEST_IMAGE
        ):
            raise InputError(f"images cannot have the size {self.size}: give height and width in pixels")


def write_pack(
    open_store: Callable[[Path, str], PackStore],
    file: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    settings: Settings,
    category_ids: Sequence[int] | None,
) -> None:
    """Write a pack; `open_store` opens an unfinished file, to be continued if it has these settings."""
    names, target = checked_class_names(class_names), Path(file)
    ids = None if category_ids is None else tuple(int(number) for number in category_ids)
    if ids is not None and len(ids) != len(names):
        raise InputError(f"{len(ids)} category ids for {len(names)} classes: give one for each class")
    with writing_to(target):
        if target.exists():
            raise InputError(f"{target} exists already: name a new file, or remove it")
        target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"unfinished-{target.name}")
    store = open_store(unfinished, json.dumps([VERSION, names, ids, vars(settings)]))
    try:
        samples = _Samples(store, settings, len(names))
        try:
            members = {name: samples.add_all(split) for name, split in splits.items()}
        finally:
            samples.flush()  # also what was taken before an interruption
        store.keep(samples.count)
        store.finish(About(names, ids, members).as_json())
    finally:
        store.close()
    with writing_to(target):
        _settle(unfinished, target)


class _Samples:
    """Puts samples into a store, each once, and knows their numbers."""

    def __init__(self, store: PackStore, settings: Settings, classes: int) -> None:
        self._store = store
        self._settings = settings
        self._classes = classes
        self._numbers: dict[bytes, int] = {}
        self._pending: list[Record] = []
        self._pending_bytes = 0
        self._stored = list(store.fingerprints)

    @property
    def count(self) -> int:
        """How many distinct samples there were."""
        return len(self._numbers)

    def add_all(self, samples: Iterable[Sample]) -> NDArray[np.int64]:
        """Store what is not stored yet, and give the number of each sample."""
        return np.fromiter((self._add(sample) for sample in samples), np.int64)

    def flush(self) -> None:
        """Write what is pending."""
        records, self._pending, self._pending_bytes = self._pending, [], 0
        if records:  # no longer pending: what an interruption cuts short is not to be added twice
            self._store.append(records)

    def _add(self, sample: Sample) -> int:
        fingerprint = _fingerprint(sample)
        known = self._numbers.get(fingerprint)
        if known is not None:
            return known
        number = self.count
        if number >= len(self._stored) or self._stored[number] != fingerprint:
            self._store_anew(sample, number, fingerprint)
        self._numbers[fingerprint] = number
        return number

    def _store_anew(self, sample: Sample, number: int, fingerprint: bytes) -> None:
        if number < len(self._stored):  # what was interrupted was of other samples from here on
            self._store.keep(number)
            del self._stored[number:]
        record = _record(sample, self._settings, self._classes, fingerprint)
        self._pending.append(record)
        self._pending_bytes += len(record.image)
        if self._pending_bytes >= FLUSH_BYTES or len(self._pending) >= FLUSH_IMAGES:
            self.flush()


def _fingerprint(sample: Sample) -> bytes:
    """What makes two samples the same, in one writing and in the one that continues it."""
    digest = hashlib.blake2b(fingerprint_of(sample), digest_size=FINGERPRINT_BYTES)
    if isinstance(sample.image, StoredImage):
        digest.update(repr(sample.image).encode(errors="surrogatepass"))
    if isinstance(sample.image, Path):
        with suppress(OSError):  # reading the file says what is wrong
            stat = sample.image.stat()
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.digest()


def _record(sample: Sample, settings: Settings, classes: int, fingerprint: bytes) -> Record:
    labels = sample.ground_truth.labels
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(f"{sample.name} has a label that is none of the {classes} classes: name all classes")
    content, size, truth = _packed(sample, settings)
    if len(content) > LARGEST_IMAGE:
        raise InputError(f"{sample.name} is too large for a pack: make it smaller")
    image_id = sample.image_id.encode(errors="surrogatepass")
    return Record(content, size, image_id, truth, fingerprint)


def _packed(sample: Sample, settings: Settings) -> tuple[bytes, tuple[int, int], GroundTruth]:
    """The bytes to store, (height, width) of pixels or `ENCODED`, and the ground truth with them."""
    image, truth = loaded(sample.image), sample.ground_truth
    if not (settings.pixels or settings.size or isinstance(image, np.ndarray)):
        return encoded_bytes(image), ENCODED, truth
    pixels = read_image(image, name=sample.name)
    if settings.size is not None:
        truth = _scaled(truth, (pixels.shape[0], pixels.shape[1]), settings.size)
        pixels = resize_image(pixels, settings.size)
    if not settings.pixels:
        return as_jpeg(pixels, settings.jpeg_quality), ENCODED, truth
    return pixels.tobytes(), (pixels.shape[0], pixels.shape[1]), truth


def _scaled(truth: GroundTruth, size: tuple[int, int], new_size: tuple[int, int]) -> GroundTruth:
    if size == new_size:
        return truth
    return replace(truth, boxes_px=relative_to_px(px_to_relative(truth.boxes_px, size), new_size))


@contextmanager
def writing_to(file: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what is raised where a file cannot be written (`OSError` and `kinds`) into one line."""
    errors: tuple[type[Exception], ...] = (OSError, *kinds)
    try:
        yield
    except errors as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else first_line(error)
        raise InputError(
            f"{file} cannot be written ({reason}): check its folder and the free space"
        ) from error


def _settle(unfinished: Path, target: Path) -> None:
    """Give a complete pack its name, once its bytes are on the disk."""
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    unfinished.replace(target)
