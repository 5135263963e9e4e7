"""Boxes in a table: a CSV file with one box a line, beside its images.

The columns may come in any order and under any of the usual names. Without a header line two layouts are
understood: `image, xmin, xmax, ymin, ymax, class_id` of the Keras port of 2018 (its tutorial on SSD7), and
`image, xmin, ymin, xmax, ymax, class`; whichever of them makes boxes of all lines is the right one.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ssd_keras.classes import checked_class_names
from ssd_keras.data.checks import BOX_ADVICE, CORNERS, check_box, image_size, shown_text
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.image_finding import ImageFinder, image_files, image_ids, is_image_name
from ssd_keras.data.readers.sidecar import FLAGS, Sidecar, read_sidecar, write_sidecar
from ssd_keras.data.readers.split_names import ALL
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    new_folder,
    number_text,
    writable_class_names,
)
from ssd_keras.data.samples import Dataset, Problem, Sample
from ssd_keras.errors import InputError

TABLE, IMAGES = "labels.csv", "images"
"""The names that `write_csv` gives."""

COLUMN_NAMES = {
    "image": (
        *("image", "imagename", "imagefile", "imagefilename", "imagepath", "imageid"),
        *("filename", "file", "filepath", "fname", "img", "imgname", "imgpath", "path", "frame", "photo"),
    ),
    "class": (
        *("class", "classname", "label", "labelname", "celltype", "category", "categoryname"),
        *("object", "objectname", "name", "type", "species", "classid", "labelid", "categoryid"),
    ),
    "split": ("split", "set", "subset", "partition"),
    "difficult": ("difficult", "isdifficult"),
    "crowd": ("crowd", "iscrowd"),
    "truncated": ("truncated", "istruncated"),
}
"""The names of each column, in lower case, letters and digits only; the first that is found counts."""

CORNER_NAMES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("minx", "miny", "maxx", "maxy"),
)
"""Names of corners as they go together: x1 is the left side beside x2, but the right one beside x0."""

CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
"""No part of any name, and not written; tabs and new lines inside of quotes are among them."""

LONGEST_LINE = 1 << 18
"""Characters of one line of the file."""

HEADER_ADVICE = "put a line 'image,xmin,ymin,xmax,ymax,class' on top, in the order of its columns"

LAYOUT_COLUMNS = 6
LAYOUT_ORDERS = (CORNERS, ("xmin", "xmax", "ymin", "ymax"))
"""What a table without header line may look like: six columns, the corners in one of these orders."""

INTEGER = re.compile(r"(\d{1,9})(?:\.0*)?")
"""A class id; tables that went through a column of floats have it as 3.0."""


@dataclass(frozen=True)
class _Line:
    """One line of the table, its cells by the names of their columns; a missing cell is empty."""

    number: int
    cells: Mapping[str, str]

    @property
    def corners(self) -> list[str]:
        return [self.cells[name] for name in CORNERS]

    @property
    def has_box(self) -> bool:
        return any(self.corners)

    def flag(self, name: str) -> bool:
        return self.cells.get(name, "").lower() in ("1", "1.0", "true", "yes")


# --- Reading -----------------------------------------------------------------------------------------------


def recognises_csv(path: Path) -> bool:
    """Tell whether `path` is a CSV file, or a folder with CSV files and with images in it or below."""
    if path.is_dir():
        return bool(_tables(path)) and any(image_files(path))
    return path.suffix.lower() == ".csv"


def read_csv(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a data set of boxes in a CSV file; no image is decoded whose header states its size.

    Args:
        path: the file, or a folder with no other CSV file. Images are found by their names, in the folder of
            the file or anywhere below.
        class_names: the classes in the order of their labels; None: the names in use, sorted.

    Returns:
        The data set. Its splits are those that a column `split` names, or one, "all". A line with an image
        but neither box nor class stands for an image without objects. Classes that are numbers become
        "class 1" and so on, or count through `class_names`: from 1 where 0 does not occur and the highest is
        their number, as in the Keras port of 2018, else from 0.

    Raises:
        InputError: the file cannot be read, its columns are not understood, no image is left that can be
            used, or a class is not in `class_names`.
    """
    table = _only_table(Path(path))
    lines = _read_lines(table)
    problems: list[Problem] = []
    sidecar = read_sidecar(table.parent, problems)
    names_by_text, ordered_names = _class_names(table, lines, class_names, problems)
    splits = _group_by_image(table, lines, problems)
    usable = {
        split: [
            _labelled(table, image, image_id, group, names_by_text, problems)
            for image, image_id, group in groups
        ]
        for split, groups in splits.items()
    }
    return assemble_dataset(table, "csv", usable, ordered_names, problems, sidecar)


