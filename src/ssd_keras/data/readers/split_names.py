"""The names of splits that several formats share, and the names of files and folders made of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable

from ssd_keras.data.readers.writing import safe_stem

OTHER_NAMES = {"valid": "val", "validation": "val"}
"""Splits that other programs call otherwise, and their names here."""

SPLIT_FOLDERS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
"""How folders are called, in lower case, that surely are splits."""


def usual_name(name: str, all_names: Collection[str]) -> str:
    """Give the name that a split goes by here, unless another of `all_names` has it."""
    usual = OTHER_NAMES.get(name.lower(), name)
    return name if usual in all_names else usual


def distinct_stems(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Give each of these names a stem for its file or folder that no other has.

    Upper and lower case count as the same, as some file systems have it; stems in `taken` are not given.
    """
    stems: dict[str, str] = {}
    occupied = {name.casefold() for name in taken}
    for name in names:
        stem = safe_stem(name)
        candidates = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
        stems[name] = next(candidate for candidate in candidates if candidate.casefold() not in occupied)
        occupied.add(stems[name].casefold())
    return stems
