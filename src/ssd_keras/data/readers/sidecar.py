"""What a format has no place for, in a small file beside the labels that our readers know.

    {"class_names": ["car", "dog"],
     "category_ids": [3, 18],
     "splits": {"train": ["a.jpg", "b.jpg"]},
     "flags": {"a.jpg": {"difficult": [0, 2]}},
     "areas": {"a.jpg": [702.5, null, 31]},
     "boxes": {"a.jpg": 3}}

Each of them may be missing. Images are named by their path from the folder of the file, with slashes; flags
list the numbers of the boxes, from 0, in the order in which the labels stand in the data set; areas are those
of the objects in square pixels, one for each box, null where it is that of the box or not known. Both hold
only as long as the image has as many boxes as it had.
Other programs do not see the file; without it a data set still reads, and lacks only what it says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssd_keras.boxes.formats import box_area
from ssd_keras.classes import checked_class_names
from ssd_keras.data.checks import area_of, counted, shown_text
from ssd_keras.data.samples import GroundTruth, Problem
from ssd_keras.errors import InputError

SIDECAR = "ssd-keras.json"

FLAGS = ("difficult", "crowd", "truncated")
"""Marks of boxes, as `GroundTruth` has them."""

SAME_AREA = 1e-5
"""An object and its box have the same area up to this share."""

LONGEST_CHARACTER = 4
"""Bytes in UTF-8."""

LARGEST = 1 << 25
"""Bytes; a larger file is none of ours. As Python's objects its content may take twenty times as much."""


class Marks(NamedTuple):
    """What is said of the boxes of one image: the numbers of those that have each flag, and areas or none."""

    flags: tuple[frozenset[int], ...] = (frozenset(),) * len(FLAGS)
    areas: Sequence[float | None] = ()

    def of(self, box: int) -> tuple[bool, bool, bool, float]:
        """Give the flags and the area (NaN: not stated) of a box by its number, as `NamedBox` ends."""
        difficult, crowd, truncated = (box in numbers for numbers in self.flags)
        area = self.areas[box] if self.areas else None
        return difficult, crowd, truncated, math.nan if area is None else area


@dataclass(frozen=True)
class Sidecar:
    """What stands beside the labels of a data set.

    Attributes:
        class_names: all classes in the order of their labels, also those without a box; empty if not stated.
        splits: the images of each split, in order; empty if not stated.
        flags: of the boxes of each image: the name of the flag and the numbers of the boxes that have it.
        category_ids: the number that each class has in COCO files, in the order of `class_names`; None where
            classes have no numbers.
        box_counts: how many boxes the images in `flags` had when these were written; an image may be missing.
        areas: of the objects of each image, in square pixels; NaN or None where one is not stated.
    """

    class_names: tuple[str, ...] = ()
    splits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    flags: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    category_ids: Sequence[int] | None = None
    box_counts: Mapping[str, int] = field(default_factory=dict)
    areas: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    def marks_of(self, image: str, boxes: int) -> tuple[Marks, str | None]:
        """Give what is said of the boxes of an image, and what is wrong.

        Numbers mean nothing once a box was added or removed: where an image has not as many `boxes` as were
        written, none of them has a mark, and the fault, the end of a sentence about the image, says so.
        """
        stated, areas = self.flags.get(image, {}), self.areas.get(image, ())
        before = self.box_counts.get(image, len(areas) or boxes)
        if before != boxes or len(areas) not in (0, boxes):
            now = counted(boxes, "box", "boxes")
            fault = f"has {now} and had {before} when {SIDECAR} was written, so none counts as marked"
            return Marks(), fault
        return Marks(tuple(frozenset(stated.get(flag, ())) for flag in FLAGS), areas), None

    def category_ids_of(self, class_names: Sequence[str]) -> tuple[int, ...] | None:
        """Give the numbers of these classes; None unless every one of them has one."""
        ids = dict(zip(self.class_names, self.category_ids or (), strict=False))
        return tuple(ids[name] for name in class_names) if set(class_names) <= ids.keys() else None

    def names_or(self, in_use: Iterable[str]) -> tuple[str, ...]:
        """Give the stated class names, or those in use, sorted, where these are not all among them."""
        used = set(in_use)
        return self.class_names if used <= set(self.class_names) else tuple(sorted(used))


def flags_to_state(truth: GroundTruth) -> dict[str, list[int]]:
    """Give what `Sidecar.flags` says of one image: only flags that some box has."""
    numbers = {flag: np.flatnonzero(getattr(truth, flag)).tolist() for flag in FLAGS}
    return {flag: boxes for flag, boxes in numbers.items() if boxes}


