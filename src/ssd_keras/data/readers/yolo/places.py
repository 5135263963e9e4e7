"""Where the paths that stand in a YOLO data set lead, and the images of its folders and lists."""

from __future__ import annotations

import itertools
import os
import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ssd_keras.data.readers.image_finding import image_files, is_image_name
from ssd_keras.data.samples import Problem
from ssd_keras.errors import InputError

LARGEST_LIST = 1 << 28
"""Bytes; a larger file is no list of images."""

MOST_MISSING = 10_000
"""Images of one list that may be missing; where more are, the list is wrong as a whole."""

LONGEST_PATH = 4096
MOST_PARTS = 16


class Places:
    """Finds files and folders under the paths that stand in a data set, which often was made elsewhere.

    What a path leads to counts where it lies in the folder of the data set or beside it. Else the same names
    are looked for in the folder: `../train/images` or `/content/train/images` as `train/images`.

    Args:
        folder: the folder of the data set.
        stated_root: what the data set says its paths start from, as a path from `folder`.
        around: the folder that paths start from, in place of `stated_root`.

    Attributes:
        allowed: the folder that nothing is found outside of.
    """

    def __init__(self, folder: Path, stated_root: str = "", around: Path | None = None) -> None:
        self._folder = folder
        self._bases = dict.fromkeys([around or folder / _with_slashes(stated_root), folder])
        here = Path(os.path.abspath(folder))  # noqa: PTH100 - links are not followed: users make them
        self.allowed = here if here.parent == Path(here.anchor) else here.parent

    def find(
        self, text: str, exists: Callable[[Path], bool], is_tail: Callable[[Sequence[str]], bool]
    ) -> Path | None:
        """Find what `exists` accepts; `is_tail` says which last parts of its path may stand for it."""
        path = _with_slashes(text)
        if len(path) > LONGEST_PATH or "\0" in path:
            return None
        parts = [part for part in path.split("/") if part not in ("", ".", "..")][-MOST_PARTS:]
        tails = [parts[start:] for start in range(len(parts))]
        stated = [base / path for base in self._bases]
        shortened = [self._folder.joinpath(*tail) for tail in tails if is_tail(tail)]
        for candidate in stated + shortened:
            normal = Path(os.path.normpath(candidate))
            try:
                if Path(os.path.abspath(normal)).is_relative_to(self.allowed) and exists(normal):  # noqa: PTH100
                    return normal
            except (OSError, ValueError):
                continue
        return None


def _with_slashes(path: str) -> str:
    return path.strip().replace("\\", "/")


def images_of(sources: Iterable[Path], root: Path, problems: list[Problem]) -> list[Path]:
    """Give the images of some folders and lists of a data set in `root`, each once.

    Listed images that are missing join `problems`.

    Raises:
        InputError: a list is too large, or nearly all that it names is missing.
    """
    images: dict[Path, None] = {}
    for source in sources:
        found = image_files(source) if source.is_dir() else _listed_images(source, root, problems)
        images.update(dict.fromkeys(found))
    return list(images)


def _listed_images(file: Path, root: Path, problems: list[Problem]) -> Iterator[Path]:
    if file.stat().st_size > LARGEST_LIST:
        raise InputError(f"{file} has more than {LARGEST_LIST >> 20} MiB: give a list of images, one a line")
    places = Places(root, around=file.parent)
    missing = 0
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as opened:
        for number in itertools.count(1):
            line = opened.readline(LONGEST_PATH)
            if not line:
                return
            text = line.strip()
            image = places.find(text, _is_image_file, bool) if text else None
            if image is not None:
                yield image
            elif text:
                problem = f"line {number}: there is no image {reprlib.repr(text)}, so it is left out"
                problems.append(Problem(str(file), problem, "add the image, or correct the line"))
                missing += 1
            if missing > MOST_MISSING:
                raise InputError(f"{file} names more than {MOST_MISSING} images that are missing: correct it")


def _is_image_file(path: Path) -> bool:
    return is_image_name(path.name) and path.is_file()
