"""The image files of a data set: all that lie below a folder, and those that its labels name."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ssd_keras.data.checks import image_size
from ssd_keras.data.images import IMAGE_SUFFIXES, ImageSource
from ssd_keras.errors import InputError


def is_image_name(name: str) -> bool:
    """Tell whether a file name or path ends as those of images do; nothing is looked up on disk."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def image_files(folder: Path) -> Iterator[Path]:
    """Give the image files in a folder and below, sorted folder by folder, one at a time."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if is_image_name(name))


def image_ids(images: Iterable[Path], folder: Path) -> dict[Path, str]:
    """Give the id of each image: its name without suffix or, where two share that, its path from `folder`."""
    images = list(images)
    uses = Counter(image.stem for image in images)
    return {image: image.stem if uses[image.stem] == 1 else path_from(folder, image) for image in images}


def path_from(folder: Path, file: Path) -> str:
    """Give the path that leads from a folder to a file, with slashes, also where the file lies elsewhere."""
    return Path(os.path.relpath(file, folder)).as_posix()


def size_of_written(image: ImageSource, name: str) -> tuple[int, int]:
    """Give (height, width) of an image that goes into a data set; `name` is what the user calls it.

    Raises:
        InputError: it is no readable image.
    """
    size = image_size(image)
    if size is None:
        raise InputError(
            f"{name} does not decode as an image: "
            "replace it, or leave it out with 'ssd inspect DATA --fix OUT'"
        )
    return size


class ImageFinder:
    """Finds the image files below a folder by the names that labels have for them.

    The folder is listed once, when the finder is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_path: dict[str, Path] = {}
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for file in image_files(folder):
            self._by_path[file.relative_to(folder).as_posix()] = file
            self._by_name[file.name].append(file)
            self._by_name[file.stem].append(file)

    def find(self, name: str) -> Path:
        """Find an image by its path or file name, also without suffix.

        Raises:
            LookupError: there is none, or there are several; its only argument says so, and wants a subject
                in front.
        """
        path = name.replace("\\", "/").removeprefix("./")
        if path not in self._by_path and path.rpartition("/")[2] not in self._by_name:
            path = path.strip()  # blanks that stand around the name in a table, and are none of it
        if path in self._by_path:
            return self._by_path[path]
        files = self._by_name.get(path.rpartition("/")[2], [])
        exact = [file for file in files if file.as_posix().endswith(f"/{path}")]
        candidates = exact or files
        if not candidates:
            raise LookupError(f"names the image {name!r}, which is not below {self._folder}")
        if len(candidates) > 1:
            raise LookupError(f"names the image {name!r}, and {len(candidates)} below {self._folder} fit")
        return candidates[0]
