"""From the label file of an image to its boxes, and what is wrong with them."""

from __future__ import annotations

import os
import reprlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssd_keras.boxes.formats import cxcywh_to_xyxy, relative_to_px, xyxy_to_cxcywh
from ssd_keras.data.checks import BOX_ADVICE, check_box, counted, image_size
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox
from ssd_keras.data.readers.image_finding import path_from
from ssd_keras.data.readers.sidecar import SIDECAR, Marks, Sidecar
from ssd_keras.data.readers.yolo.description import CLASS_ID, CLASS_LISTS
from ssd_keras.data.readers.yolo.layout import Layout
from ssd_keras.data.readers.yolo.recognising import LABELS_FOR, looks_like_labels
from ssd_keras.data.samples import Problem

LARGEST_LABELS = 1 << 23
"""Bytes; a larger file holds no labels."""

MOST_LINES = 100_000
MOST_TOLD = 10
"""Faulty lines of one file that are told one by one; the others are counted."""

BOX_COLUMNS = 5
NUMBERS = ("x", "y", "width", "height")
RELATIVE_ADVICE = "write fractions of the image's width and height (0 to 1), not pixels"
MOST_SIDES = 2.0
"""A box that reaches further, in sides of the image, is one in pixels rather than one in fractions."""
LARGEST_NUMBER = 1e9


