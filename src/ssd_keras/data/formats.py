"""All formats of data sets, and opening one of any of them.

A new format is a file in `readers/` that recognises, reads and writes it, and one entry in `FORMATS`.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.data.packs.hdf5 import read_hdf5, recognises_hdf5, write_hdf5
from ssd_keras.data.packs.lmdb import read_lmdb, recognises_lmdb, write_lmdb
from ssd_keras.data.readers.coco import read_coco, recognises_coco, write_coco
from ssd_keras.data.readers.csv import read_csv, recognises_csv, write_csv
from ssd_keras.data.readers.image_finding import image_files
from ssd_keras.data.readers.pickle import read_pickle, recognises_pickle
from ssd_keras.data.readers.pickling import write_pickle
from ssd_keras.data.readers.split_names import SPLIT_FOLDERS
from ssd_keras.data.readers.voc import read_voc, recognises_voc, write_voc
from ssd_keras.data.readers.yolo import read_yolo, recognises_yolo, write_yolo
from ssd_keras.data.samples import Dataset, Problem
from ssd_keras.data.selection import merge_datasets, only_classes, without_marked
from ssd_keras.errors import InputError

Writer = Callable[..., None]
"""Writes a data set: `writer(target, splits, class_names, jpeg_quality=..., category_ids=..., ...)`.

`target` is a new folder or file, `splits` a mapping from names to samples, which are taken one at a time;
further arguments are as the attributes of its `Format` say. Raises `InputError` where it cannot be done.
"""


@dataclass(frozen=True)
class Format:
    """A format of data sets.

    Attributes:
        name: as in `ssd convert --to` and `Dataset.format`.
        looks_like: what to look for on disk, for people, behind "give".
        recognises: tells by its content whether a path holds a data set of this format; raises nothing.
        read: reads it, with the class names in the order of their labels, or None for those in use.
        write: writes one.
        forces: what the format changes in what is written, as the end of a sentence; empty if nothing.
        is_pack: it is one file with the images inside, written with `pixels` and `size` as further arguments.
    """

    name: str
    looks_like: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Sequence[str] | None], Dataset]
    write: Writer
    forces: str = ""
    is_pack: bool = False


FORMATS = (
    Format("voc", "VOC (Annotations/*.xml, JPEGImages/)", recognises_voc, read_voc, write_voc),
    Format(
        "coco",
        "COCO (annotations/*.json)",
        recognises_coco,
        read_coco,
        write_coco,
        forces="images are called by numbers; difficult and truncated are keys that other programs ignore",
    ),
    Format(
        "yolo",
        "YOLO (labels/*.txt, data.yaml)",
        recognises_yolo,
        read_yolo,
        write_yolo,
        forces="boxes come back to 1/1000 pixel; what is marked stands beside it, in ssd-keras.json",
    ),
    Format(
        "csv",
        "CSV (image,xmin,ymin,xmax,ymax,class)",
        recognises_csv,
        read_csv,
        write_csv,
    ),
    Format(
        "hdf5",
        "an HDF5 pack",
        recognises_hdf5,
        read_hdf5,
        write_hdf5,
        is_pack=True,
    ),
    Format(
        "lmdb",
        "an LMDB pack",
        recognises_lmdb,
        read_lmdb,
        write_lmdb,
        is_pack=True,
    ),
    Format(
        "pickle",
        "a pickle of file names and arrays",
        recognises_pickle,
        read_pickle,
        write_pickle,
        forces="names of classes, splits and what is marked stand beside it, in ssd-keras.json",
    ),
)
"""All known formats; the first that recognises a path reads it."""

PARTS = frozenset({"annotations", "jpegimages", "imagesets", "images", "labels"})
"""How folders inside of data sets are called, in lower case."""

OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Of the garbage collector, while labels are read."""


