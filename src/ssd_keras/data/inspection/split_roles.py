"""What the name of a split says it is for: two splits of different purpose should share no image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

ROLE_OF = {
    "training": "train",
    "train": "train",
    "validation": "val",
    "validate": "val",
    "valid": "val",
    "val": "val",
    "evaluation": "val",
    "eval": "val",
    "devel": "val",
    "dev": "val",
    "testing": "test",
    "test": "test",
    "holdout": "test",
}
"""What splits are called, and what they are for."""

WHOLE = frozenset({"all", "full", "whole", "total", "everything", "complete"})
"""Words in names of splits that hold all images."""

FOLDS = frozenset({"fold", "cv", "run", "seed"})
"""Words in names of splits that are numbered because each image takes each role in one of them."""

PART = f"{'|'.join(ROLE_OF)}|mini|minus|tiny|small|sub|set|split|data|images?|imgs?|aug|extra"
PARTS = re.compile(PART)
COMPOSED = re.compile(rf"(?:{PART})+")
TEST_DEV = re.compile(r"test[\W_]*dev")
"""COCO's test-dev is a subset of its test images."""

EVALUATED = ("test", "val")


class _Purpose(NamedTuple):
    roles: frozenset[str]
    words: frozenset[str]
    numbers: tuple[str, ...]


def may_share(split: str, other: str) -> bool:
    """Tell whether two splits may have images in common, as trainval and train; train and val may not.

    Names are read without capitals, years and numbers (train2017, 2007_val). Two splits may share images
    where one is for all that the other is for, and it is called like a part of it (train, train_small).
    Those whose names differ in a number only (fold1, fold10) are apart.
    """
    one, another = _purpose(split), _purpose(other)
    if (one.words | another.words) & WHOLE:
        return True
    if one.roles != another.roles:
        in_other_folds = bool(one.words & another.words & FOLDS) and one.numbers != another.numbers
        return in_other_folds or bool(one.roles & another.roles)
    if one.words == another.words:
        return one.roles == {"train"} and bool(one.words & FOLDS)  # those of a fold are in the next one, too
    is_part = one.words <= another.words or another.words <= one.words
    return is_part and bool(one.roles or (one.words and another.words))


def in_order_of_keeping(splits: Iterable[str]) -> list[str]:
    """Sort splits by which keeps an image that is in two: test, then val, then the others, the last first.

    So scores stay comparable with earlier ones, and become honest.
    """
    latest_first = list(splits)[::-1]
    return sorted(latest_first, key=lambda name: _rank(_purpose(name).roles))


def _rank(roles: frozenset[str]) -> int:
    (role,) = roles if len(roles) == 1 else ("",)
    return EVALUATED.index(role) if role in EVALUATED else len(EVALUATED)


def _purpose(split: str) -> _Purpose:
    text = TEST_DEV.sub("test sub", split.lower())
    words = re.findall(r"[^\W\d_]+", text)
    composed = [word for word in words if COMPOSED.fullmatch(word)]
    parts = [part for word in composed for part in PARTS.findall(word)]
    return _Purpose(
        frozenset(ROLE_OF[part] for part in parts if part in ROLE_OF),
        frozenset(word for word in words if word not in composed)
        | frozenset(part for part in parts if part not in ROLE_OF),
        tuple(re.findall(r"\d+", text)),
    )
