"""Data sets as they lie on disk, a file per format with reader and writer side by side.

A new format is a file here with three functions, and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.data.readers.csv import read_csv, recognises_csv, write_csv
from ssd_keras.data.readers.voc import read_voc, recognises_voc, write_voc
from ssd_keras.data.samples import Dataset, Sample
from ssd_keras.errors import InputError


class Writer(Protocol):
    """Writes the samples of each split, taken one at a time, as a data set into a new folder."""

    def __call__(
        self,
        folder: Path,
        splits: Mapping[str, Iterable[Sample]],
        class_names: Sequence[str],
        /,
        jpeg_quality: int = ...,
    ) -> None:
        """Write it; `InputError` where that cannot be done."""


@dataclass(frozen=True)
class Format:
    """A format of data sets.

    Attributes:
        name: as in `ssd convert --to` and `Dataset.format`.
        looks_like: what to look for on disk, for people.
        recognises: tells by its content whether a path holds a data set of this format; raises nothing.
        read: reads it, with the class names in the order of their labels, or None for those in use.
        write: writes one.
    """

    name: str
    looks_like: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Sequence[str] | None], Dataset]
    write: Writer


FORMATS = (
    Format("voc", "a folder with Annotations/*.xml and JPEGImages/", recognises_voc, read_voc, write_voc),
    Format("csv", "a CSV file beside its images", recognises_csv, read_csv, write_csv),
)
"""All known formats; the first that recognises a path reads it."""


def open_dataset(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Open a data set in any known format, recognised by what the path contains.

    Args:
        path: a file or folder.
        class_names: the classes in the order of their labels; None: the names in use, sorted.

    Raises:
        InputError: there is nothing there, it is in no known format, no image is left that can be used, or an
            object has a class that is not in `class_names`.
    """
    path = Path(path)
    try:
        for known in FORMATS:
            if known.recognises(path):
                return known.read(path, class_names)
        raise InputError(f"{path} {_what_is_wrong(path)}")
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error


def _what_is_wrong(path: Path) -> str:
    if not path.exists():
        return "does not exist: check the path"
    expected = ", or ".join(known.looks_like for known in FORMATS)
    if not path.is_dir():
        return f"is no data set: give {expected}"
    content = list(path.iterdir())
    if not content:
        return f"is an empty folder: give {expected}"
    if any(file.suffix.lower() in IMAGE_SUFFIXES for file in content):
        return f"has images but no labels in a known format: give {expected}"
    return f"is in no known format: give {expected}"
