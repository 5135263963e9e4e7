"""Functions that users write in files of their own: a base network, an operation of augmentation."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from ssd_keras.errors import InputError

_LOADED: WeakKeyDictionary[Callable[..., Any], str] = WeakKeyDictionary()
"""From which places functions were loaded, whose modules nobody can import by name."""


def names_function(place: str) -> bool:
    """Tell whether a text looks like the place of a function: "my_file.py:function"."""
    return place.rpartition(":")[0].endswith(".py")


def load_function(place: str, purpose: str) -> Callable[..., Any]:
    """Load a function of the user's from a place like "my_file.py:function"; the file is run.

    Args:
        place: the file and the name of the function.
        purpose: what the function is to be, for errors: "base network".

    Raises:
        InputError: there is no such file or function, or the file does not run.
    """
    file, _, function = place.rpartition(":")
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"{purpose} {place!r}: there is no such file, give FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file does
        raise InputError(f"{path} does not run ({type(error).__name__}: {error}): correct it") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise InputError(f"{path} has no function {function!r}: name the one to be used as {purpose}")
    with contextlib.suppress(TypeError):  # an object that no dictionary can hold
        _LOADED[found] = f"{path.resolve()}:{function}"
    return found  # type: ignore[no-any-return]


def place_of(function: Callable[..., Any]) -> str | None:
    """Give the place from which `load_function` gets this very function, or None where there is none.

    That is a function at the top of a file; not one of a notebook, nor a lambda, nor one within another.
    """
    try:
        if function in _LOADED:
            return _LOADED[function]
    except TypeError:
        return None
    if not inspect.isfunction(function):
        return None
    file = Path(function.__code__.co_filename)
    if file.suffix != ".py" or not file.is_file():
        return None
    if getattr(sys.modules.get(function.__module__), function.__name__, None) is not function:
        return None
    return f"{file.resolve()}:{function.__name__}"


@dataclass(frozen=True)
class ByPlace:
    """Stands for a loaded function while it travels to another process, where its file is run again.

    What the file has at its top, such as an object of OpenCV, could not travel with it. Unpickled, this is
    the function.

    Attributes:
        place: the file and the name of the function.
        purpose: what the function is to be, for errors.
    """

    place: str
    purpose: str

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return load_function, (self.place, self.purpose)


def for_other_process(function: Callable[..., Any], purpose: str) -> Any:
    """Give what to pickle of a function: the place that it was loaded from, or itself."""
    try:
        place = _LOADED.get(function)
    except TypeError:
        place = None
    return function if place is None else ByPlace(place, purpose)
