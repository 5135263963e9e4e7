"""The labels of the oldest Keras port of SSD: a pickled dictionary from file names to arrays.

    labels.pkl   {"000012.jpg": float array (n, 4 + K), ...}
    images/      the files themselves, here or anywhere below the folder

A row is a box: xmin, ymin, xmax and ymax as fractions of the image's sides, then a one for its class and
zeros for the K - 1 others; background is no class. Names of classes, splits and flags have no place there.

A pickle is a program that may run anything: `unpickling` reads it and runs nothing.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import relative_to_px
from ssd_keras.classes import checked_class_names
from ssd_keras.data.checks import BOX_ADVICE, check_box, counted, image_size
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.image_finding import ImageFinder, image_files, image_ids
from ssd_keras.data.readers.pickled_data import PickleError, PlainArray
from ssd_keras.data.readers.sidecar import SIDECAR, Sidecar, read_sidecar
from ssd_keras.data.readers.unpickling import ADVICE, Unpickler, open_pickle
from ssd_keras.data.samples import ALL, Dataset, Problem
from ssd_keras.errors import InputError

SUFFIXES = (".pkl", ".pickle")
CORNERS = 4
EXACT = 1e-3
"""How far a number of a class may be from 0 or 1."""

MOST_ROWS = 1_000_000
MOST_CLASSES = 10_000
MOST_TOLD = 10
"""Faulty rows of one image that are told one by one; the others are counted."""

STARTS = (b"}", b"(d", b"\x80")
"""How a pickle of a dictionary begins, in protocols 1, 0 and from 2 on."""

FILE_ADVICE = "correct the file"
PIXELS_ADVICE = "divide the corners by the image's width and height: they look like pixels"
LEAST_PX = 2.0
"""From here on the largest corner of a box is in pixels, and no fraction that is slightly too large."""


def recognises_pickle(path: Path) -> bool:
    """Tell whether `path` is a pickle, or a folder with one and with images in it or below.

    Only the first bytes are looked at.
    """
    try:
        if path.is_dir():
            return bool(_pickles(path)) and any(image_files(path))
        return _looks_like_pickle(path)
    except (OSError, ValueError):
        return False


def read_pickle(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a dictionary of file names and arrays; nothing in it is run.

    No image is decoded whose header states its size.

    Args:
        path: the file, or a folder with no other pickle. Images are found by their names, in the folder of
            the file or anywhere below; those that the file does not name do not count.
        class_names: the classes in the order of their labels; None: those of the sidecar, or "class 1" and
            so on. Without a sidecar there must be one for each class of the file.

    Returns:
        The data set. Its splits are those of the sidecar, or one, "all". An empty array stands for an image
        without objects.

    Raises:
        InputError: the file cannot be read, is no pickle, or holds more than arrays, dictionaries, texts and
            numbers; the class names do not fit, or no image is left that can be used.
    """
    file = _only_pickle(Path(path))
    problems: list[Problem] = []
    sidecar = read_sidecar(file.parent, problems)
    with open_pickle(file) as unpickler:
        arrays = _arrays(file, unpickler.run(), problems)
        classes = _class_count(file, arrays)
        names = _names(file, classes, sidecar, class_names, problems)
        images = _images(file, arrays, problems)
        ids = image_ids(images, file.parent)
        reader = _RowReader(file, unpickler, names, sidecar, problems)
        labelled = {image: reader.read(image, ids[image], array) for image, array in images.items()}
    usable = {image: found for image, found in labelled.items() if found is not None}
    splits = _splits(file, usable, sidecar, problems)
    wanted = names if class_names is None else class_names
    return assemble_dataset(file, "pickle", splits, wanted, problems, sidecar)


def _look_like_px(corners: NDArray[np.float64]) -> bool:
    """Tell whether most boxes (n, 4) have a corner that no fraction of an image's side can be."""
    return bool(len(corners)) and float(np.median(corners.max(axis=1))) >= LEAST_PX


def _pickles(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if _looks_like_pickle(file)]