def areas_to_state(truth: GroundTruth) -> list[float | None]:
    """Give what `Sidecar.areas` says of one image: nothing where all areas are those of boxes, or unknown."""
    of_boxes = box_area(truth.boxes_px.astype(np.float64))
    differs = np.abs(truth.areas - of_boxes) > SAME_AREA * of_boxes
    if not differs.any():
        return []
    stated = zip(truth.areas.tolist(), differs.tolist(), strict=True)
    return [float(f"{area:.7g}") if of_object else None for area, of_object in stated]


class StatedMarks:
    """Collects what `Sidecar` says of boxes while a data set is written."""

    def __init__(self) -> None:
        self._flags: dict[str, dict[str, list[int]]] = {}
        self._areas: dict[str, list[float | None]] = {}
        self._box_counts: dict[str, int] = {}

    def add(self, image: str, truth: GroundTruth) -> None:
        """Take what is to be said of the boxes of an image, in the order in which they are written."""
        flags, areas = flags_to_state(truth), areas_to_state(truth)
        if flags:
            self._flags[image] = flags
        if areas:
            self._areas[image] = areas
        if flags or areas:
            self._box_counts[image] = len(truth)

    def sidecar(
        self,
        class_names: tuple[str, ...],
        splits: Mapping[str, Sequence[str]],
        category_ids: Sequence[int] | None,
    ) -> Sidecar:
        """Give it all with what is said of the whole data set."""
        return Sidecar(class_names, splits, self._flags, category_ids, self._box_counts, self._areas)


def write_sidecar(folder: Path, sidecar: Sidecar) -> None:
    """Write `sidecar` into `folder`, without what is empty; nothing at all if everything is.

    Areas are left out where the file would become larger than it is read: without them it still reads.
    """
    content = {
        "class_names": list(sidecar.class_names),
        "category_ids": [int(number) for number in sidecar.category_ids or ()],
        "splits": {name: list(images) for name, images in sidecar.splits.items()},
        "flags": dict(sidecar.flags),
        "areas": {image: list(areas) for image, areas in sidecar.areas.items()},
        "boxes": dict(sidecar.box_counts),
    }
    stated = {key: value for key, value in content.items() if value}
    if stated:
        text = json.dumps(stated, indent=1, ensure_ascii=False)
        if len(text) > LARGEST // LONGEST_CHARACTER:
            stated.pop("areas", None)
            text = json.dumps(stated, indent=1, ensure_ascii=False)
        (folder / SIDECAR).write_text(text + "\n", encoding="utf-8")


def read_sidecar(folder: Path, problems: list[Problem]) -> Sidecar:
    """Read the file in `folder`; nothing is stated where there is none.

    A file that cannot be understood is left out and becomes one of `problems`.
    """
    path = folder / SIDECAR
    if not path.is_file():
        return Sidecar()
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        return _checked(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, InputError) as error:
        problem = f"cannot be understood ({shown_text(str(error))}), and what it says is left out"
        problems.append(Problem(str(path), problem, "correct it, or remove it"))
        return Sidecar()


def _checked(content: Any) -> Sidecar:
    """Check all that a file states; `ValueError`, or `InputError` of the class names, where it is wrong."""
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    names, ids = content.get("class_names", []), content.get("category_ids", [])
    splits, flags, counts = (content.get(key, {}) for key in ("splits", "flags", "boxes"))
    if not _is_list_of(str, names):
        raise ValueError("class_names is no list of texts")
    if not _is_list_of(int, ids) or (ids and len(ids) != len(names)) or len(set(ids)) != len(ids):
        raise ValueError("category_ids is no list of different numbers, one for each of class_names")
    if not isinstance(splits, dict) or not all(_is_list_of(str, images) for images in splits.values()):
        raise ValueError("splits is no object of lists of images")
    if not isinstance(flags, dict) or not all(
        isinstance(one, dict) and all(_is_list_of(int, boxes) for boxes in one.values())
        for one in flags.values()
    ):
        raise ValueError("flags is no object of flags by image")
    if not isinstance(counts, dict) or not _is_list_of(int, list(counts.values())):
        raise ValueError("boxes is no object of numbers by image")
    areas = content.get("areas", {})
    if not isinstance(areas, dict) or not all(_is_list_of(int | float | None, one) for one in areas.values()):
        raise ValueError("areas is no object of lists of numbers by image")
    checked_names = checked_class_names(names) if names else ()
    usable = {image: [area_of(area) for area in one] for image, one in areas.items()}
    return Sidecar(checked_names, splits, flags, tuple(ids) or None, counts, usable)


def _is_list_of(kind: Any, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