def open_dataset(
    path: str | Path | Sequence[str | Path],
    class_names: Sequence[str] | None = None,
    *,
    include_classes: Sequence[str] | None = None,
    exclude_difficult: bool = False,
    exclude_truncated: bool = False,
) -> Dataset:
    """Open a data set in any known format, recognised by what the path contains.

    Args:
        path: a file or folder, or several, whose splits of the same name are taken together.
        class_names: the classes in the order of their labels; None: the names in use, sorted.
        include_classes: keep the objects of these classes only, labelled in this order.
        exclude_difficult: leave out objects that are marked as difficult.
        exclude_truncated: leave out objects that are marked as reaching beyond the image.

    Raises:
        InputError: there is nothing there, it is in no known format, no image is left that can be used, an
            object has a class that is not in `class_names`, or a class to include does not exist.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if not paths:
        raise InputError("no data set given: name a folder or file")
    with _garbage_collected_rarely():
        dataset = merge_datasets([_open_one(one, class_names) for one in paths])
    if include_classes is not None:
        dataset = only_classes(dataset, include_classes)
    return without_marked(dataset, exclude_difficult, exclude_truncated)


@contextmanager
def _garbage_collected_rarely() -> Iterator[None]:
    """Let Python look rarely for garbage in cycles.

    While the labels of a large data set pile up it finds next to none, and would spend a third of the time.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], OBJECTS_BETWEEN_COLLECTIONS) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _open_one(path: Path, class_names: Sequence[str] | None) -> Dataset:
    try:
        for known in FORMATS:
            if known.recognises(path):
                dataset = known.read(path, class_names)
                return replace(dataset, problems=(*dataset.problems, *_left_out(path, dataset)))
        raise InputError(f"{path} {_what_is_wrong(path)}")
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error


def data_sets_taken_together(path: Path, dataset: Dataset) -> list[Path]:
    """Give the folders in `path`, from which `dataset` was read, that are data sets of their own."""
    files = _files_of(dataset)
    return [place for place in _folders_in(path) if _is_data_set(place) and _holds_any(place, files)]


def _left_out(path: Path, dataset: Dataset) -> list[Problem]:
    """Name the data sets in a folder that were not read with it, as they are of another format."""
    files = _files_of(dataset)
    problem = "is a data set of another format, and is not read with the others"
    return [
        Problem(str(place), problem, "name it by itself")
        for place in _folders_in(path)
        if _is_data_set(place) and not _holds_any(place, files)
    ]


def _files_of(dataset: Dataset) -> list[Path]:
    images = (sample.image for split in dataset.values() for sample in split)
    return [image for image in images if isinstance(image, Path)]


def _folders_in(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []


def _holds_any(folder: Path, files: Iterable[Path]) -> bool:
    start = f"{folder}{os.sep}"
    return any(str(file).startswith(start) for file in files)


def _is_data_set(folder: Path) -> bool:
    """Tell whether a folder is a data set of its own, with images, and not a split or another part of one."""
    if folder.name.lower() in SPLIT_FOLDERS | PARTS or next(image_files(folder), None) is None:
        return False
    return any(known.recognises(folder) for known in FORMATS)


FOLDERS_ABOVE = 2
"""A file lies so deep in one of them, as labels/train/a.txt."""

UNPACK_RECORDS = (
    "holds TFRecords, which are not read: give the VOC or COCO files that they were made from, or unpack "
    "them as docs/moving/tensorflow_object_detection.md shows"
)


def _is_record(path: Path) -> bool:
    """Whether a file is called as TFRecords are: a.tfrecord, a.record, a.tfrecord-00000-of-00010."""
    return re.search(r"\.(tf)?records?(-\d+-of-\d+)?$", path.name.lower()) is not None


def _what_is_wrong(path: Path) -> str:
    if not path.exists():
        return "does not exist: check the path"
    for part in (path, *path.parents[:FOLDERS_ABOVE]):
        if part.name.lower() in PARTS and any(known.recognises(part.parent) for known in FORMATS):
            return f"is a part of a data set: give the whole of it, {part.parent}"
    expected = ", or ".join(known.looks_like for known in FORMATS)
    if not path.is_dir():
        return UNPACK_RECORDS if _is_record(path) else f"is no data set: give {expected}"
    content = list(path.iterdir())
    if not content:
        return f"is an empty folder: give {expected}"
    if any(map(_is_record, content)):
        return UNPACK_RECORDS
    inside = [place for place in sorted(content) if place.is_dir()]
    holding = next((place for place in inside if any(known.recognises(place) for known in FORMATS)), None)
    if holding:
        return f"is no data set, but has one in a folder: give {holding}"
    if any(file.suffix.lower() in IMAGE_SUFFIXES for file in content):
        return f"has images but no labels in a known format: give {expected}"
    return f"is in no known format: give {expected}"