def _tables(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv" and file.is_file())


def _only_table(path: Path) -> Path:
    if not path.is_dir():
        return path
    tables = _tables(path)
    if not tables:
        raise InputError(f"{path} has no CSV file: name a folder with one, or the file")
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise InputError(f"{path} has {len(tables)} CSV files ({names}): name one of them")
    return tables[0]


def _read_lines(table: Path) -> list[_Line]:
    rows = _read_rows(table)
    if not rows:
        raise InputError(f"{table} is empty: write one box a line")
    first = rows[0][1]
    if any(map(is_image_name, first)):
        columns = _columns_of_layout(table, rows)
    else:
        columns = _columns_of_header(table, first)
        rows = rows[1:]
    return [
        _Line(number, {name: row[place] if place < len(row) else "" for name, place in columns.items()})
        for number, row in rows
    ]


def _read_rows(table: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its line."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(LONGEST_LINE)
            file.seek(0)
            reader = csv.reader(_lines_of(table, file), delimiter=max(",;\t", key=first.count))
            rows = ((reader.line_num, [CONTROLS.sub(" ", cell).strip() for cell in row]) for row in reader)
            return [(number, row) for number, row in rows if any(row)]
    except OSError as error:
        raise InputError(f"{table} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{table} is no text in UTF-8: save it as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise InputError(f"{table} is no CSV file ({error}): save it anew as CSV") from error


def _lines_of(table: Path, file: TextIO) -> Iterator[str]:
    """The lines of the table, none of which may be of a length that no line of a box has."""
    for number in itertools.count(1):
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"line {number} has more than {LONGEST_LINE} characters")
        if "\0" in line:  # UTF-16 without its mark
            raise InputError(f"{table} is no text in UTF-8: save it as 'CSV UTF-8'")
        yield line


def _columns_of_header(table: Path, header: Sequence[str]) -> dict[str, int]:
    """The place of each column by the names in the header line."""
    places: dict[str, int] = {}
    for place, cell in enumerate(header):
        places.setdefault(re.sub(r"[\W_]", "", cell.lower()), place)
    columns = {
        column: next(places[name] for name in names if name in places)
        for column, names in COLUMN_NAMES.items()
        if not places.keys().isdisjoint(names)
    }
    corners = max(CORNER_NAMES, key=lambda names: len(places.keys() & set(names)))
    columns |= {column: places[name] for column, name in zip(CORNERS, corners, strict=True) if name in places}
    missing = [column for column in ("image", *CORNERS, "class") if column not in columns]
    if missing:
        raise InputError(
            f"{table}: no column {', '.join(missing)} among {shown_text(', '.join(header))}: {HEADER_ADVICE}"
        )
    return columns


def _columns_of_layout(table: Path, rows: Sequence[tuple[int, Sequence[str]]]) -> dict[str, int]:
    """The place of each column in a table without header line, by what the cells look like."""
    image = next(place for place, cell in enumerate(rows[0][1]) if is_image_name(cell))
    with_box = [row for _, row in rows if any(row[:image]) or any(row[image + 1 :])]
    if not with_box:
        beyond = max(len(row) for _, row in rows)
        return {"image": image, **dict.fromkeys((*CORNERS, "class"), beyond)}
    if any(len(row) != LAYOUT_COLUMNS for row in with_box):
        raise InputError(f"{table} has no header line and not {LAYOUT_COLUMNS} columns: {HEADER_ADVICE}")
    others = [place for place in range(LAYOUT_COLUMNS) if place != image]
    texts = [place for place in others if not all(_is_number(row[place]) for row in with_box)]
    label = texts[0] if texts else others[-1]
    sides = [place for place in others if place != label]
    layouts = [dict(zip(order, sides, strict=True)) for order in LAYOUT_ORDERS] if len(texts) < 2 else []
    fitting = [layout for layout in layouts if all(_makes_box(row, layout) for row in with_box)]
    if len(fitting) != 1:
        number = "in two ways" if fitting else "in no known way"
        raise InputError(f"{table} has no header line and makes boxes {number}: {HEADER_ADVICE}")
    return {"image": image, "class": label, **fitting[0]}


def _makes_box(row: Sequence[str], layout: Mapping[str, int]) -> bool:
    x0, y0, x1, y1 = (float(row[layout[corner]]) for corner in CORNERS)
    return x0 < x1 and y0 < y1


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _class_names(
    table: Path, lines: Sequence[_Line], class_names: Sequence[str] | None, problems: list[Problem]
) -> tuple[dict[str, str], tuple[str, ...] | None]:
    """What each text in the class column stands for, and the class names in the order of their labels."""
    texts = {line.cells["class"] for line in lines if line.cells["class"]}
    names = None if class_names is None else checked_class_names(class_names)
    ids = {text: int(match[1]) for text in texts if (match := INTEGER.fullmatch(text))}
    if not texts or len(ids) < len(texts) or (names is not None and texts <= set(names)):
        return {text: text for text in texts}, names
    if names is None:
        numbered = {i: f"class {i}" for i in sorted(ids.values())}
        return {text: numbered[i] for text, i in ids.items()}, tuple(numbered.values())
    low, high = min(ids.values()), max(ids.values())
    start = 1 if low > 0 and high == len(names) else 0
    counted = f"has class ids from {low} to {high} for {len(names)} class names"
    if high - start >= len(names):
        raise InputError(f"{table} {counted}: name all classes, or write their names into the file")
    if low > start:
        advice = "write names in place of the ids if that is wrong"
        problems.append(Problem(str(table), f"{counted}, read as counted from {start}", advice))
    return {text: names[i - start] for text, i in ids.items()}, names


Group = tuple[Path, str, list[_Line]]
"""An image file, its id, and its lines."""


def _group_by_image(table: Path, lines: Sequence[_Line], problems: list[Problem]) -> dict[str, list[Group]]:
    """The lines of each image of each split, in the order of the file, without images that are not found."""
    files = ImageFinder(table.parent)
    found: dict[str, Path] = {}
    for name in dict.fromkeys(line.cells["image"] for line in lines):
        try:
            found[name] = files.find(name)
        except LookupError as error:
            advice = "add the image, or remove its lines"
            problems.append(
                Problem(str(table), f"{shown_text(error.args[0])}, so its lines are left out", advice)
            )
    ids = image_ids(set(found.values()), table.parent)
    splits: dict[str, dict[Path, list[_Line]]] = {}
    for line in lines:
        image = found.get(line.cells["image"])
        if image is not None:
            split = splits.setdefault(line.cells.get("split") or ALL, defaultdict(list))
            split[image].append(line)
    return {
        split: [(image, ids[image], group) for image, group in groups.items()]
        for split, groups in splits.items()
    }


def _labelled(
    table: Path,
    image: Path,
    image_id: str,
    lines: Sequence[_Line],
    names_by_text: Mapping[str, str],
    problems: list[Problem],
) -> LabelledImage:
    size = image_size(image)
    boxes = []
    for line in lines:
        if not line.has_box and not line.cells["class"]:
            continue  # an image without objects
        box, fault = check_box(line.corners, size)
        name = names_by_text.get(line.cells["class"])
        if name is None:
            fault = "has no class and is left out"
        elif box is not None:
            boxes.append(NamedBox(name, box, *(line.flag(flag) for flag in FLAGS)))
        if fault is not None:
            problem = f"line {line.number}: the box of {image.name} {fault}"
            problems.append(Problem(str(table), problem, BOX_ADVICE))
    return LabelledImage(image, image_id, boxes, where=str(table))


# --- Writing -----------------------------------------------------------------------------------------------


def write_csv(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
) -> None:
    """Write a data set as `labels.csv` and the folder `images`.

    Samples are taken one at a time. The image of a sample that stands in two splits is written once, its
    lines are repeated. Pixels are encoded as JPEG; files and encoded bytes are copied as they are. A split
    without images leaves no trace.

    Raises:
        InputError: `folder` is not empty, an image cannot be read, or a name cannot stand in a text file.
    """
    names = writable_class_names(class_names)
    root = new_folder(Path(folder))
    images = ImageWriter(root / IMAGES, jpeg_quality)
    with (root / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", *CORNERS, "class", "split", *FLAGS])
        for split, samples in splits.items():
            for sample in samples:
                image, _ = images.write(sample)
                table.writerows(_rows(f"{IMAGES}/{image.name}", split, sample, names))
    write_sidecar(root, Sidecar(class_names=names))


def _rows(image: str, split: str, sample: Sample, class_names: Sequence[str]) -> list[list[str]]:
    truth = sample.ground_truth
    if not len(truth):
        return [[image, *[""] * len(CORNERS), "", split, *[""] * len(FLAGS)]]
    return [
        [
            image,
            *map(number_text, truth.boxes_px[index]),
            class_names[truth.labels[index]],
            split,
            *(str(int(getattr(truth, flag)[index])) for flag in FLAGS),
        ]
        for index in range(len(truth))
    ]
