"""Writing an LMDB pack, so that it can be continued where it was interrupted; see `lmdb` for its values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import lmdb

from ssd_keras.data.packs.contents import FINGERPRINT_BYTES, LARGEST_LABELS, VERSION, DamagedError
from ssd_keras.data.packs.lmdb_file import is_lmdb
from ssd_keras.data.packs.lmdb_layout import (
    ABOUT,
    IMAGE,
    LABELS,
    SETTINGS,
    VERSION_KEY,
    NoPackError,
    Places,
    key_of,
    label_value,
    label_values,
    read_value,
)
from ssd_keras.data.packs.unfinished import foreign_file, writing_to
from ssd_keras.data.packs.writing import Record, too_many_labels

FIRST_MAP_BYTES = 1 << 26


class LMDBStore:
    """An unfinished LMDB pack, a `PackStore`. What a transaction wrote is there completely or not at all."""

    def __init__(self, path: Path, settings: str) -> None:
        self._path = path
        digest = hashlib.sha256(settings.encode()).hexdigest().encode()
        with writing_to(path, lmdb.Error):
            found = self._found(digest)
            self.fingerprints, self._label_bytes = found or ([], [])
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
                    {}, [key_of(prefix, number) for number in superfluous for prefix in (IMAGE, LABELS)]
                )
            del self.fingerprints[count:], self._label_bytes[count:]

    def append(self, records: Sequence[Record]) -> None:
        """Add samples; they are safe when this returns."""
        values: dict[bytes, bytes] = {}
        labels = [label_value(record) for record in records]
        lengths = [*self._label_bytes, *map(len, labels)]
        if sum(lengths) > LARGEST_LABELS:
            raise too_many_labels()
        for number, record in enumerate(records):
            values[key_of(IMAGE, len(self.fingerprints) + number)] = record.image
            values[key_of(LABELS, len(self.fingerprints) + number)] = labels[number]
        with writing_to(self._path, lmdb.Error):
            self._write(values)
        self._label_bytes = lengths
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

    def _found(self, settings: bytes) -> tuple[list[bytes], list[int]] | None:
        """What an interrupted writing left: fingerprints, and bytes of labels; None where it is of no use.

        Raises:
            InputError: the file is no unfinished pack.
        """
        if not self._path.exists():
            return None
        try:
            places = self._places()
            if places is None or SETTINGS not in places.others:
                return None
            with self._path.open("rb") as file:
                if read_value(file, places.others[SETTINGS]) != settings:
                    return None
                values = list(label_values(file, places.labels))
            return [value[-FINGERPRINT_BYTES:] for value in values], [len(value) for value in values]
        except DamagedError:
            return None

    def _places(self) -> Places | None:
        """Where everything is in the unfinished file; None where it has nothing."""
        if not self._path.is_file():
            raise foreign_file(self._path)
        if not self._path.stat().st_size:
            return None
        with self._path.open("rb") as file:
            if not is_lmdb(file):
                raise foreign_file(self._path)
        try:
            places = Places.of(self._path)
        except NoPackError as error:
            raise foreign_file(self._path) from error
        is_empty = not (places.images or places.others)
        if ABOUT in places.others or (VERSION_KEY not in places.others and not is_empty):
            raise foreign_file(self._path)
        return places

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
