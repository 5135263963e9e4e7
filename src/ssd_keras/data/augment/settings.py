"""Checks of the settings that a recipe may change."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Iterable, Sequence
from math import inf
from numbers import Real
from typing import Any

from ssd_keras.errors import InputError

NOTHING = "none"
"""The word for no setting at all."""


def as_recipe_name(class_name: str) -> str:
    """Give the name that recipes and messages use for a class: `RandomPatch` -> `random_patch`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()


def shown(value: object) -> str:
    """Show a value in a message: in one line, and only its beginning where it is long."""
    return " ".join(reprlib.repr(value).split())


def is_number(value: object) -> bool:
    """Say whether a value is a finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return bool(-inf < value < inf)  # type: ignore[operator]


def wrong(owner: object, name: str, advice: str) -> InputError:
    """Make the error of one setting of a dataclass: which it is, its value, and the `advice`."""
    value = shown(getattr(owner, name))
    return InputError(f"{as_recipe_name(type(owner).__name__)}: {name} is {value}: {advice}")


def settle_number(owner: object, name: str, low: float, high: float) -> None:
    """Raise `InputError` unless a setting of a dataclass is a number in [low, high]."""
    value = getattr(owner, name)
    if not is_number(value) or not low <= value <= high:
        raise wrong(owner, name, f"give a number between {low:g} and {high:g}")


def settle_whole(owner: object, name: str, low: int, high: int) -> None:
    """Raise `InputError` unless a setting of a dataclass is a whole number in [low, high]."""
    value = getattr(owner, name)
    if not is_number(value) or int(value) != value or not low <= value <= high:
        raise wrong(owner, name, f"give a whole number between {low} and {high}")
    object.__setattr__(owner, name, int(value))


def settle_probability(owner: object, name: str = "probability") -> None:
    """Raise `InputError` unless a setting of a dataclass is a number in 0-1."""
    value = getattr(owner, name)
    if not is_number(value) or not 0 <= value <= 1:
        raise wrong(owner, name, "give a probability between 0 and 1")


def settle_truth(owner: object, name: str) -> None:
    """Raise `InputError` unless a setting of a dataclass is true or false."""
    if not isinstance(getattr(owner, name), bool):
        raise wrong(owner, name, "give true or false")


def settle_range(owner: object, name: str, low: float, high: float, *, whole: bool = False) -> None:
    """Make a tuple of a setting of a dataclass; `InputError` unless it is a range within [low, high].

    That is two numbers in order; `whole` asks for whole numbers.
    """
    kind = "whole numbers" if whole else "numbers"
    advice = f"give two {kind} in order, between {low:g} and {high:g}"
    limits = _numbers(owner, name, 2, advice, whole)
    if not low <= limits[0] <= limits[1] <= high:
        raise wrong(owner, name, advice)
    object.__setattr__(owner, name, limits)


def settle_ranges(owner: object, name: str, low: float, high: float) -> None:
    """Make a tuple of tuples of a setting of a dataclass; `InputError` unless it is a list of ranges.

    Each lies within [low, high]; there may be none.
    """
    advice = f"give a list of two numbers each, in order, between {low:g} and {high:g}"
    pairs = _sequence(getattr(owner, name))
    if pairs is None:
        raise wrong(owner, name, advice)
    ranges = [_sequence(pair) for pair in pairs]
    for limits in ranges:
        if limits is None or len(limits) != 2 or not all(map(is_number, limits)):
            raise wrong(owner, name, advice)
        if not low <= limits[0] <= limits[1] <= high:
            raise wrong(owner, name, advice)
    object.__setattr__(owner, name, tuple(ranges))


def settle_size(owner: object, name: str, largest: int) -> None:
    """Make a tuple of a setting of a dataclass; `InputError` unless it is (height, width) up to `largest`."""
    advice = f"give height and width, whole numbers between 1 and {largest}"
    size = _numbers(owner, name, 2, advice, whole=True)
    if not all(1 <= side <= largest for side in size):
        raise wrong(owner, name, advice)
    object.__setattr__(owner, name, size)


def settle_rectangle(owner: object, name: str, furthest: int) -> None:
    """Make a tuple of a setting of a dataclass; `InputError` unless it is a rectangle of whole pixels.

    No corner may be further than `furthest` from the image's.
    """
    advice = f"give x0, y0, x1, y1 with x0 < x1 and y0 < y1, whole pixels up to {furthest}"
    x0, y0, x1, y1 = corners = _numbers(owner, name, 4, advice, whole=True)
    if not (x0 < x1 and y0 < y1 and max(map(abs, corners)) <= furthest):
        raise wrong(owner, name, advice)
    object.__setattr__(owner, name, corners)


def settle_colour(owner: object, name: str) -> None:
    """Make a tuple of a setting of a dataclass; `InputError` unless it is an RGB colour."""
    advice = "give red, green and blue, whole numbers between 0 and 255"
    colour = _numbers(owner, name, 3, advice, whole=True)
    if not all(0 <= value <= 255 for value in colour):
        raise wrong(owner, name, advice)
    object.__setattr__(owner, name, colour)


def settle_choice(owner: object, name: str, choices: Collection[object]) -> None:
    """Raise `InputError` unless a setting of a dataclass is one of `choices`; "none" becomes None."""
    if None in choices:
        settle_none(owner, name)
    if not _is_one_of(getattr(owner, name), choices):
        raise wrong(owner, name, f"choose from {_listed(choices)}")


def settle_choices(owner: object, name: str, choices: Iterable[object]) -> None:
    """Make a tuple of a setting of a dataclass; `InputError` unless it is one or more of `choices`."""
    chosen = _sequence(getattr(owner, name)) or ()
    chosen = tuple(value if isinstance(value, str) else _sequence(value) or value for value in chosen)
    if not chosen or not all(_is_one_of(value, choices) for value in chosen):
        raise wrong(owner, name, f"give a list of one or more of {_listed(choices)}")
    object.__setattr__(owner, name, chosen)


def settle_optional(owner: object, name: str, kind: type) -> None:
    """Raise `InputError` unless a setting of a dataclass is None or of `kind`; "none" becomes None."""
    settle_none(owner, name)
    value = getattr(owner, name)
    if value is not None and not isinstance(value, kind):
        raise wrong(owner, name, f"give the settings of a {as_recipe_name(kind.__name__)}, or none")


def settle_none(owner: object, name: str) -> None:
    """Make None of a setting of a dataclass that is the word "none", which YAML does not read as such."""
    value = getattr(owner, name)
    if isinstance(value, str) and value == NOTHING:
        object.__setattr__(owner, name, None)


def _sequence(value: object) -> tuple[Any, ...] | None:
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return tuple(value) if is_sequence else None  # type: ignore[arg-type]


def _numbers(owner: object, name: str, count: int, advice: str, whole: bool) -> tuple[Any, ...]:
    values = _sequence(getattr(owner, name))
    if values is None or len(values) != count or not all(map(is_number, values)):
        raise wrong(owner, name, advice)
    if not whole:
        return values
    if any(int(value) != value for value in values):
        raise wrong(owner, name, advice)
    return tuple(int(value) for value in values)


def _is_one_of(value: object, choices: Iterable[object]) -> bool:
    """Compare by type as well: True is no 1."""
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _listed(choices: Iterable[object]) -> str:
    return ", ".join(NOTHING if choice is None else str(choice) for choice in choices)
