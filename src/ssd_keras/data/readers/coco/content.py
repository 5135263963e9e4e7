"""What one COCO file states, entry by entry, and what is wrong with it."""

from __future__ import annotations

import re
import reprlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ssd_keras.data.checks import BOX_ADVICE, FLOAT32, Box, area_of, counted, usable_size
from ssd_keras.data.readers.coco.files import LabelFile
from ssd_keras.data.readers.coco.json_lists import read_lists
from ssd_keras.data.readers.writing import UNWRITABLE
from ssd_keras.data.samples import Problem
from ssd_keras.errors import InputError

MOST_CLASSES = 20_000
MOST_PROBLEMS = 10_000
"""That many are told one by one; what goes beyond is counted."""
LARGEST_ID, LONGEST_NAME = 1 << 63, 1024
NO_FLAGS = (False, False, False)
FILE_ADVICE = "correct or replace the file"


class ProblemList:
    """Collects what is wrong; a file with millions of faults does not fill the memory."""

    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._others = 0

    def add(self, file: Path, problem: str, advice: str = BOX_ADVICE) -> None:
        """Take one more problem."""
        if len(self._listed) < MOST_PROBLEMS:
            self._listed.append(Problem(str(file), problem, advice))
        else:
            self._others += 1

    def all(self, source: Path) -> list[Problem]:
        """Give the problems, and last how many more there were."""
        if not self._others:
            return self._listed
        more = f"has {counted(self._others, 'more problem')}, not listed"
        return [*self._listed, Problem(str(source), more, "correct those listed first")]


class Category(NamedTuple):
    """A category as a file states it."""

    name: str
    group: str | None
    """The name of its "supercategory"."""


class StatedImage(NamedTuple):
    """An image as a file states it: its name, and (height, width) where that makes sense."""

    name: str
    size: tuple[int, int] | None


class Row(NamedTuple):
    """One annotation: corners are exact in float32; flags and area are those of `NamedBox`, in its order."""

    number: int
    category: int | None
    corners: Box
    flags: tuple[bool, bool, bool]
    area: float


@dataclass(eq=False)
class Content:
    """What one file states: its images and, by their ids, its boxes; its categories by their ids."""

    file: LabelFile
    problems: ProblemList
    images: dict[str, StatedImage] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    categories: dict[int, Category] = field(default_factory=dict)
    unusable: set[str] = field(default_factory=set)
    """Ids of images that were left out: nothing needs to be said of their boxes."""
    has_annotations: bool = False
    boxes: int = 0
    without_box: int = 0

    @property
    def is_of_boxes(self) -> bool:
        """Whether the file is one of instances: not of captions, and no bare list of images."""
        return self.has_annotations and (self.boxes > 0 or self.without_box == 0)

    @property
    def is_unlabelled(self) -> bool:
        """Whether the file lists images and classes alone, as of a test set with secret labels."""
        return not self.has_annotations and bool(self.images) and bool(self.categories)

    def add_image(self, entry: Any, number: int) -> None:
        """Take the entry `number`, from 1, of "images"."""
        entry = entry if isinstance(entry, dict) else {}
        key, name = _id_text(entry.get("id")), entry.get("file_name")
        if key is None:
            self._leave_out(f"image {number} has no usable id ({reprlib.repr(entry.get('id'))})")
        elif key in self.images or key in self.unusable:
            self._leave_out(f"image {number} has the id {key!r} of another image")
        elif not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            self.unusable.add(key)
            self._leave_out(f"image {key} has no usable file_name ({reprlib.repr(name)})")
        else:
            self.images[key] = StatedImage(name, usable_size(entry.get("height"), entry.get("width")))

    def add_category(self, entry: Any, number: int) -> None:
        """Take the entry `number`, from 1, of "categories"."""
        entry = entry if isinstance(entry, dict) else {}
        key, name, group = _whole(entry.get("id")), entry.get("name"), entry.get("supercategory")
        if key is None:
            shown = reprlib.repr(entry.get("id"))
            self._leave_out(f"category {number} has no whole number as id ({shown})")
            return
        if not isinstance(name, str) or not name.strip() or UNWRITABLE.search(name):
            problem = f"category {key} has no usable name ({reprlib.repr(name)}) and is called 'class {key}'"
            self.problems.add(self.file.path, problem, "name it")
            name = f"class {key}"
        if len(self.categories) >= MOST_CLASSES:
            raise ValueError(f"more than {MOST_CLASSES} categories")
        category = Category(name.strip(), group if isinstance(group, str) else None)
        known = self.categories.setdefault(key, category)
        if known.name != category.name:
            self._leave_out(f"category {category.name!r} has the id {key} of {known.name!r}")

    def add_annotation(self, entry: Any, number: int) -> None:
        """Take the entry `number`, from 1, of "annotations"."""
        entry = entry if isinstance(entry, dict) else {"bbox": ()}
        if entry.get("bbox") is None:
            self.without_box += 1
            return
        self.boxes += 1
        image, corners = _id_text(entry.get("image_id")), _corners(entry["bbox"])
        stated = _whole(entry.get("id"))
        number = number if stated is None else stated
        if corners is None:
            shown = reprlib.repr(entry["bbox"])
            self._leave_out(f"box {number} has a bbox that is not four numbers ({shown})")
        elif image is None:
            self._leave_out(f"box {number} has no usable image_id ({reprlib.repr(entry.get('image_id'))})")
        else:
            row = Row(
                number, _whole(entry.get("category_id")), corners, _flags(entry), area_of(entry.get("area"))
            )
            self.rows.setdefault(image, []).append(row)

    def _leave_out(self, problem: str) -> None:
        self.problems.add(self.file.path, f"{problem} and is left out")


