"""COCO: all labels of a split in one JSON file, its images in a folder beside it.

    annotations/instances_train2017.json   images, boxes ("annotations") and classes ("categories")
    train2017/000000262145.jpg             pixels, found by the "file_name" of an image

Exports of other programs put the same file elsewhere, such as `train/_annotations.coco.json` among the
images. Files are read entry by entry: those of the real COCO hold half a gigabyte of outlines of no use here.

Source: https://cocodataset.org/#format-data. A box is x, y, width, height in pixels, counted from 0.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import reprlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from ssd_keras.boxes.formats import box_area
from ssd_keras.data.checks import BOX_ADVICE, Box, check_box, image_size
from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    UNWRITABLE,
    ImageWriter,
    new_folder,
    number_text,
    safe_stem,
    writable_class_names,
)
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample
from ssd_keras.errors import InputError

ANNOTATIONS, IMAGES = "annotations", "images"
INSTANCES = "instances_"
"""How the names of files with boxes start; beside them lie captions and keypoints of the same images."""

BESIDE_IMAGES = ("_annotations.coco.json", "annotations.json", "labels.json", "instances.json", "coco.json")
"""Names of files that exports put into the folder of each split."""

SURE_STARTS = (INSTANCES, BESIDE_IMAGES[0])
"""A file of such a name is COCO or damaged, which has to be said."""

IMAGE_FOLDERS = (IMAGES, "data")
ALL = "all"
"""The name of a split that neither file nor folder names."""

SPLIT_FOLDERS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
OTHER_NAMES = {"valid": "val", "validation": "val"}
"""Splits that other programs call otherwise."""

KINDS_OF_FILE = "(?:instances|annotations?|labels?|bbox|coco)"
DECORATION = re.compile(rf"^(?:[._-]|{KINDS_OF_FILE}(?=[._-]|$))+|(?:[._-]{KINDS_OF_FILE}?)+$")
"""What stands before and behind the split in the name of a file."""

LOOK_BYTES = 1 << 16
LIST_KEY = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
TELLTALES = (b'"file_name"', b'"bbox"')
MOST_FILES = 1000
"""JSON files in one folder; where there are more they belong to single images, and are not COCO."""

MOST_CLASSES = 20_000
MOST_PROBLEMS = 10_000
"""That many are told one by one; what goes beyond is counted."""

LARGEST_ID, LARGEST_SIDE, LONGEST_NAME = 1 << 63, 1 << 20, 1024
FLOAT32 = struct.Struct("4f")
NO_FLAGS = (False, False, False)
FILE_ADVICE = "correct or replace the file"


# --- Finding the files -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _LabelFile:
    """A file of labels, the split that it defines, and the folders in which its images may be."""

    path: Path
    split: str
    places: tuple[Path, ...]


def recognises_coco(path: Path) -> bool:
    """Tell whether `path` is a COCO file, or a folder with some in it, in annotations/ or in those of splits.

    Only the beginning and the end of a file are looked at.
    """
    try:
        return any(_looks_like_coco(file) for file in _json_files(path))
    except (OSError, ValueError):
        return False


def _json_files(path: Path) -> list[Path]:
    """The file itself or, of a folder, the JSON files where labels may be."""
    if not path.is_dir():
        return [path] if path.suffix.lower() == ".json" and path.is_file() else []
    with os.scandir(path) as entries:
        inside = sorted(path / entry.name for entry in entries if entry.is_dir())
    central = [folder for folder in inside if folder.name.lower() == ANNOTATIONS]
    beside_images = [folder / name for folder in inside if folder not in central for name in BESIDE_IMAGES]
    return [
        *(file for folder in (path, *central) for file in _instances_in(folder)),
        *(file for file in beside_images if file.is_file()),
    ]


def _instances_in(folder: Path) -> list[Path]:
    """The JSON files of a folder; where some are named as instances, only those."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.lower().endswith(".json") and entry.is_file()]
    instances = [name for name in names if name.startswith(INSTANCES)]
    if not instances and len(names) > MOST_FILES:
        return []
    return [folder / name for name in sorted(instances or names)]


