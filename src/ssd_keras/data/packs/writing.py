"""Writing a pack: image by image, complete or not there at all, and to be continued where it was interrupted.

A pack is written as `unfinished-NAME` and gets its name at the end. When the same pack is written again after
an interruption, samples that lie in the unfinished file already are passed over. What a reader would refuse
is refused here.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import px_to_relative, relative_to_px
from ssd_keras.classes import checked_class_names
from ssd_keras.data.images import StoredImage, encoded_bytes, loaded, read_image, resize_image
from ssd_keras.data.packs.contents import ENCODED, FINGERPRINT_BYTES, LARGEST_IMAGE, VERSION, About
from ssd_keras.data.packs.unfinished import settle, unfinished_name, writing_to, written_by_us_alone
from ssd_keras.data.readers.category_ids import checked_category_ids
from ssd_keras.data.readers.image_finding import size_of_written
from ssd_keras.data.readers.writing import as_jpeg, fingerprint_of
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

FLUSH_BYTES, FLUSH_IMAGES = 1 << 25, 1000
"""After so much the images are written and safe."""


class Record(NamedTuple):
    """One sample as it is stored: flat bytes, and (height, width) of pixels or `ENCODED`."""

    image: bytes
    size: tuple[int, int]
    image_id: bytes
    file_name: bytes
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
    ids = checked_category_ids(category_ids, names)
    _refuse_taken(target)
    with writing_to(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_name(target)
    with written_by_us_alone(unfinished):
        _refuse_taken(target)  # by another process, meanwhile
        store = open_store(unfinished, json.dumps([VERSION, names, ids, vars(settings)]))
        try:
            images = _fill(store, splits, names, ids, settings)
        finally:
            store.close()
        with writing_to(target):
            if not images:
                unfinished.unlink()
                raise InputError(f"there is no image to be written to {target}: add labelled images")
            settle(unfinished, target)


def too_many_labels() -> InputError:
    """Say that the labels would be more than a reader takes into memory."""
    return InputError("a pack cannot hold labels of so many objects: divide the data set into several")


def _refuse_taken(target: Path) -> None:
    with writing_to(target):
        if target.exists():
            raise InputError(f"{target} exists already: name a new file, or remove it")


def _fill(
    store: PackStore,
    splits: Mapping[str, Iterable[Sample]],
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...] | None,
    settings: Settings,
) -> int:
    """Put all samples into a pack, complete it, and give their number."""
    samples = _Samples(store, settings, len(class_names))
    try:
        members = {name: samples.add_all(split) for name, split in splits.items()}
    finally:
        samples.flush()  # also what was taken before an interruption
    store.keep(samples.count)
    store.finish(About(class_names, category_ids, members).as_json())
    return samples.count


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
    image_id, file_name = (t.encode(errors="surrogatepass") for t in (sample.image_id, _file_name(sample)))
    return Record(content, size, image_id, file_name, truth, fingerprint)


def _file_name(sample: Sample) -> str:
    """The name of the file that an image is or once was in: folders made of the pack have it again."""
    if isinstance(sample.image, StoredImage):
        return sample.image.file_name
    return sample.image.name if isinstance(sample.image, Path) else ""


def _packed(sample: Sample, settings: Settings) -> tuple[bytes, tuple[int, int], GroundTruth]:
    """The bytes to store, (height, width) of pixels or `ENCODED`, and the ground truth with them."""
    image, truth = loaded(sample.image), sample.ground_truth
    if not (settings.pixels or settings.size or isinstance(image, np.ndarray)):
        content = encoded_bytes(image)
        size_of_written(content, sample.name)
        return content, ENCODED, truth
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
    boxes_px = relative_to_px(px_to_relative(truth.boxes_px, size), new_size)
    return replace(truth, boxes_px=boxes_px, areas=truth.areas * math.prod(new_size) / math.prod(size))