def _looks_like_pickle(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(2).startswith(STARTS)


def _only_pickle(path: Path) -> Path:
    try:
        files = _pickles(path) if path.is_dir() else [path]
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error
    if not files:
        raise InputError(f"{path} has no pickle: name a folder with one, or the file")
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise InputError(f"{path} has {len(files)} pickles ({names}): name one of them")
    return files[0]


def _arrays(file: Path, content: Any, problems: list[Problem]) -> dict[str, PlainArray]:
    if not isinstance(content, dict):
        raise InputError(f"{file} holds no dictionary: {ADVICE}")
    arrays = {name: value for name, value in content.items() if isinstance(value, PlainArray)}
    others = [name for name in content if name not in arrays]
    if others:
        problem = f"{_listed(others)} with something else than an array, which is left out"
        problems.append(Problem(str(file), f"has {problem}", FILE_ADVICE))
    if sum(array.shape[0] for array in arrays.values() if array.shape) > MOST_ROWS:
        raise InputError(f"{file} has more than {MOST_ROWS} boxes: divide it")
    return arrays


def _listed(names: Sequence[str]) -> str:
    """How many names there are, and the first of them."""
    first = reprlib.repr(names[0])
    return f"the entry {first}" if len(names) == 1 else f"{len(names)} entries (the first: {first})"


def _class_count(file: Path, arrays: Mapping[str, PlainArray]) -> int:
    """How many classes most arrays have columns for; empty ones count where there are no others."""
    tables = [array.shape for array in arrays.values() if len(array.shape) == 2]
    widths = Counter(shape[1] for shape in tables if shape[0]) or Counter(shape[1] for shape in tables)
    if not widths:
        return 0
    width = widths.most_common(1)[0][0]
    if not 0 < width - CORNERS <= MOST_CLASSES:
        expected = f"{CORNERS} for the box and one for each class"
        raise InputError(f"{file} has arrays of {width} columns where {expected} belong: {ADVICE}")
    return width - CORNERS


def _names(
    file: Path,
    classes: int,
    sidecar: Sidecar,
    class_names: Sequence[str] | None,
    problems: list[Problem],
) -> tuple[str, ...] | None:
    """The name of each class column; None where there is neither a column nor a name."""
    names = sidecar.class_names
    if names and not classes:
        return names
    if len(names) == classes == len(set(names)):
        return names or None
    if names:
        problem = f"has {len(names)} class names for {classes} classes, which are left out"
        problems.append(Problem(str(file.parent / SIDECAR), problem, "name each class once"))
    if class_names is None:
        return tuple(f"class {number}" for number in range(1, classes + 1))
    if classes and len(class_names) != classes:
        raise InputError(
            f"{file} has {classes} classes, but {len(class_names)} class names are given: name each of them"
        )
    return checked_class_names(class_names)


def _images(file: Path, arrays: Mapping[str, PlainArray], problems: list[Problem]) -> dict[Path, PlainArray]:
    """The array of each image file that is found."""
    finder = ImageFinder(file.parent)
    images: dict[Path, PlainArray] = {}
    missing, repeated = [], []
    for name, array in arrays.items():
        try:
            image = finder.find(name)
        except LookupError:
            missing.append(name)
            continue
        if image in images:
            repeated.append(name)
        images.setdefault(image, array)
    if missing:
        problem = f"{_listed(missing)} for which no image, or more than one, is below {file.parent}"
        problems.append(Problem(str(file), f"has {problem}", "add the images, or remove what has none"))
    if repeated:
        problem = f"{_listed(repeated)} for an image that has one already, which is left out"
        problems.append(Problem(str(file), f"has {problem}", FILE_ADVICE))
    return images


def _splits(
    file: Path, images: Mapping[Path, LabelledImage], sidecar: Sidecar, problems: list[Problem]
) -> dict[str, list[LabelledImage]]:
    if not sidecar.splits:
        return {ALL: list(images.values())}
    by_path = {image.relative_to(file.parent).as_posix(): found for image, found in images.items()}
    splits = {
        split: [by_path[path] for path in dict.fromkeys(paths) if path in by_path]
        for split, paths in sidecar.splits.items()
    }
    listed = {path for paths in sidecar.splits.values() for path in paths}
    for paths, fault in (
        ([path for path in by_path if path not in listed], "names no split for {}, left out"),
        ([path for path in listed if path not in by_path], "names {} in its splits, without labels of use"),
    ):
        if paths:
            images_said = f"{counted(len(paths), 'image')} (the first: {reprlib.repr(min(paths))})"
            problem = fault.format(images_said)
            advice = "correct its 'splits'"
            problems.append(Problem(str(file.parent / SIDECAR), problem, advice))
    return splits


@dataclass(frozen=True)
class _RowReader:
    """Turns the rows of arrays into named boxes in pixels."""

    file: Path
    unpickler: Unpickler
    names: Sequence[str] | None
    sidecar: Sidecar
    problems: list[Problem]

    def read(self, image: Path, image_id: str, described: PlainArray) -> LabelledImage | None:
        """Read the rows of an image; None, and one problem more, if they or the image are of no use."""
        if 0 in described.shape:
            return LabelledImage(image, image_id, [], where=str(self.file))
        size = image_size(image)
        if size is None:
            problem = "does not decode as an image, so its size is not known, and it is left out"
            self.problems.append(Problem(str(image), problem, "replace the image"))
            return None
        try:
            rows = self._rows(described)
        except (PickleError, ValueError) as error:
            reason = str(error) or "is damaged or too large"
            problem = f"the array of {image.name} {reason}, so the image is left out"
            self.problems.append(Problem(str(self.file), problem, FILE_ADVICE))
            return None
        return LabelledImage(image, image_id, self._boxes(image, rows, size), where=str(self.file))

    def _rows(self, described: PlainArray) -> NDArray[np.float64]:
        columns = CORNERS + len(self.names or ())
        if len(described.shape) != 2 or described.shape[1] != columns:
            raise ValueError(f"is of shape {described.shape} where (n, {columns}) belongs")
        with np.errstate(all="ignore"):
            return self.unpickler.array(described).astype(np.float64)

    def _boxes(self, image: Path, rows: NDArray[np.float64], size: tuple[int, int]) -> list[NamedBox]:
        path = image.relative_to(self.file.parent).as_posix()
        marks, lost = self.sidecar.marks_of(path, len(rows))
        if lost is not None:
            self.problems.append(Problem(str(image), lost, f"mark them anew in {SIDECAR}"))
        with np.errstate(all="ignore"):
            corners = relative_to_px(rows[:, :CORNERS], size).tolist()
        advice = PIXELS_ADVICE if _look_like_px(rows[:, :CORNERS]) else BOX_ADVICE
        boxes: list[NamedBox] = []
        faulty = 0
        for index, columns in enumerate(rows[:, CORNERS:]):
            box, fault = check_box(corners[index], size)
            try:
                name = self._class_of(columns)
            except ValueError as error:
                box, fault = None, str(error)
            if box is not None:
                boxes.append(NamedBox(name, box, *marks.of(index)))
            faulty += fault is not None
            if fault is not None and faulty <= MOST_TOLD:
                problem = f"row {index + 1} of {image.name}: the box {fault}"
                self.problems.append(Problem(str(self.file), problem, advice))
        if faulty > MOST_TOLD:
            untold = f"{counted(faulty - MOST_TOLD, 'more faulty row')} of {image.name}"
            self.problems.append(Problem(str(self.file), untold, advice))
        return boxes

    def _class_of(self, columns: NDArray[np.float64]) -> str:
        """The name of the class whose column has the one, or `ValueError` with what is wrong."""
        is_one = np.abs(columns - 1) <= EXACT
        ones = np.flatnonzero(is_one)
        if not np.all(is_one | (np.abs(columns) <= EXACT)):
            raise ValueError("has other numbers than 0 and 1 for its class and is left out")
        if len(ones) != 1:
            raise ValueError(f"has {len(ones) or 'no'} class{'es' if len(ones) else ''} and is left out")
        return (self.names or ())[int(ones[0])]
