"""Dividing images into shards, whatever the number of workers, and leaving out what is done."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from ssd_keras.bulk.places import without_passwords
from ssd_keras.errors import InputError

SHARD_SIZE = 512
"""Images of a shard: what is done again after a kill, and what a Parquet file of results holds."""


@dataclass(frozen=True)
class Shard:
    """Images that one worker looks at, and whose results are one file.

    Attributes:
        number: of the shard in the order of the images, from 0.
        images: their names, which need not be text: those of files are bytes on most systems.
    """

    number: int
    images: tuple[bytes, ...]

    @property
    def file_name(self) -> str:
        """The name of the file of its results: the same for the same images at the same place."""
        digest = hashlib.blake2b(b"\0".join(self.images), digest_size=8).hexdigest()
        return f"part-{self.number:08d}-{digest}.parquet"


def shown(image: bytes) -> str:
    """Give the name of an image as text, with what is no UTF-8 as Python writes it, without a password."""
    return without_passwords(image.decode(errors="backslashreplace"))


def divide(names: Iterable[str], size: int, done: Iterable[Iterable[str]] = ()) -> Iterator[Shard]:
    """Divide images into shards, one after the other as they are listed.

    Of each `size` neighbours those that are not done make a shard, if there are any. So the shards of a run
    that was interrupted are those of one that was not. An image that is named twice is only in the first of
    its shards.

    Args:
        names: of all images.
        size: images of a shard.
        done: names of images as `shown`, which are left out.
    """
    with _Known() as known:
        for some in done:
            known.add(some)
        remaining = iter(names)
        number = 0
        while chunk := [os.fsencode(name) for name in islice(remaining, size)]:
            new = known.add(map(shown, chunk))
            images = tuple(image for image, is_new in zip(chunk, new, strict=True) if is_new)
            if images:
                yield Shard(number, images)
            number += 1


class _Known:
    """Names that were seen, on a disk: memory does not grow with their number."""

    def __init__(self) -> None:
        try:
            self._names = sqlite3.connect("")  # a temporary file, which goes with the connection
            self._names.execute("PRAGMA journal_mode = OFF")
            self._names.execute("CREATE TABLE known (name TEXT PRIMARY KEY) WITHOUT ROWID")
        except sqlite3.Error as error:
            raise _no_room(error) from error

    def __enter__(self) -> _Known:
        return self

    def __exit__(self, *_: object) -> None:
        self._names.close()

    def add(self, names: Iterable[str]) -> list[bool]:
        """Remember names; tell which were not known before."""
        insert = "INSERT OR IGNORE INTO known VALUES (?)"
        try:
            return [self._names.execute(insert, (name,)).rowcount == 1 for name in names]
        except sqlite3.Error as error:
            raise _no_room(error) from error


def _no_room(error: sqlite3.Error) -> InputError:
    return InputError(
        f"the names of the images do not fit into the folder of temporary files ({error}): make room there, "
        "or choose another with SQLITE_TMPDIR"
    )
