"""What `ssd detect` is to look at: files, folders and patterns, as a list of image files."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.errors import InputError


def image_files(sources: Iterable[str | Path]) -> list[Path]:
    """Give the image files that `sources` stand for, each once, in order.

    A source is a file, a folder (all images below it, by name), or a pattern such as `photos/*.jpg`.

    Raises:
        InputError: a source does not exist, or holds no image.
    """
    files: dict[Path, None] = {}
    for source in sources:
        files |= dict.fromkeys(_files_of(str(source)))
    if not files:
        raise InputError("no image given: name files, folders or patterns such as 'photos/*.jpg'")
    return list(files)


def _files_of(source: str) -> list[Path]:
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise InputError(f"folder {source} holds no image: known are {', '.join(sorted(IMAGE_SUFFIXES))}")
        return found
    matches = map(Path, glob.glob(source, recursive=True))  # noqa: PTH207, Path.glob takes no absolute pattern
    found = sorted(match for match in matches if match.is_file())
    if not found:
        raise InputError(
            f"{source} does not exist: give a file, a folder or a pattern such as 'photos/*.jpg'"
        )
    return found
