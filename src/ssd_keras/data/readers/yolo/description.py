"""What the YAML file of a YOLO data set states, and its class names, there or in a list beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ssd_keras.classes import checked_class_names
from ssd_keras.data.readers.yolo.recognising import LARGEST_DESCRIPTION
from ssd_keras.data.samples import Problem
from ssd_keras.errors import InputError

CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
CLASS_LIST_PLACES = ("", "labels", "train")
"""Files with a class name a line, and the folders where one may be."""

MOST_CLASSES = 100_000
UNSTATED = ("", "null", "~")
"""What stands in YAML for nothing."""

CLASS_ID = re.compile(r"(\d{1,9})(?:\.0*)?(?:[eE]\+?0+)?")
"""A class id; files that went through an array of floats have it as 3.0 or 3.000e+00."""


def read_description(file: Path) -> dict[str, Any]:
    """Read a YAML file; every value stays the text that it is: a class may be named "no" or "007".

    Aliases are shared, not copied, and no reader of this goes deeper than a list of texts.

    Raises:
        InputError: it cannot be read, is too large, or is no YAML of keys and values.
    """
    try:
        if file.stat().st_size > LARGEST_DESCRIPTION:
            raise InputError(
                f"{file} has more than {LARGEST_DESCRIPTION >> 10} KiB: give the file of a data set"
            )
        content = yaml.load(file.read_bytes(), yaml.BaseLoader)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): check the path") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{file} is no YAML ({reason}): correct the file") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is no description of a data set: it needs 'train', 'val' and 'names'")
    return {key: value for key, value in content.items() if isinstance(key, str)}


def stated_names(file: Path, stated: Mapping[str, Any], problems: list[Problem]) -> tuple[str, ...] | None:
    """Give the class names that a description states, in the order of their ids; None where it states none.

    A number of classes without names makes them "class 0" and so on. Where number and names do not agree, the
    names count, and `problems` gets one more.

    Raises:
        InputError: what stands there are no names for classes.
    """
    names = stated.get("names")
    count = stated.get("nc", "")
    number = int(count) if isinstance(count, str) and re.fullmatch(r"\d{1,6}", count) else None
    if number is not None and number > MOST_CLASSES:
        raise InputError(f"{file} states {number} classes: correct 'nc'")
    if names is None or names in UNSTATED or not names:
        return None if not number else tuple(f"class {i}" for i in range(number))
    given = _names_by_id(file, names) if isinstance(names, dict) else names
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise InputError(f"{file}: 'names' is no list of class names: write one name for each class id")
    if number is not None and number != len(given):
        problem = f"says that there are {number} classes (nc), and names {len(given)}, which are taken"
        problems.append(Problem(str(file), problem, "correct the number or the names"))
    return _checked_names(file, given)


def _names_by_id(file: Path, names: Mapping[Any, Any]) -> list[Any]:
    """The names in the order of their ids; an id without name is called by its number."""
    matches = {id_text: CLASS_ID.fullmatch(id_text) for id_text in names if isinstance(id_text, str)}
    by_id = {int(match[1]): names[id_text] for id_text, match in matches.items() if match}
    if len(by_id) < len(names) or max(by_id) >= MOST_CLASSES:
        raise InputError(f"{file}: 'names' has a key that is no class id: write '0: name' and so on")
    return [by_id.get(i, f"class {i}") for i in range(max(by_id) + 1)]


def _checked_names(file: Path, names: Iterable[str]) -> tuple[str, ...]:
    try:
        return checked_class_names(names)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def listed_names(root: Path) -> tuple[str, ...] | None:
    """Give the class names of the text file that lists them, one a line; None where there is none."""
    for file in (root / place / name for place in CLASS_LIST_PLACES for name in CLASS_LISTS):
        if file.is_file() and file.stat().st_size <= LARGEST_DESCRIPTION:
            text = file.read_text(encoding="utf-8-sig", errors="replace")
            names = [line.strip() for line in text.splitlines()]
            while names and not names[-1]:
                names.pop()
            return _checked_names(file, names) if names else None
    return None
