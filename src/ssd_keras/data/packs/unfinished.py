"""The unfinished file of a pack: written by one process at a time, never in place of a file of the user's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ssd_keras.data.packs.contents import first_line
from ssd_keras.errors import InputError

try:
    import fcntl
except ImportError:  # Windows, where the library of HDF5 keeps two writers apart, and nothing those of LMDB
    fcntl = None  # type: ignore[assignment]


def unfinished_name(target: Path) -> Path:
    """Give the path that a pack has until it is complete."""
    return target.with_name(f"unfinished-{target.name}")


def foreign_file(path: Path) -> InputError:
    """Say that something stands where the unfinished pack belongs, which was not left by our own writing."""
    return InputError(
        f"{path} is in the way, and is no unfinished pack: rename it, or remove it, and try again"
    )


def settle(unfinished: Path, target: Path) -> None:
    """Give a complete pack its name, once its bytes are on the disk."""
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    unfinished.replace(target)


@contextmanager
def written_by_us_alone(unfinished: Path) -> Iterator[None]:
    """Keep other processes from writing the same pack until this ends, also where it is killed.

    Raises:
        InputError: another process writes it.
    """
    lock = unfinished.with_name(f"{unfinished.name}.lock")
    with writing_to(lock):
        descriptor = _locked(lock, unfinished)
    try:
        yield
    finally:
        with suppress(OSError):
            if not lock.stat().st_size:  # ours; what has content is the user's
                lock.unlink()
        os.close(descriptor)


def _locked(lock: Path, unfinished: Path) -> int:
    """Open the file `lock` and lock it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):  # noqa: PTH116 - both are stat results
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise InputError(
                f"{unfinished} is being written by another process: wait for it, or name another file"
            ) from error
        except FileNotFoundError:
            pass
        except OSError:  # a file system without locks
            return descriptor
        os.close(descriptor)  # whoever had the lock removed the file meanwhile


@contextmanager
def writing_to(file: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what is raised where a file cannot be written (`OSError` and `kinds`) into one line."""
    errors: tuple[type[Exception], ...] = (OSError, *kinds)
    try:
        yield
    except errors as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else first_line(error)
        raise InputError(
            f"{file} cannot be written ({reason}): check its folder and the free space"
        ) from error