def _looks_like_coco(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(LOOK_BYTES)
        opened.seek(max(LOOK_BYTES, opened.seek(0, os.SEEK_END) - LOOK_BYTES))
        seen = head + opened.read(LOOK_BYTES)
    if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return False
    keys = set(LIST_KEY.findall(seen))
    return len(keys) > 1 or (bool(keys) and any(telltale in seen for telltale in TELLTALES))


def _label_files(path: Path) -> list[_LabelFile]:
    """The files to be read, each with a name of its own for its split."""
    if path.is_dir():
        try:
            found = [f for f in _json_files(path) if f.name.startswith(SURE_STARTS) or _looks_like_coco(f)]
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error
    elif path.is_file():
        found = [path]
    else:
        raise InputError(f"{path} is neither a file nor a folder: check the path")
    files: dict[str, _LabelFile] = {}
    for file in found:
        stated = _stated_split(file, path)
        name = stated if file.stem == INSTANCES + stated else OTHER_NAMES.get(stated, stated)
        candidates = [name, file.stem, *(f"{name}_{number}" for number in range(2, len(found) + 2))]
        split = next(candidate for candidate in candidates if candidate not in files)
        files[split] = _LabelFile(file, split, _image_places(file, path, (stated, split)))
    return list(files.values())


def _stated_split(file: Path, source: Path) -> str:
    """The split that the name of a file states, or else that of its folder."""
    stem = file.stem
    stated = stem[len(INSTANCES) :] if stem.startswith(INSTANCES) else DECORATION.sub("", stem)
    if stated:
        return stated
    folder = file.parent.absolute().name
    is_split = folder.lower() in SPLIT_FOLDERS or file.parent not in (source, source.parent)
    return folder if is_split and folder.lower() != ANNOTATIONS else ALL


def _image_places(file: Path, source: Path, splits: Iterable[str]) -> tuple[Path, ...]:
    """Where the images may be, those of the split first: two splits may have images of the same names."""
    outer = source if source.is_dir() else Path(os.path.normpath(file.parent / ".."))
    names = dict.fromkeys(name for split in splits for name in (split, split.rstrip("0123456789")))
    folders = [
        *(folder for name in names if name.strip(".") for folder in _folders_of(name)),
        *("", *IMAGE_FOLDERS),
    ]
    return tuple(dict.fromkeys(base / folder for base in (file.parent, outer) for folder in folders))


def _folders_of(split: str) -> list[str]:
    """Where the images of a split may be, as paths from the folder of the data set."""
    return [split, *(f"{f}/{split}" for f in IMAGE_FOLDERS), *(f"{split}/{f}" for f in IMAGE_FOLDERS)]


class _ImageFiles:
    """Finds images by their names in a COCO file; every folder is listed once."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = [place for place in places if place.is_dir()]
        self._listings: dict[str, list[tuple[Path, frozenset[str]]]] = {}

    def find(self, name: str) -> Path:
        """Find an image, or raise `LookupError`, which says what is wrong with its name."""
        path = name.replace("\\", "/")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if path.startswith("/") or ".." in parts or re.match("[A-Za-z]:", path):
            raise LookupError("leads out of the data set's folder")
        *folders, file = parts or [""]
        for folder, files in self._listing("/".join(folders)):
            if file in files:
                return folder / file
        raise LookupError("is not in the data set's folder")

    def _listing(self, inner: str) -> list[tuple[Path, frozenset[str]]]:
        if inner not in self._listings:
            listed = ((place / inner, _image_names(place / inner)) for place in self._places)
            self._listings[inner] = [(folder, files) for folder, files in listed if files]
        return self._listings[inner]


def _image_names(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except (OSError, ValueError):  # there is no such folder, or cannot be one
        return frozenset()
    return frozenset(name for name in names if f".{name.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES)


# --- Reading the JSON --------------------------------------------------------------------------------------


class _JsonText:
    """JSON in a file, decoded value by value, so that neither its text nor all it says is in memory at once.

    What is wrong is raised as `ValueError` or `RecursionError`.
    """

    PIECE = 1 << 20
    LARGEST_VALUE = 1 << 23
    """Characters; an entry that is longer has no good reason, and could fill the memory."""
    LONGEST_WORD = 16
    """Characters of the longest thing that makes no sense if its end is missing, other than a string."""
    BLANKS = re.compile(r"[ \t\n\r]*")

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at, self._passed = "", 0, 0

    def peek(self) -> str:
        """Give the next character that is not blank; nothing at the end."""
        while True:
            self._at = self.BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self, character: str) -> None:
        """Go on behind `character`, which has to come next."""
        if self.peek() != character:
            raise ValueError(f"Expecting {character!r} at character {self._passed + self._at}")
        self._at += 1

    def value(self) -> Any:
        """Decode the next value, which is in memory as a whole."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                problem = f"{error.msg} at character {self._passed + error.pos}"
                at_end = error.pos + self.LONGEST_WORD > len(self._text)
                if not (at_end or error.msg.startswith("Unterminated")) or not self._read_on():
                    raise ValueError(problem) from error
                continue
            if end < len(self._text) or not self._read_on():  # else a number may go on
                self._at = end
                return value

    def items(self) -> Iterator[Any]:
        """Decode the entries of the list that comes next, one at a time."""
        self.take("[")
        if self.peek() != "]":
            yield self.value()
            while self.peek() == ",":
                self._at += 1
                yield self.value()
        self.take("]")

    def _read_on(self) -> bool:
        rest = self._text[self._at :]
        if len(rest) > self.LARGEST_VALUE:
            raise ValueError(f"one value is longer than {self.LARGEST_VALUE} characters")
        piece = self._file.read(max(self.PIECE, len(rest)))
        self._passed += self._at
        self._text, self._at = rest + piece, 0
        return bool(piece)


def _read_lists(file: TextIO, take: Mapping[str, Callable[[Any, int], None]]) -> set[str]:
    """Hand the entries of lists to their functions, with numbers from 1, and tell which lists there were."""
    text = _JsonText(file)
    keys: set[str] = set()
    text.take("{")
    separator = "," if text.peek() != "}" else ""
    while separator == ",":
        key = text.value()
        if not isinstance(key, str):
            raise ValueError("Expecting the name of a property")
        text.take(":")
        if text.peek() == "[":
            for number, entry in enumerate(text.items(), 1):
                if key in take:
                    take[key](entry, number)
        elif key in take:
            raise ValueError(f"{key!r} is no list")
        else:
            text.value()
        keys |= {key} & take.keys()
        separator = text.peek()
        if separator == ",":
            text.take(",")
    text.take("}")
    if text.peek():
        raise ValueError("something follows behind its end")
    return keys


# --- What a file states ------------------------------------------------------------------------------------


class _Problems:
    """Collects what is wrong; a file with millions of faults does not fill the memory."""

    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._others = 0

    def add(self, file: Path, problem: str, advice: str = BOX_ADVICE) -> None:
        if len(self._listed) < MOST_PROBLEMS:
            self._listed.append(Problem(str(file), problem, advice))
        else:
            self._others += 1

    def all(self, source: Path) -> list[Problem]:
        if not self._others:
            return self._listed
        more = Problem(
            str(source), f"has {self._others} problems more than are listed", "correct these first"
        )
        return [*self._listed, more]


class _Category(NamedTuple):
    name: str
    group: str | None
    """The name of its "supercategory"."""


class _Image(NamedTuple):
    name: str
    size: tuple[int, int] | None


class _Row(NamedTuple):
    """One annotation: corners are exact in float32; flags are those of `NamedBox`, in its order."""

    number: int
    category: int | None
    corners: Box
    flags: tuple[bool, bool, bool]


@dataclass(eq=False)
class _Content:
    """What one file states: its images and, by their ids, its boxes; its categories by their ids."""

    file: _LabelFile
    problems: _Problems
    images: dict[str, _Image] = field(default_factory=dict)
    rows: dict[str, list[_Row]] = field(default_factory=dict)
    categories: dict[int, _Category] = field(default_factory=dict)
    unusable: set[str] = field(default_factory=set)
    """Ids of images that were left out: nothing needs to be said of their boxes."""
    has_annotations: bool = False
    boxes: int = 0
    without_box: int = 0

    @property
    def is_of_boxes(self) -> bool:
        """Whether the file is one of instances: not of captions, and no bare list of images."""
        return self.has_annotations and (self.boxes > 0 or self.without_box == 0)

    def add_image(self, entry: Any, number: int) -> None:
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
            self.images[key] = _Image(name, _stated_size(entry))

    def add_category(self, entry: Any, number: int) -> None:
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
        category = _Category(name.strip(), group if isinstance(group, str) else None)
        known = self.categories.setdefault(key, category)
        if known.name != category.name:
            self._leave_out(f"category {category.name!r} has the id {key} of {known.name!r}")

    def add_annotation(self, entry: Any, number: int) -> None:
        entry = entry if isinstance(entry, dict) else {"bbox": ()}
        if entry.get("bbox") is None:
            self.without_box += 1
            return
        self.boxes += 1
        image, corners = _id_text(entry.get("image_id")), _corners(entry["bbox"])
        stated = _whole(entry.get("id"))
        number = number if stated is None else stated
        if corners is None:
            self._leave_out(f"box {number} has a bbox of not four numbers ({reprlib.repr(entry['bbox'])})")
        elif image is None:
            self._leave_out(f"box {number} has no usable image_id ({reprlib.repr(entry.get('image_id'))})")
        else:
            row = _Row(number, _whole(entry.get("category_id")), corners, _flags(entry))
            self.rows.setdefault(image, []).append(row)

    def _leave_out(self, problem: str) -> None:
        self.problems.add(self.file.path, f"{problem} and is left out")


def _read_content(file: _LabelFile, problems: _Problems) -> _Content:
    content = _Content(file, problems)
    take = {
        "images": content.add_image,
        "annotations": content.add_annotation,
        "categories": content.add_category,
    }
    try:
        with file.path.open(encoding="utf-8-sig") as opened:
            content.has_annotations = "annotations" in _read_lists(opened, take)
    except OSError as error:
        raise InputError(f"{file.path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file.path} is no text in UTF-8: save it as UTF-8") from error
    except RecursionError as error:
        raise InputError(f"{file.path} is no COCO file (nested too deeply): {FILE_ADVICE}") from error
    except ValueError as error:
        raise InputError(f"{file.path} is no COCO file ({error}): {FILE_ADVICE}") from error
    if content.boxes and content.without_box:
        problems.add(file.path, f"{content.without_box} annotations have no bbox and are left out")
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


def _stated_size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    if not isinstance(height, int | float) or not isinstance(width, int | float):
        return None
    if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
        return None
    return int(height), int(width)


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


# --- Reading -----------------------------------------------------------------------------------------------


def read_coco(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a COCO data set; no image is opened whose size the file states.

    Args:
        path: a JSON file, or a folder with such files in it, in annotations/ or in the folder of each split.
            Images are found by their `file_name` in the folder of the file and the one above (of a folder:
            nothing outside of it), there also in images/, data/, and in folders named like the split.
        class_names: the classes in the order of their labels; None: all categories of the files, in the order
            of their ids, also those without a box. Exports may have one more category for all others
            together ("supercategory": "none"), which is no class unless it has boxes.

    Returns:
        The data set. Every file is a split, named by what its name or else its folder says beside
        "instances", "annotations" and the like; "valid" becomes "val". Files without boxes, such as captions,
        are passed over. Images without objects are kept. An image with the same boxes in two splits becomes
        one sample. Keys `difficult` and `truncated` of an annotation are read as `iscrowd` is; outlines
        are not. `Sample.image_id` is the id of the image in its file, which may occur again in another split;
        `category_ids` are the ids of the classes, or None where a class has none or files contradict.

    Raises:
        InputError: a file is no COCO file, there are boxes but no categories, no image is left that can be
            used, or a box has a class that is not in `class_names`.
    """
    source = Path(path)
    problems = _Problems()
    contents = [_read_content(file, problems) for file in _label_files(source)]
    usable = [content for content in contents if content.is_of_boxes]
    if not usable:
        raise InputError(
            f"{source} is no COCO data set: it needs a JSON file with annotations that have a bbox"
        )
    if any(content.boxes for content in usable) and not any(content.categories for content in usable):
        raise InputError(f"{source} has boxes but no categories: add the names of the classes to the file")
    classes = _classes(source, usable, problems)
    splits = _labelled_splits(usable, problems)
    names = classes.names or None if class_names is None else class_names
    data = assemble_dataset(source, "coco", splits, names, problems.all(source))
    return dataclasses.replace(data, category_ids=classes.ids_of(data.class_names))


@dataclass(frozen=True)
class _Classes:
    """The classes of all files in the order of their ids, and the ids, None where files contradict."""

    names: tuple[str, ...]
    ids: Mapping[str, int] | None

    def ids_of(self, names: Sequence[str]) -> tuple[int, ...] | None:
        if not names or self.ids is None or not set(names) <= self.ids.keys():
            return None
        return tuple(self.ids[name] for name in names)


def _classes(source: Path, contents: Sequence[_Content], problems: _Problems) -> _Classes:
    used = {row.category for content in contents for rows in content.rows.values() for row in rows}
    stated = sorted({(i, c.name) for content in contents for i, c in content.categories.items()})
    unused_groups = _groups(contents)
    ids_by_name: dict[str, list[int]] = {}
    names_by_id: dict[int, list[str]] = {}
    for number, name in stated:
        if number in used or (number, name) not in unused_groups:
            ids_by_name.setdefault(name, []).append(number)
            names_by_id.setdefault(number, []).append(name)
    for name, numbers in ids_by_name.items():
        if len(numbers) > 1:
            problem = f"category {name!r} has the ids {_listed(numbers)}, which are read as one class"
            problems.add(source, problem, "give it one id")
    contradictions = [(number, names) for number, names in names_by_id.items() if len(names) > 1]
    for number, names in contradictions:
        problem = f"category {number} is {_listed(names)}, and each file is read by what it says itself"
        problems.add(source, problem, "give every class the same id in all files")
    ids = {name: next((i for i in ids if i in used), ids[0]) for name, ids in ids_by_name.items()}
    return _Classes(tuple(ids), None if contradictions else ids)


def _groups(contents: Sequence[_Content]) -> set[tuple[int, str]]:
    """The categories that only hold others together, as exports put one in front of all classes."""
    categories = [pair for content in contents for pair in content.categories.items()]
    groups = {category.group for _, category in categories}
    return {(i, c.name) for i, c in categories if c.group == "none" and c.name in groups}


def _listed(values: Iterable[Any]) -> str:
    """Name some of many values."""
    return reprlib.repr(list(values))[1:-1]


def _labelled_splits(contents: Sequence[_Content], problems: _Problems) -> dict[str, list[LabelledImage]]:
    """The images of each split; one that is the same in two of them is one object."""
    all_names = {i: category.name for content in contents for i, category in content.categories.items()}
    known: dict[tuple[str, Path | bytes], LabelledImage] = {}
    splits: dict[str, list[LabelledImage]] = {}
    for content in contents:
        names = all_names | {i: category.name for i, category in content.categories.items()}
        splits[content.file.split] = images = []
        for image in _labelled_images(content, names, problems):
            first = known.setdefault((image.image_id, image.image), image)
            images.append(first if first.boxes == image.boxes else image)
    return splits


def _labelled_images(
    content: _Content, names: Mapping[int, str], problems: _Problems
) -> Iterator[LabelledImage]:
    path = content.file.path
    files = _ImageFiles(content.file.places)
    for key, image in content.images.items():
        rows = content.rows.pop(key, [])
        try:
            file = files.find(image.name)
        except LookupError as error:
            problem = f"image {key} is left out: its file_name {image.name!r} {error.args[0]}"
            problems.add(path, problem, "put the image there, or remove it from the file")
            continue
        boxes = []
        size = image.size or image_size(file)
        for row in rows:
            box, fault = _named_box(row, size, names)
            if box is not None:
                boxes.append(box)
            if fault is not None:
                problems.add(path, f"box {row.number} of {image.name!r} {fault}")
        yield LabelledImage(file, key, boxes, where=str(path))
    for key, rows in content.rows.items():
        for row in rows if key not in content.unusable else ():
            problems.add(path, f"box {row.number} is of image {key!r}, which is not listed, and is left out")


def _named_box(
    row: _Row, size: tuple[int, int] | None, names: Mapping[int, str]
) -> tuple[NamedBox | None, str | None]:
    """Judge one box, and say what is wrong with it."""
    name = None if row.category is None else names.get(row.category)
    if name is None:
        shown = "no usable category_id" if row.category is None else f"the unknown category {row.category}"
        return None, f"has {shown} and is left out"
    x0, y0, x1, y1 = box = row.corners
    fault = None
    # Nearly all boxes are plainly fine, and this is ten times as fast as checking each number.
    if size is None or not (0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]):
        checked, fault = check_box(box, size)
        if checked is None:
            return None, fault
        box = checked
    return NamedBox(name, box, *row.flags), fault


# --- Writing -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Record:
    """What is kept of a written sample until all are known: not its pixels."""

    file_name: str
    size: tuple[int, int]
    image_id: str
    truth: GroundTruth
    first_annotation: int


def write_coco(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write a COCO data set: `annotations/instances_<split>.json` for each split, and the folder `images`.

    Samples are taken one at a time. A sample that stands in two splits is written once. Pixels are encoded as
    JPEG; files and encoded bytes are copied as they are. COCO knows images by numbers: where the image ids
    of all samples are different whole numbers they are kept, without zeros in front, else images are
    numbered from 1. It knows neither difficult nor truncated objects: these get keys of their own, which
    `read_coco` understands. It states the width of a box in place of its right side: as many digits are
    written as give the same float32 corners when read, where none of them is negative.

    Args:
        folder: a new or empty folder.
        splits: the samples of each split, by its name.
        class_names: the classes in the order of the labels.
        jpeg_quality: 0-100, for samples that are pixels.
        category_ids: the number of each class, as in `Dataset.category_ids`; by default 1, 2, ...

    Raises:
        InputError: `folder` is not empty, an image cannot be read, a box is not finite, a name cannot stand
            in a text file, or there is not one category id for each class.
    """
    names = writable_class_names(class_names)
    numbers = _checked_category_ids(category_ids, names)
    root = new_folder(Path(folder))
    (root / ANNOTATIONS).mkdir()
    images = ImageWriter(root / IMAGES, jpeg_quality)
    records: dict[Path, _Record] = {}
    members = {split: _write_images(samples, images, records) for split, samples in splits.items()}
    ids = _image_numbers(records)
    files: set[str] = set()
    for split, written in members.items():
        categories = [{"id": i, "name": name} for i, name in zip(numbers, names, strict=True)]
        lists = {
            "categories": iter(categories),
            "images": (_image_entry(ids[image], records[image]) for image in written),
            ANNOTATIONS: (e for i in written for e in _annotations(ids[i], records[i], numbers)),
        }
        _write_lists(root / ANNOTATIONS / _new_name(f"{INSTANCES}{safe_stem(split)}", files), lists)


def _checked_category_ids(category_ids: Sequence[int] | None, names: Sequence[str]) -> list[int]:
    if category_ids is None:
        return list(range(1, len(names) + 1))
    numbers = [int(number) for number in category_ids]
    if len(numbers) != len(names) or len(set(numbers)) != len(names):
        raise InputError(f"category ids {numbers} for {len(names)} classes: give each class one of its own")
    return numbers


def _write_images(
    samples: Iterable[Sample], images: ImageWriter, records: dict[Path, _Record]
) -> dict[Path, None]:
    """Write the images of a split, and give their files in order, each once."""
    files: dict[Path, None] = {}
    last = next(reversed(records.values()), None)
    following = 1 if last is None else last.first_annotation + len(last.truth)
    for sample in samples:
        image, is_new = images.write(sample)
        if is_new:
            records[image] = _record(image, sample, following)
            following += len(sample.ground_truth)
        files[image] = None
    return files


def _record(image: Path, sample: Sample, first_annotation: int) -> _Record:
    size = image_size(image)
    if size is None:
        raise InputError(f"{sample.name} does not decode as an image: take it out of the data set")
    if not np.isfinite(sample.ground_truth.boxes_px).all():
        raise InputError(f"{sample.name} has a box that is not finite: take it out of the data set")
    return _Record(image.name, size, sample.image_id, sample.ground_truth, first_annotation)


def _image_numbers(records: Mapping[Path, _Record]) -> dict[Path, int]:
    texts = [record.image_id for record in records.values()]
    kept = [int(text) for text in texts if re.fullmatch(r"[0-9]{1,18}", text)]
    numbers = kept if len(set(kept)) == len(texts) else range(1, len(texts) + 1)
    return dict(zip(records, numbers, strict=True))


def _new_name(stem: str, taken: set[str]) -> str:
    """A name for a JSON file that no other has, also where upper and lower case are the same."""
    candidates = [stem, *(f"{stem}_{number}" for number in range(2, len(taken) + 2))]
    name = next(candidate for candidate in candidates if candidate.casefold() not in taken)
    taken.add(name.casefold())
    return f"{name}.json"


def _image_entry(number: int, record: _Record) -> dict[str, Any]:
    height, width = record.size
    return {"id": number, "file_name": record.file_name, "height": height, "width": width}


def _annotations(image: int, record: _Record, categories: Sequence[int]) -> Iterator[dict[str, Any]]:
    truth = record.truth
    areas = box_area(truth.boxes_px.astype(np.float64)).tolist()
    for index, (corners, label) in enumerate(
        zip(truth.boxes_px.tolist(), truth.labels.tolist(), strict=True)
    ):
        x0, y0, x1, y1 = corners
        (x, width), (y, height) = _start_and_length(x0, x1), _start_and_length(y0, y1)
        entry = {
            "id": record.first_annotation + index,
            "image_id": image,
            "category_id": categories[label],
            "bbox": [x, y, width, height],
            "area": _short(float(f"{areas[index]:.7g}")),
            "iscrowd": int(truth.crowd[index]),
        }
        if truth.difficult[index]:
            entry["difficult"] = 1
        if truth.truncated[index]:
            entry["truncated"] = 1
        yield entry


def _start_and_length(low: float, high: float) -> tuple[float, float]:
    """Give the start and the length of one side of a box, with the fewest digits that bring `high` back."""
    start = float(number_text(low))
    exact = high - start
    rounded = (float(f"{exact:.{digits}g}") for digits in range(1, 17))
    length = next((r for r in rounded if float(np.float32(start + r)) == high), exact)
    return _short(start), _short(length)


def _short(number: float) -> float:
    """Give whole numbers as such: JSON writes 10.0 otherwise."""
    return int(number) if number.is_integer() and math.fabs(number) < LARGEST_ID else number


def _write_lists(file: Path, lists: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Write an object of lists, one entry a line and one at a time."""
    with file.open("w", encoding="utf-8", newline="\n") as opened:
        opened.write("{")
        for place, (key, entries) in enumerate(lists.items()):
            opened.write(f'{"," if place else ""}\n"{key}": [')
            for number, entry in enumerate(entries):
                separator = "," if number else ""
                opened.write(f"{separator}\n{json.dumps(entry, ensure_ascii=False, allow_nan=False)}")
            opened.write("\n]")
        opened.write("\n}\n")
