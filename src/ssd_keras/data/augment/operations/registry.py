"""Operations by the names that recipes call them, and how a recipe's list becomes operations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from types import MappingProxyType
from typing import Any

from ssd_keras.data.augment.operations.base import Operation
from ssd_keras.data.augment.operations.filters import BoxFilter, Validator
from ssd_keras.data.augment.operations.geometric import (
    Crop,
    Flip,
    MaxCropFixedAspect,
    Pad,
    PadFixedAspect,
    RandomPatch,
    Resize,
    RotateQuarters,
    Translate,
    Zoom,
)
from ssd_keras.data.augment.operations.mixing import MixUp, Mosaic
from ssd_keras.data.augment.operations.photometric import (
    Brightness,
    ChannelSwap,
    Contrast,
    Gamma,
    Greyscale,
    HistogramEqualization,
    Hue,
    Saturation,
)
from ssd_keras.data.augment.settings import as_recipe_name, is_number, shown
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError, nearest_name
from ssd_keras.user_code import place_of

OPERATIONS: Mapping[str, type[Operation]] = MappingProxyType(
    {
        as_recipe_name(kind.__name__): kind
        for kind in (
            Brightness,
            Contrast,
            Saturation,
            Hue,
            Gamma,
            HistogramEqualization,
            ChannelSwap,
            Greyscale,
            Resize,
            Flip,
            RotateQuarters,
            Translate,
            Zoom,
            Crop,
            Pad,
            RandomPatch,
            MaxCropFixedAspect,
            PadFixedAspect,
            BoxFilter,
            Mosaic,
            MixUp,
        )
    }
)
"""The operations by the name a recipe calls them; the keywords of each are its settings."""

SETTINGS_OF: Mapping[str, type] = {"keep": BoxFilter, "validator": Validator}
"""Settings that are themselves settings of something."""

HOW_TO_WRITE = "write a name, or one name with its settings like flip: {probability: 0.5}"


def make_operations(entries: Iterable[Any]) -> tuple[Callable[..., Sample], ...]:
    """Make the operations of a list as it stands in a recipe.

    Args:
        entries: each is the name of an operation, `{name: {setting: value}}`, or, in Python, an operation or
            a function of a sample.

    Raises:
        InputError: a name or setting is unknown, missing or out of bounds; the number of the operation, from
            1, is said.
    """
    if not isinstance(entries, Iterable) or isinstance(entries, str | bytes | Mapping):
        raise InputError(
            f"augmentation: operations are {shown(entries)}: give a list, and in it {HOW_TO_WRITE}"
        )
    made = []
    for number, entry in enumerate(entries, 1):
        try:
            made.append(entry if callable(entry) else _make_operation(entry))
        except InputError as error:
            raise InputError(f"augmentation: operation {number}: {error}") from error
    return tuple(made)


def as_recipe_entries(operations: Iterable[Any]) -> list[Any]:
    """Give operations as a recipe's list has them: the reverse of `make_operations`.

    Args:
        operations: what `make_operations` takes, and places of functions.

    Returns:
        Of text, numbers, lists and dictionaries alone; functions as FILE.py:FUNCTION.

    Raises:
        InputError: something cannot be written; the number of the operation, from 1, is said.
    """
    entries = []
    for number, operation in enumerate(operations, 1):
        try:
            entries.append(_entry_of(operation))
        except InputError as error:
            raise InputError(f"augmentation: operation {number}: {error}") from error
    return entries


def _entry_of(operation: Any) -> Any:
    if isinstance(operation, Operation) and OPERATIONS.get(operation.name) is type(operation):
        return {operation.name: _plain(operation)}
    if not callable(operation):
        return _plain(operation)
    place = place_of(operation)
    if place is None:
        raise InputError(
            f"{shown(operation)} cannot be written into the recipe of the run: write it as a function into a "
            "file of its own and give 'FILE.py:FUNCTION'"
        )
    return place


def _plain(value: Any) -> Any:
    """Give a setting as YAML can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, str | bool):
        return value
    if is_number(value):
        return int(value) if isinstance(value, Integral) else float(value)
    raise InputError(f"{shown(value)} cannot be written into the recipe of the run: give text or a number")


def _make_operation(entry: Any) -> Operation:
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise InputError(f"this is no operation: {shown(entry)}: {HOW_TO_WRITE}")
    ((name, settings),) = entry.items()
    if name not in OPERATIONS:
        raise InputError(f"there is no operation {shown(name)}: {nearest_name(name, OPERATIONS)}")
    operation: Operation = _made(OPERATIONS[name], name, settings)
    return operation


def _made(kind: type, name: str, settings: Any) -> Any:
    """Make something from its settings, and those of its settings that have settings themselves."""
    settings = {} if settings is None else settings
    if not isinstance(settings, Mapping):
        raise InputError(f"{name}: its settings are {shown(settings)}: write them like {{probability: 0.5}}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in settings:
        if key not in fields:
            raise InputError(f"{name}: there is no setting {shown(key)}: {nearest_name(key, fields)}")
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and key not in settings:
            raise InputError(f"{name}: {key} is missing: write {name}: {{{key}: ...}}")
    return kind(**{key: _nested(name, key, value) for key, value in settings.items()})


def _nested(name: str, key: str, value: Any) -> Any:
    if key not in SETTINGS_OF or not isinstance(value, Mapping):
        return value
    try:
        return _made(SETTINGS_OF[key], key, value)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
