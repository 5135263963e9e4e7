"""Names for what is written of images: safe, below one folder, and none of them twice."""

from __future__ import annotations

import itertools
import os
from pathlib import Path, PurePosixPath

from ssd_keras.data.readers.writing import safe_stem
from ssd_keras.inference.sources.links import is_link

FRAME_DIGITS = 6
"""Frames of a video are numbered like this: clip_000012."""

LONGEST_KEPT = 230
"""Bytes of a name that is kept; file systems take 255, and what is put around a name has to fit, too."""


def frame_name(video: str, frame: int) -> str:
    """Give the name, without suffix, for a frame of a video that goes by the name `video`."""
    return f"{safe_stem(video)}_{frame:0{FRAME_DIGITS}d}"


def path_from_root(name: str, image_root: Path | None) -> PurePosixPath:
    """Give the path of an image from the root of images; its file name where it is not below that."""
    path = Path(name)
    if image_root is not None:
        inside, root = path.absolute(), image_root.absolute()
        if inside.is_relative_to(root) and ".." not in inside.relative_to(root).parts:
            return PurePosixPath(inside.relative_to(root).as_posix())
    return PurePosixPath(path.name)


class ResultNames:
    """Gives each image or frame a name for its files, which nothing else has.

    Names have no suffix. They never lead upwards, and hold only what all file systems take; upper and lower
    case count as the same. Where two images would share one, the second gets a number behind it.

    Args:
        image_root: the folder that the images are in; folders below it stay folders, others are dropped.
        labels: a folder for labels: these find their images by the names, which they keep letter by letter
            as far as this file system can hold them, and tells upper from lower case.
    """

    def __init__(self, image_root: Path | None = None, labels: Path | None = None) -> None:
        self._image_root = image_root
        self._keeps_names = labels is not None
        self._tells_case = labels is not None and not labels.with_name(labels.name.swapcase()).exists()
        self._taken: set[str] = set()
        self._last_number: dict[str, int] = {}

    def of(self, name: str, frame: int | None = None) -> PurePosixPath:
        """Give the name for an image, or for one frame of a video, as a path from the folder of results."""
        path = path_from_root(name, self._image_root)
        if frame is None and self._keeps_names and not is_link(name) and _can_be_kept(path):
            return self._free(path.with_name(path.stem))
        own = safe_stem(path.stem) if frame is None else frame_name(path.stem, frame)
        return self._free(PurePosixPath(*map(safe_stem, path.parent.parts), own))

    def differs(self, given: PurePosixPath, name: str) -> bool:
        """Tell whether a file of the name that was given to an image is not found by the image's own."""
        if is_link(name):
            return False  # there is no file yet, which could have any other name
        path = path_from_root(name, self._image_root)
        return given != path.parent / (path.stem or "image")

    def _free(self, path: PurePosixPath) -> PurePosixPath:
        key = self._key(path)
        if key in self._taken:
            numbers = itertools.count(self._last_number.get(key, 1) + 1)
            number = next(n for n in numbers if f"{key}-{n}" not in self._taken)
            self._last_number[key] = number
            path, key = path.with_name(f"{path.name}-{number}"), f"{key}-{number}"
        self._taken.add(key)
        return path

    def _key(self, path: PurePosixPath) -> str:
        return str(path) if self._tells_case else str(path).casefold()


def _can_be_kept(path: PurePosixPath) -> bool:
    """Tell whether a file for an image can have its name, on this kind of system, with another suffix."""
    if os.name != "posix" or path.stem in ("", "..") or "\0" in str(path):
        return False
    return len(os.fsencode(path.stem)) <= LONGEST_KEPT
