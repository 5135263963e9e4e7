"""One CSV file: its rows, and which of its columns holds what."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ssd_keras.data.checks import CORNERS, shown_text
from ssd_keras.data.readers.image_finding import is_image_name
from ssd_keras.errors import InputError

COLUMN_NAMES = {
    "image": (
        *("image", "imagename", "imagefile", "imagefilename", "filename", "imagepath"),
        *("file", "filepath", "fname", "img", "imgname", "imgpath", "path", "frame", "photo", "imageid"),
    ),
    "class": (
        *("classname", "labelname", "categoryname", "objectname"),
        *("class", "label", "celltype", "category", "object", "name", "type", "species"),
        *("classid", "labelid", "categoryid"),
    ),
    "split": ("split", "set", "subset", "partition"),
    "difficult": ("difficult", "isdifficult"),
    "crowd": ("crowd", "iscrowd", "groupof", "isgroupof"),
    "truncated": ("truncated", "istruncated"),
    "area": ("area",),
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
}
"""The names of each column, in lower case, letters and digits only; the first that is found counts.

Files come before ids of images, which are often numbers of another list, and names of classes before what may
be their numbers.
"""

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

Row = tuple[int, list[str]]
"""The number of a line and its cells."""


@dataclass(frozen=True)
class Line:
    """One line of a table, its cells by the names of their columns; a missing cell is empty."""

    table: Path
    number: int
    cells: Mapping[str, str]

    @property
    def corners(self) -> list[str]:
        """Give xmin, ymin, xmax and ymax as they stand there."""
        return [self.cells[name] for name in CORNERS]

    @property
    def has_box(self) -> bool:
        """Tell whether any corner is stated."""
        return any(self.corners)

    def flag(self, name: str) -> bool:
        """Tell whether the box is marked."""
        return self.cells.get(name, "").lower() in ("1", "1.0", "true", "yes")


def read_lines(table: Path) -> list[Line]:
    """Read the lines of a table; `InputError` where it cannot be read or its columns are not understood."""
    rows = list(_rows(table))
    if not rows:
        raise InputError(f"{table} is empty: write one box a line")
    first = rows[0][1]
    if any(map(is_image_name, first)):
        columns = _columns_of_layout(table, rows)
    else:
        columns = _columns_of_header(first)
        missing = [column for column in ("image", *CORNERS, "class") if column not in columns]
        if missing:
            header = shown_text(", ".join(first))
            raise InputError(f"{table}: no column {', '.join(missing)} among {header}: {HEADER_ADVICE}")
        rows = rows[1:]
    return [
        Line(table, number, {name: row[at] if at < len(row) else "" for name, at in columns.items()})
        for number, row in rows
    ]


def has_boxes(table: Path) -> bool:
    """Tell by the first line whether a table is one of boxes in images, and not of classes or results."""
    try:
        _, first = next(_rows(table))
    except (StopIteration, InputError):
        return False
    return any(map(is_image_name, first)) or {"image", *CORNERS, "class"} <= _columns_of_header(first).keys()


def _rows(table: Path) -> Iterator[Row]:
    """The rows that are not empty, each with the number of its line."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(LONGEST_LINE)
            file.seek(0)
            reader = csv.reader(_lines_of(table, file), delimiter=max(",;\t", key=first.count))
            rows = ((reader.line_num, [_cleaned(cell) for cell in row]) for row in reader)
            yield from (row for row in rows if any(row[1]))
    except OSError as error:
        raise InputError(f"{table} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{table} is no text in UTF-8: save it as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise InputError(f"{table} is no CSV file ({error}): save it anew as CSV") from error


def _cleaned(cell: str) -> str:
    """Give a cell without blanks around it, but for the name of an image, which may begin with one."""
    text = CONTROLS.sub(" ", cell)
    return text if is_image_name(text) else text.strip()


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


def _columns_of_header(header: Sequence[str]) -> dict[str, int]:
    """The place of each column that is found by the names in the header line."""
    places: dict[str, int] = {}
    for place, cell in enumerate(header):
        places.setdefault(re.sub(r"[\W_]", "", cell.lower()), place)
    columns = {
        column: next(places[name] for name in names if name in places)
        for column, names in COLUMN_NAMES.items()
        if not places.keys().isdisjoint(names)
    }
    corners = max(CORNER_NAMES, key=lambda names: len(places.keys() & set(names)))
    found = zip(CORNERS, corners, strict=True)
    return columns | {column: places[name] for column, name in found if name in places}


def _columns_of_layout(table: Path, rows: Sequence[Row]) -> dict[str, int]:
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
