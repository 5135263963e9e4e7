"""What every kind of pack has: the file, its images, and what is said once about all of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.classes import checked_class_names
from ssd_keras.data.images import StoredImage
from ssd_keras.errors import InputError

VERSION = 2
"""Of the layout of packs; a pack of a higher version is not read. Version 1 has no file names and areas."""

LARGEST_LABELS = 1 << 28
"""Bytes of labels or names that are taken into memory; more than that is no data set for one machine."""

LARGEST_ABOUT = 1 << 25
"""Bytes of the JSON that says what is in a pack."""

LARGEST_IMAGE = 1 << 29
"""Bytes of one image."""

FINGERPRINT_BYTES = 16
"""Of what tells two samples apart while a pack is written."""

ENCODED = (0, 0)
"""Stands where (height, width) of an image's pixels would, if the image is encoded."""


class DamagedError(Exception):
    """A pack contradicts itself; the message completes a sentence that starts with its path."""

    advice = "write the pack anew"
    """What the user can do."""


class PackFile(NamedTuple):
    """A pack as it was when it was opened."""

    path: str
    size: int
    changed_ns: int

    @classmethod
    def at(cls, path: Path) -> PackFile:
        """Look at the file `path`."""
        stat = path.stat()
        return cls(str(path), stat.st_size, stat.st_mtime_ns)

    def check_unchanged(self) -> None:
        """Raise `InputError` where the file is another one by now, whose images would be taken for others."""
        if PackFile.at(Path(self.path)) != self:
            raise InputError(f"{self.path} was changed since it was opened: open the data set again")


@dataclass(frozen=True, slots=True)
class PackedImage(StoredImage):
    """An image of a pack.

    Attributes:
        pack: the file.
        number: of the image in it, from 0.
        image_id: of the sample.
        original: the name of the file that it was once in; empty where it came from none.
        size: (height, width) of pixels, or `ENCODED`.
        start: where its bytes begin, in bytes.
        length: how many they are.
    """

    pack: PackFile
    number: int
    image_id: str
    original: str
    size: tuple[int, int]
    start: int
    length: int

    @property
    def name(self) -> str:
        """What to call the image in messages."""
        return f"{self.pack.path}, image {self.number} ({self.image_id})"

    @property
    def file_name(self) -> str:
        """The name of the file that it was once in; empty where it came from none."""
        return self.original

    def unpacked(self, content: NDArray[np.uint8]) -> bytes | NDArray[np.uint8]:
        """Give what the file holds, flat uint8, as encoded bytes or as pixels (H, W, 3)."""
        return content.tobytes() if self.size == ENCODED else content.reshape(*self.size, 3)


@contextmanager
def reading(path: Path, kinds: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn what a damaged file makes a library raise (`kinds`) into one line."""
    try:
        yield
    except DamagedError as error:
        raise InputError(f"{path} {error}: {error.advice}") from error
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        reason = os.strerror(error.errno or 0)  # h5py's own words fill many lines
        raise InputError(f"{path} cannot be read ({reason}): check the path") from error
    except kinds as error:
        raise InputError(f"{path} is damaged ({first_line(error)}): write the pack anew") from error


def first_line(error: Exception) -> str:
    """Give the first line of what an error says."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def check_version(path: Path, version: int) -> None:
    """Raise `InputError` where a pack is of a version that is not known here."""
    if version > VERSION:
        raise InputError(f"{path} is a pack of version {version}, newer than {VERSION}: update ssd-keras")
    if version < 1:
        raise DamagedError(f"is a pack of version {version}")


# --- Class names and splits --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class About:
    """What is said once about a data set; the images of each split by their numbers in the pack."""

    class_names: tuple[str, ...]
    category_ids: tuple[int, ...] | None
    splits: Mapping[str, NDArray[np.int64]]

    def as_json(self) -> bytes:
        """Give it as packs hold it; `InputError` where that is more than a pack can hold."""
        content = {
            "class_names": list(self.class_names),
            "category_ids": None if self.category_ids is None else list(self.category_ids),
            "splits": {name: members.tolist() for name, members in self.splits.items()},
        }
        text = json.dumps(content, separators=(",", ":")).encode()
        if len(text) > LARGEST_ABOUT:
            raise InputError("a pack cannot hold splits of so many images: divide the data set into several")
        return text

    @classmethod
    def from_json(cls, text: bytes, images: int) -> About:
        """Read and check it; `DamagedError` where it is wrong. `images`: how many the pack has."""
        try:
            content = json.loads(text)
            names, ids = content["class_names"], content["category_ids"]
            splits = {name: _members(numbers, images) for name, numbers in content["splits"].items()}
            if not _is_list_of(str, names) or not (ids is None or _is_list_of(int, ids)):
                raise TypeError("class names are no texts, or category ids no numbers")
            checked = checked_class_names(names)
            if ids is not None and len(ids) != len(checked):
                raise ValueError(f"{len(ids)} category ids for {len(checked)} classes")
            return cls(checked, None if ids is None else tuple(ids), splits)
        except (InputError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise DamagedError(f"says nothing sensible of its classes and splits ({error})") from error


def _members(numbers: Any, images: int) -> NDArray[np.int64]:
    if not _is_list_of(int, numbers) or any(not 0 <= number < images for number in numbers):
        raise ValueError(f"a split names images that are not among the {images}")
    return np.array(numbers, np.int64)


def _is_list_of(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)
