"""From tables of boxes to a data set."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssd_keras.boxes.formats import relative_to_px
from ssd_keras.data.checks import BOX_ADVICE, Box, area_of, check_box, image_size, shown_text
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.csv.classes import name_classes
from ssd_keras.data.readers.csv.files import find_tables
from ssd_keras.data.readers.csv.image_sizes import columns_are_of_images, stated_size
from ssd_keras.data.readers.csv.table import Line, read_lines
from ssd_keras.data.readers.image_finding import ImageFinder, image_ids
from ssd_keras.data.readers.sidecar import FLAGS, read_sidecar
from ssd_keras.data.samples import Dataset, Problem

LARGEST_FRACTION = 1.001
"""Of a side of the image; fractions may be rounded up."""

Lines = dict[str, dict[Path, list[Line]]]
"""The lines of each image of each split, in the order of the files."""


def read_csv(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a data set of boxes in CSV files; no image is decoded whose header states its size.

    Args:
        path: the file, or a folder with one, or with one for each split. Images are found by their names, in
            the folder of the file or anywhere below, or else below `path`.
        class_names: the classes in the order of their labels; None: those of the sidecar, or else the names
            in use, sorted.

    Returns:
        The data set. Its splits are those that a column `split` names, or else those that the names of files
        and folders state, or one, "all". A line with an image but neither box nor class stands for an image
        without objects. Classes that are numbers become "class 1" and so on, or count through `class_names`:
        from 1 where 0 does not occur and the highest is their number, as in the Keras port of 2018, or from 0
        where 0 occurs. Where all corners are fractions they are taken as fractions of the image's sides.

    Raises:
        InputError: a file cannot be read, its columns are not understood, no image is left that can be used,
            a class is not in `class_names`, or its number may stand for two of them.
    """
    source = Path(path)
    tables = find_tables(source)
    only = next(iter(tables.values())) if len(tables) == 1 else None
    where = only or source
    problems: list[Problem] = []
    sidecar = read_sidecar(only.parent if only else source, problems)
    lines = {split: read_lines(table) for split, table in tables.items()}
    texts = {line.cells["class"] for of_table in lines.values() for line in of_table}
    names_by_text, names = name_classes(str(where), texts, class_names, sidecar.class_names, problems)
    # Our own writer gives pixels, however small the boxes are.
    are_fractions = not sidecar.class_names and _are_fractions(itertools.chain(*lines.values()))
    if are_fractions:
        problem = "all corners lie between 0 and 1: read as fractions of the image's sides"
        problems.append(Problem(str(where), problem, "write them in pixels if that is wrong"))
    root = source if source.is_dir() else source.parent
    state_sizes = columns_are_of_images(itertools.chain(*lines.values()))
    reader = _LineReader(names_by_text, are_fractions, state_sizes, problems)
    usable = reader.read_all(_group_by_image(lines, _Images(root, problems)), root)
    usable |= {split: [] for split, images in sidecar.splits.items() if not images and split not in usable}
    return assemble_dataset(where, "csv", usable, names, problems, sidecar)


def _are_fractions(lines: Iterable[Line]) -> bool:
    """Tell whether the corners of all boxes lie between 0 and 1, and not all of them at the ends."""
    inside = False
    for line in lines:
        try:
            numbers = [float(corner) for corner in line.corners]
        except ValueError:  # empty, or faulty, which is told when the box is read
            continue
        if not all(0 <= number <= LARGEST_FRACTION for number in numbers):
            return False
        inside = inside or any(0 < number < 1 for number in numbers)
    return inside


class _Images:
    """Finds the images that tables name, below the folder of the table or else below that of the data set."""

    def __init__(self, root: Path, problems: list[Problem]) -> None:
        self._root = root
        self._finders: dict[Path, ImageFinder] = {}
        self._found: dict[tuple[Path, str], Path | None] = {}
        self._problems = problems

    def find(self, line: Line) -> Path | None:
        """Give the image of a line; None, and one problem more for each name, where it is not found."""
        key = line.table, line.cells["image"]
        if key not in self._found:
            self._found[key] = self._search(*key)
        return self._found[key]

    def _search(self, table: Path, name: str) -> Path | None:
        for folder in dict.fromkeys((table.parent, self._root)):
            if folder not in self._finders:
                self._finders[folder] = ImageFinder(folder)
            try:
                return self._finders[folder].find(name)
            except LookupError as error:
                fault = shown_text(error.args[0])
        advice = "add the image, or remove its lines"
        self._problems.append(Problem(str(table), f"{fault}, so its lines are left out", advice))
        return None


def _group_by_image(lines: Mapping[str, Sequence[Line]], images: _Images) -> Lines:
    """Sort the lines by split and image, without those whose image is not found."""
    grouped: Lines = {}
    for split, of_table in lines.items():
        for line in of_table:
            image = images.find(line)
            if image is not None:
                of_split = grouped.setdefault(line.cells.get("split") or split, {})
                of_split.setdefault(image, []).append(line)
    return grouped


@dataclass(frozen=True)
class _LineReader:
    """Turns the lines of images into named boxes in pixels."""

    names_by_text: Mapping[str, str]
    are_fractions: bool
    state_sizes: bool
    problems: list[Problem]

    def read_all(self, grouped: Lines, root: Path) -> dict[str, list[LabelledImage]]:
        """Read the images of all splits, without those of no use; `root` is where their ids start."""
        ids = image_ids({image for images in grouped.values() for image in images}, root)
        usable: dict[str, list[LabelledImage]] = {}
        for split, images in grouped.items():
            read = (self.read(image, ids[image], lines) for image, lines in images.items())
            usable[split] = [image for image in read if image is not None]
        return usable

    def read(self, image: Path, image_id: str, lines: Sequence[Line]) -> LabelledImage | None:
        """Read the lines of an image; None, and one problem more, if its size is needed and not known."""
        size = image_size(image)
        where = str(lines[0].table)
        if size is None and self.are_fractions and any(line.has_box for line in lines):
            problem = "does not decode as an image, so its size is not known, and it is left out"
            self.problems.append(Problem(str(image), problem, "replace the image"))
            return None
        boxes = []
        for line in lines:
            if not line.has_box and not line.cells["class"]:
                continue  # an image without objects
            box, fault = self._box(line, size)
            name = self.names_by_text.get(line.cells["class"])
            if name is None:
                fault = "has no class and is left out"
            elif box is not None:
                difficult, crowd, truncated = (line.flag(flag) for flag in FLAGS)
                area = area_of(line.cells.get("area"))
                boxes.append(NamedBox(name, box, difficult, crowd, truncated, area))
            if fault is not None:
                problem = f"line {line.number}: the box of {image.name} {fault}"
                self.problems.append(Problem(where, problem, BOX_ADVICE))
        stated = stated_size(lines, size) if self.state_sizes else None
        return LabelledImage(image, image_id, boxes, where, stated)

    def _box(self, line: Line, size: tuple[int, int] | None) -> tuple[Box | None, str | None]:
        corners: Sequence[float | str] = line.corners
        if self.are_fractions and size is not None:
            try:
                corners = relative_to_px(np.array(corners, np.float64), size).tolist()
            except ValueError:  # a corner is missing or no number, and judged as it stands
                corners = line.corners
        return check_box(corners, size)
