"""Writing files whole: what stood there before stays until the new content is safely on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ssd_keras.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path of an unfinished file to write; it takes the place of `path` when all went well.

    Neither a kill nor a loss of power leaves half a file under the name `path`.

    Raises:
        InputError: the disk is full or does not take the file; nothing of it is left then.
    """
    unfinished = path.with_name(f"unfinished-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        _flush(unfinished)
        unfinished.replace(path)
        _flush(path.parent)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        reason = error.strerror or error
        raise InputError(
            f"{path} cannot be written ({reason}): make room there, or choose another place"
        ) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_text_whole(path: Path, text: str) -> None:
    """Write a text file as `whole_file` does."""
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _flush(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk itself."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
