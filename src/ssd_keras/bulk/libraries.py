"""The libraries of the extra "ray", which are imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from ssd_keras.errors import InputError

INSTALL = "pip install 'ssd-keras[ray]'"


def import_library(module: str) -> Any:
    """Import a library of the extra.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise InputError(f"bulk detection needs {library} ({error}): {INSTALL}") from error
