"""From COCO files to a data set."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_keras.data.checks import check_box, counted, image_size, labelled_frame
from ssd_keras.data.readers.assembly import UNLABELLED_ADVICE, LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.coco.content import Content, ProblemList, Row, read_content
from ssd_keras.data.readers.coco.files import ImageFiles, find_label_files
from ssd_keras.data.samples import Dataset
from ssd_keras.errors import InputError


def read_coco(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a COCO data set; no image is opened whose size the file states.

    Args:
        path: a JSON file, or a folder with such files in it, in annotations/ or in the folder of each split.
            Images are found by their `file_name` in the folder of the file and the one above (of a folder:
            nothing outside of it), there also in images/, data/, and in folders named like the split; paths
            that were right on another machine count by their last parts.
        class_names: the classes in the order of their labels; None: all categories of the files, in the order
            of their ids, also those without a box. Exports may have one more category for all others
            together ("supercategory": "none"), which is no class unless it has boxes.

    Returns:
        The data set. Every file is a split, named by what its name or else its folder says beside
        "instances", "annotations" and the like; "valid" becomes "val". Files without boxes, such as captions,
        are passed over; one that is given by itself may list images and classes alone (image_info_*.json of
        COCO's test sets). Images without objects are kept. An image with the same boxes in two splits becomes
        one sample. Keys `difficult` and `truncated` of an annotation are read as `iscrowd` is; outlines
        are not. `Sample.image_id` is the id of the image in its file, which may occur again in another split;
        `category_ids` are the ids of the classes, or None where a class has none or files contradict.

    Raises:
        InputError: a file is no COCO file, there are boxes but no categories, no image is left that can be
            used, or a box has a class that is not in `class_names`.
    """
    source = Path(path)
    problems = ProblemList()
    contents = [read_content(file, problems) for file in find_label_files(source)]
    usable = [content for content in contents if content.is_of_boxes]
    if source.is_file() and any(content.is_unlabelled for content in contents):
        usable = contents
        listed = counted(len(contents[0].images), "image")
        problems.add(source, f"lists {listed} without annotations: they count as empty", UNLABELLED_ADVICE)
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


def _classes(source: Path, contents: Sequence[Content], problems: ProblemList) -> _Classes:
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


def _groups(contents: Sequence[Content]) -> set[tuple[int, str]]:
    """The categories that only hold others together, as exports put one in front of all classes."""
    categories = [pair for content in contents for pair in content.categories.items()]
    groups = {category.group for _, category in categories}
    return {(i, c.name) for i, c in categories if c.group == "none" and c.name in groups}


def _listed(values: Iterable[Any]) -> str:
    """Name some of many values."""
    return reprlib.repr(list(values))[1:-1]


def _labelled_splits(contents: Sequence[Content], problems: ProblemList) -> dict[str, list[LabelledImage]]:
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
    content: Content, names: Mapping[int, str], problems: ProblemList
) -> Iterator[LabelledImage]:
    path = content.file.path
    files = ImageFiles(content.file.places, [image.name for image in content.images.values()])
    for key, image in content.images.items():
        rows = content.rows.pop(key, [])
        try:
            file = files.find(image.name)
        except LookupError as error:
            problem = f"image {key} is left out: its file_name {image.name!r} {error.args[0]}"
            problems.add(path, problem, "put the image there, or remove it from the file")
            continue
        boxes, faults = _named_boxes(rows, image.size or image_size(file), names)
        if faults and image.size:
            boxes, faults = _named_boxes(rows, labelled_frame(image.size, file), names)
        for number, fault in faults:
            problems.add(path, f"box {number} of {image.name!r} {fault}")
        yield LabelledImage(file, key, boxes, str(path), image.size)
    for key, rows in content.rows.items():
        for row in rows if key not in content.unusable else ():
            problems.add(path, f"box {row.number} is of image {key!r}, which is not listed, and is left out")


def _named_boxes(
    rows: Iterable[Row], size: tuple[int, int] | None, names: Mapping[int, str]
) -> tuple[list[NamedBox], list[tuple[int, str]]]:
    """Judge the boxes of an image: those that can be used, and of others their number and what is wrong."""
    boxes, faults = [], []
    for row in rows:
        box, fault = _named_box(row, size, names)
        if box is not None:
            boxes.append(box)
        if fault is not None:
            faults.append((row.number, fault))
    return boxes, faults


def _named_box(
    row: Row, size: tuple[int, int] | None, names: Mapping[int, str]
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
    return NamedBox(name, box, *row.flags, row.area), fault