def read_content(file: LabelFile, problems: ProblemList) -> Content:
    """Read one file; `InputError` where it is no COCO file, while what is wrong inside joins `problems`."""
    content = Content(file, problems)
    take = {
        "images": content.add_image,
        "annotations": content.add_annotation,
        "categories": content.add_category,
    }
    try:
        with file.path.open(encoding="utf-8-sig") as opened:
            content.has_annotations = "annotations" in read_lists(opened, take)
    except OSError as error:
        raise InputError(f"{file.path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file.path} is no text in UTF-8: save it as UTF-8") from error
    except RecursionError as error:
        raise InputError(f"{file.path} is no COCO file (nested too deeply): {FILE_ADVICE}") from error
    except ValueError as error:
        raise InputError(f"{file.path} is no COCO file ({error}): {FILE_ADVICE}") from error
    if content.boxes and content.without_box:
        problems.add(file.path, f"has {counted(content.without_box, 'annotation')} without bbox, left out")
    return content


def _whole(value: Any) -> int | None:
    """Give a whole number, also as 3.0 or "3"; None where it is none, or beyond all reason."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    whole = -LARGEST_ID < value < LARGEST_ID and value == int(value)
    return int(value) if whole else None


def _id_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value if 0 < len(value) <= LONGEST_NAME and not UNWRITABLE.search(value) else None
    number = _whole(value)
    return None if number is None else str(number)


def _corners(bbox: Any) -> Box | None:
    """Turn x, y, width, height as they stand in a file into a box that is exact in float32, or into None."""
    try:
        x, y, width, height = bbox
        return FLOAT32.unpack(FLOAT32.pack(x, y, x + width, y + height))
    except (TypeError, ValueError, OverflowError, struct.error):
        return None


def _flags(entry: Mapping[str, Any]) -> tuple[bool, bool, bool]:
    """Give `difficult`, `crowd` and `truncated`; the original knows crowds only."""
    difficult, crowd, truncated = entry.get("difficult"), entry.get("iscrowd"), entry.get("truncated")
    if not (difficult or crowd or truncated):
        return NO_FLAGS
    return _is_set(difficult), _is_set(crowd), _is_set(truncated)


def _is_set(value: Any) -> bool:
    return bool(value == 1 or value in ("1", "true"))
