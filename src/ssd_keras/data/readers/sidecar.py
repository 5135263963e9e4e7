"""What a format has no place for, in a small file beside the labels that our readers know.

    {"class_names": ["car", "dog"],
     "splits": {"train": ["a.jpg", "b.jpg"]},
     "flags": {"a.jpg": {"difficult": [0, 2]}}}

Each of the three may be missing. Images are named by their path from the folder of the file, with slashes;
flags list the numbers of the boxes, from 0, in the order in which the labels stand in the data set.
Other programs do not see the file; without it a data set still reads, and lacks only what it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssd_keras.classes import checked_class_names
from ssd_keras.data.checks import shown_text
from ssd_keras.data.samples import GroundTruth, Problem
from ssd_keras.errors import InputError

SIDECAR = "ssd-keras.json"

FLAGS = ("difficult", "crowd", "truncated")
"""Marks of boxes, as `GroundTruth` has them."""

LARGEST = 1 << 25
"""Bytes; a larger file is none of ours. As Python's objects its content may take twenty times as much."""


@dataclass(frozen=True)
class Sidecar:
    """What stands beside the labels of a data set.

    Attributes:
        class_names: all classes in the order of their labels, also those without a box; empty if not stated.
        splits: the images of each split, in order; empty if not stated.
        flags: of the boxes of each image: the name of the flag and the numbers of the boxes that have it.
    """

    class_names: tuple[str, ...] = ()
    splits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    flags: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)

    def flags_of(self, image: str, boxes: int) -> list[dict[str, bool]]:
        """Give the flags of each of the `boxes` of an image, by name; all False where nothing is said."""
        stated = self.flags.get(image, {})
        flagged = {flag: set(stated.get(flag, ())) for flag in FLAGS}
        return [{flag: number in flagged[flag] for flag in FLAGS} for number in range(boxes)]

    def names_or(self, in_use: Iterable[str]) -> tuple[str, ...]:
        """Give the stated class names, or those in use, sorted, where these are not all among them."""
        used = set(in_use)
        return self.class_names if used <= set(self.class_names) else tuple(sorted(used))


def flags_to_state(truth: GroundTruth) -> dict[str, list[int]]:
    """Give what `Sidecar.flags` says of one image: only flags that some box has."""
    numbers = {flag: np.flatnonzero(getattr(truth, flag)).tolist() for flag in FLAGS}
    return {flag: boxes for flag, boxes in numbers.items() if boxes}


def write_sidecar(folder: Path, sidecar: Sidecar) -> None:
    """Write `sidecar` into `folder`, without what is empty; nothing at all if everything is."""
    content = {
        "class_names": list(sidecar.class_names),
        "splits": {name: list(images) for name, images in sidecar.splits.items()},
        "flags": dict(sidecar.flags),
    }
    stated = {key: value for key, value in content.items() if value}
    if stated:
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
    match content:
        case dict():
            names = content.get("class_names", [])
            splits, flags = content.get("splits", {}), content.get("flags", {})
        case _:
            raise ValueError("it holds no JSON object")
    if not _is_list_of(str, names):
        raise ValueError("class_names is no list of texts")
    checked_names = checked_class_names(names) if names else ()
    if not isinstance(splits, dict) or not all(_is_list_of(str, images) for images in splits.values()):
        raise ValueError("splits is no object of lists of images")
    if not isinstance(flags, dict) or not all(
        isinstance(one, dict) and all(_is_list_of(int, boxes) for boxes in one.values())
        for one in flags.values()
    ):
        raise ValueError("flags is no object of flags by image")
    return Sidecar(checked_names, splits, flags)


def _is_list_of(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
