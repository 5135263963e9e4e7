"""What stands in the class column of tables: names, or numbers that stand for names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from ssd_keras.classes import checked_class_names
from ssd_keras.data.samples import Problem
from ssd_keras.errors import InputError

INTEGER = re.compile(r"(\d{1,9})(?:\.0*)?")
"""A class id; tables that went through a column of floats have it as 3.0."""

Naming = tuple[dict[str, str], tuple[str, ...] | None]
"""What each text of the class column stands for, and the class names in the order of their labels."""


def name_classes(
    where: str,
    texts: Iterable[str],
    class_names: Sequence[str] | None,
    written_names: Collection[str],
    problems: list[Problem],
) -> Naming:
    """Give each text its class name.

    Args:
        where: the tables, for messages.
        texts: what stands in the class column of all tables that are read together.
        class_names: the classes in the order of their labels, if the user gave them.
        written_names: the class names that our own writer left beside the table; texts that are among them
            are names, also those that look like numbers.
        problems: what is doubtful is added to these.

    Raises:
        InputError: there are more numbers than names, or it cannot be told from where they count.
    """
    texts = {text for text in texts if text}
    names = None if class_names is None else checked_class_names(class_names)
    ids = {text: int(match[1]) for text in texts if (match := INTEGER.fullmatch(text))}
    if len(ids) < len(texts) or not texts or texts <= set(names or ()) or texts <= set(written_names):
        return {text: text for text in texts}, names
    if names is None:
        numbered = {i: f"class {i}" for i in sorted(ids.values())}
        return {text: numbered[i] for text, i in ids.items()}, tuple(numbered.values())
    start = _start(where, ids.values(), len(names), problems)
    return {text: names[i - start] for text, i in ids.items()}, names


def _start(where: str, ids: Collection[int], classes: int, problems: list[Problem]) -> int:
    """Whether class ids count from 0, or from 1 as in the Keras port of 2018."""
    low, high = min(ids), max(ids)
    counted = f"class ids from {low} to {high} for {classes} class names"
    if high > classes or (low == 0 and high == classes):
        raise InputError(f"{where}: {counted}: name all classes, or write their names into the file")
    if low > 0 and high < classes:
        advice = "write names in place of the ids, or name the folder with the tables of all splits"
        raise InputError(f"{where}: {counted} may count from 0 or from 1: {advice}")
    start = 1 if low > 0 else 0
    if low > start:
        advice = "write names in place of the ids if that is wrong"
        problems.append(Problem(where, f"has {counted}, read as counted from {start}", advice))
    return start
