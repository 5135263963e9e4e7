"""What is said where an artefact cannot be written, whatever the library that writes it raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssd_keras.errors import InputError

ROOM = "make room there, or choose another place with --out"

LONGEST_REASON = 200
"""Characters of what a library says."""


@contextmanager
def unwritable_said(path: Path, kind: type[Exception]) -> Iterator[None]:
    """Turn errors of this kind into one line: of a full disk libraries tell in their own ways.

    Raises:
        InputError: there was such an error.
    """
    try:
        yield
    except kind as error:
        said = " ".join(str(error).split())[-LONGEST_REASON:] or type(error).__name__
        raise InputError(f"{path} cannot be written ({said}): {ROOM}") from error
