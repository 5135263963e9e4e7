"""Which names of classes are probably one class; with care: labels are lost where two become one."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

RARE = 0.1
"""A class with at most this share of the boxes of another with nearly its name is probably misspelt."""

SIMILAR = 0.8
"""How alike two names are then, word by word, by difflib's measure, 0-1."""

SHORTEST_WITHOUT_CASE = 3
"""Shorter names that differ in capitals only may be different classes, as letters of an alphabet are."""

LONG_WORD = 8
"""In a word of so many letters one wrong letter is a typing error; "tractor" and "traitor" are two words."""

SEPARATORS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
LETTER_BUCKETS = 64


def misspelt_classes(boxes: Mapping[str, int]) -> dict[str, str]:
    """Find rare classes whose names are nearly those of frequent ones: the former by the latter.

    `boxes` are the numbers of boxes by class; one without any may be left of a name that was corrected. Names
    that differ in capitals and blanks only (or _ or - in their place) are the same, however many boxes there
    are; the one with fewer is the misspelt one. Names with other numbers in them are different, and so is a
    name that continues another (helmet, no_helmet).
    """
    by_boxes = sorted(boxes, key=lambda name: -boxes[name])
    found = _same_but_for_writing(by_boxes)
    letters = _letter_counts(by_boxes)
    counts = np.array([boxes[name] for name in by_boxes])
    for place, name in enumerate(by_boxes):
        frequent = int((counts * RARE >= counts[place]).sum())  # they come first
        if name in found or not frequent:
            continue
        perhaps = np.flatnonzero(_perhaps_similar(letters[:frequent], letters[place])).tolist()
        likely = [
            by_boxes[other]
            for other in perhaps
            if by_boxes[other] not in found and _are_similar(name, by_boxes[other])
        ]
        if likely:
            found[name] = max(likely, key=lambda other: _likeness(name, other))
    return found


def is_surely_misspelt(name: str, right: str) -> bool:
    """Tell whether two such names are one class without doubt, so that one may be renamed.

    They differ in capitals and blanks only, or by one letter (missing, added, another, or swapped with its
    neighbour) in one long word.
    """
    if _written_alike(name) == _written_alike(right):
        return True
    words, others = _words(name), _words(right)
    if len(words) != len(others):
        return False
    differing = [pair for pair in zip(words, others, strict=True) if pair[0] != pair[1]]
    return len(differing) == 1 and max(map(len, differing[0])) >= LONG_WORD and _is_one_slip(*differing[0])


def _same_but_for_writing(by_boxes: Sequence[str]) -> dict[str, str]:
    first: dict[object, str] = {}
    found = {}
    for name in by_boxes:
        other = first.setdefault(_written_alike(name), name)
        if other != name:
            found[name] = other
    return found


def _written_alike(name: str) -> tuple[str, tuple[str, ...]]:
    """What names that differ in capitals and blanks only have in common: letters, and numbers."""
    composed = unicodedata.normalize("NFC", name.strip())
    plain = SEPARATORS.sub("", composed)
    return plain.lower() if len(plain) >= SHORTEST_WITHOUT_CASE else plain, _numbers(composed)


def _numbers(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", name))


def _words(name: str) -> list[str]:
    return SEPARATORS.sub(" ", unicodedata.normalize("NFC", name.strip()).lower()).split()


def _are_similar(name: str, other: str) -> bool:
    if _numbers(name) != _numbers(other):  # "class 1" and "class 2"
        return False
    words, others = _words(name), _words(other)
    if len(words) != len(others):
        words, others = ["".join(words)], ["".join(others)]
    return words != others and all(
        word == another or (_likeness(word, another) >= SIMILAR and not _continues(word, another))
        for word, another in zip(words, others, strict=True)
    )


def _continues(word: str, other: str) -> bool:
    """Tell whether one word is the other with something before, behind or put into it: male, female."""
    shorter, longer = sorted((word, other), key=len)
    return shorter in longer or (len(longer) - len(shorter) > 1 and not _differing_part(shorter, longer)[0])


def _is_one_slip(word: str, other: str) -> bool:
    part, other_part = _differing_part(word, other)
    if _continues(word, other):
        return False
    return max(len(part), len(other_part)) <= 1 or (len(part) == 2 and part == other_part[::-1])


def _differing_part(word: str, other: str) -> tuple[str, str]:
    """What is left of two words without their common beginning and their common end."""
    start = next(
        (place for place, (a, b) in enumerate(zip(word, other, strict=False)) if a != b),
        min(len(word), len(other)),
    )
    word, other = word[start:], other[start:]
    ends = zip(reversed(word), reversed(other), strict=False)
    end = next((place for place, (a, b) in enumerate(ends) if a != b), min(len(word), len(other)))
    return word[: len(word) - end], other[: len(other) - end]


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()


def _letter_counts(names: Sequence[str]) -> NDArray[np.int64]:
    """How often each letter is in each name, (N, 64), so that thousands of names are compared at once."""
    counts = np.zeros((len(names), LETTER_BUCKETS), np.int64)
    for row, name in enumerate(names):
        for letter in "".join(_words(name)):
            counts[row, ord(letter) % LETTER_BUCKETS] += 1
    return counts


def _perhaps_similar(letters: NDArray[np.int64], one: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether names have enough letters in common with one name to be similar, whatever their order."""
    shared = np.minimum(letters, one).sum(axis=1)
    similar: NDArray[np.bool_] = 2 * shared >= SIMILAR * (letters.sum(axis=1) + one.sum())
    return similar
