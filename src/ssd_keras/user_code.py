"""Functions that users write in files of their own: a base network, an operation of augmentation."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssd_keras.errors import InputError


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
    return found  # type: ignore[no-any-return]