@dataclass
class LabelReader:
    """Reads the label files of a data set.

    Attributes:
        layout: where the data set has what.
        stated_names: the class names in the order of their ids; None where they are not known.
        sidecar: the flags of boxes.
        problems: gets what is wrong with labels.
        files: the label file of each image read that has one.
    """

    layout: Layout
    stated_names: Sequence[str] | None
    sidecar: Sidecar
    problems: list[Problem]
    files: dict[Path, Path] = field(default_factory=dict)
    _ids: set[int] = field(default_factory=set)
    _label_folders: dict[Path, list[Path]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The class names in the order of their ids: the stated ones, or those of the ids in use."""
        names = tuple(self.stated_names or (f"class {i}" for i in sorted(self._ids)))
        return names or None

    def read(self, image: Path, image_id: str) -> LabelledImage | None:
        """Read the labels of an image; None, and a problem more, where they are of no use."""
        file = next(filter(Path.is_file, self._candidates(image)), None)
        if file is None:
            return LabelledImage(image, image_id, [], where=str(image))
        self.files[image] = file
        try:
            lines = _label_lines(file)
        except ValueError as error:
            problem = f"{error}, so its image is left out"
            self.problems.append(Problem(str(file), problem, "correct or replace the file"))
            return None
        size = image_size(image) if lines else None
        if lines and size is None:
            problem = "does not decode as an image, so its size is not known, and it is left out"
            self.problems.append(Problem(str(image), problem, "replace the image"))
            return None
        marks, fault = self.sidecar.marks_of(
            path_from(self.layout.root, image), sum(bool(line.strip()) for line in lines)
        )
        if fault is not None:
            self.problems.append(Problem(str(file), fault, f"mark them anew in {SIDECAR}"))
        boxes = self._boxes(file, lines, size or (1, 1), marks)
        return LabelledImage(image, image_id, boxes, where=str(file))

    def tell_unused(self) -> None:
        """Add a problem for every label file beside those in use that has no image."""
        used: dict[Path, set[str]] = defaultdict(set)
        for file in self.files.values():
            used[file.parent].add(file.name)
        for folder, names in sorted(used.items()):
            for name in sorted({file.name for file in folder.iterdir()} - names - set(CLASS_LISTS)):
                file = folder / name
                if file.suffix.lower() == ".txt" and looks_like_labels(file):
                    problem = "belongs to no image of a split, and is left out"
                    self.problems.append(Problem(str(file), problem, "add the image, or remove the file"))

    def _candidates(self, image: Path) -> Iterator[Path]:
        """Where the label file of an image may be, the likeliest place first."""
        folder, name = image.parent, f"{image.stem}.txt"
        if folder not in self._label_folders:
            self._label_folders[folder] = self._folders_of_labels(folder)
        return (place / name for place in self._label_folders[folder])

    def _folders_of_labels(self, folder: Path) -> list[Path]:
        """Where labels of the images in a folder are: in labels/ where it is in images/, or in it."""
        parts = list(Path(os.path.relpath(folder, self.layout.root)).parts)
        places = [place for place, part in enumerate(parts) if part in LABELS_FOR]
        if not places:
            return [folder]
        parts[places[-1]] = LABELS_FOR[parts[places[-1]]]
        return [Path(os.path.normpath(self.layout.root.joinpath(*parts))), folder]

    def _boxes(
        self,
        file: Path,
        lines: Sequence[str],
        size: tuple[int, int],
        marks: Marks,
    ) -> list[NamedBox]:
        faults: list[tuple[int, str, str]] = []
        objects: list[tuple[int, int, int]] = []  # line, place among the boxes of the file, class id
        stated: list[Sequence[float]] = []
        filled = ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip())
        for index, (number, fields) in enumerate(filled):
            try:
                class_id, box = self._class_id(fields[0]), self._stated_box(fields)
            except _ClassError as error:
                advice = "correct the class id, or the list of class names"
                faults.append((number, f"{error} and is left out", advice))
            except ValueError as error:
                faults.append((number, f"{error} and is left out", BOX_ADVICE))
            else:
                objects.append((number, index, class_id))
                stated.append(box)
        # All boxes of a file at once: one by one they would take most of the time.
        relative = cxcywh_to_xyxy(np.array(stated, np.float64).reshape(-1, 4))
        corners = relative_to_px(relative, size).tolist()
        furthest = np.abs(relative).max(axis=1, initial=0).tolist()
        boxes = []
        for (number, index, class_id), in_pixels, reach in zip(objects, corners, furthest, strict=True):
            checked, fault = check_box(in_pixels, size)
            if fault is not None:
                faults.append((number, fault, BOX_ADVICE if reach <= MOST_SIDES else RELATIVE_ADVICE))
            if checked is not None:
                boxes.append(NamedBox(self._name(class_id), checked, *marks.of(index)))
        self._tell(file, sorted(faults))
        return boxes

    def _tell(self, file: Path, faults: Sequence[tuple[int, str, str]]) -> None:
        for number, fault, advice in faults[:MOST_TOLD]:
            self.problems.append(Problem(str(file), f"line {number}: the box {fault}", advice))
        if len(faults) > MOST_TOLD:
            untold = f"has {counted(len(faults) - MOST_TOLD, 'more faulty line')}"
            self.problems.append(Problem(str(file), untold, BOX_ADVICE))

    def _name(self, class_id: int) -> str:
        self._ids.add(class_id)
        return self.stated_names[class_id] if self.stated_names else f"class {class_id}"

    def _class_id(self, text: str) -> int:
        """The class id of a line, or `_ClassError` with what is wrong with it."""
        match = CLASS_ID.fullmatch(text)
        if match is None:
            raise _ClassError(f"has the class id {reprlib.repr(text)}, which is no whole number from 0 on,")
        class_id = int(match[1])
        if self.stated_names and class_id >= len(self.stated_names):
            known = f"the classes are 0 to {len(self.stated_names) - 1}"
            raise _ClassError(f"has the class id {class_id}, where {known},")
        return class_id

    def _stated_box(self, fields: Sequence[str]) -> Sequence[float]:
        """The centre, width and height of a line, relative, or `ValueError` with what is wrong with it."""
        columns = len(fields)
        if columns < BOX_COLUMNS:
            raise ValueError(f"has {columns} columns in place of {BOX_COLUMNS} (class x y width height)")
        if columns <= BOX_COLUMNS + 1 or self.layout.has_keypoints:
            return [_number(*pair) for pair in zip(fields[1:BOX_COLUMNS], NUMBERS, strict=True)]
        if columns % 2 == 0:
            raise ValueError(f"has {columns} columns, which is neither a box nor an outline,")
        points = np.array([_number(text, "outline") for text in fields[1:]]).reshape(-1, 2)
        around: list[float] = xyxy_to_cxcywh(
            np.concatenate([points.min(axis=0), points.max(axis=0)])
        ).tolist()
        return around


class _ClassError(ValueError):
    """What is wrong with the class id of a line."""


def _label_lines(file: Path) -> list[str]:
    """The lines of a label file, or `ValueError` with what is wrong with it."""
    if file.stat().st_size > LARGEST_LABELS:
        raise ValueError(f"has more than {LARGEST_LABELS >> 20} MiB")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("is no text") from error
    if "\0" in text:
        raise ValueError("is no text")
    lines = text.rstrip().splitlines()
    if len(lines) > MOST_LINES:
        raise ValueError(f"has more than {MOST_LINES} lines")
    return lines


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f"has {reprlib.repr(text)} as {name}, which is no number,") from error
    if not abs(number) <= LARGEST_NUMBER:  # written so that NaN fails, too
        raise ValueError(f"has {number} as {name}, which is not finite or far too large,")
    return number
