"""Where COCO data sets have their files: labels in JSON, and images by the names that stand there."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.data.readers.sidecar import SIDECAR
from ssd_keras.data.readers.split_names import OTHER_NAMES, SPLIT_FOLDERS
from ssd_keras.data.samples import ALL
from ssd_keras.errors import InputError

ANNOTATIONS, IMAGES = "annotations", "images"
INSTANCES = "instances_"
"""How the names of files with boxes start; beside them lie captions and keypoints of the same images."""
BESIDE_IMAGES = ("_annotations.coco.json", "annotations.json", "labels.json", "instances.json", "coco.json")
"""Names of files that exports put into the folder of each split."""
SURE_STARTS = (INSTANCES, BESIDE_IMAGES[0])
"""A file of such a name is COCO or damaged, which has to be said."""
IMAGE_FOLDERS = (IMAGES, "data")
KINDS_OF_FILE = "(?:instances|image_info|annotations?|labels?|bbox|coco)"
DECORATION = re.compile(rf"^(?:[._-]|{KINDS_OF_FILE}(?=[._-]|$))+|(?:[._-]{KINDS_OF_FILE}?)+$")
"""What stands before and behind the split in the name of a file."""
LOOK_BYTES = 1 << 16
LIST_KEY = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
TELLTALES = (b'"file_name"', b'"bbox"')
MOST_PARTS = 16
UPLOADED = "?d="
"""Stands in front of the paths of Label Studio's local files."""
MOST_FILES = 1000
"""JSON files in one folder; where there are more they belong to single images, and are not COCO."""


@dataclass(frozen=True)
class LabelFile:
    """A file of labels, the split that it defines, and the folders in which its images may be."""

    path: Path
    split: str
    places: tuple[Path, ...]


def recognises_coco(path: Path) -> bool:
    """Tell whether `path` is a COCO file, or a folder with some in it, in annotations/ or in those of splits.

    Only the beginning and the end of a file are looked at.
    """
    try:
        return any(_looks_like_coco(file) for file in _json_files(path))
    except (OSError, ValueError):
        return False


def _json_files(path: Path) -> list[Path]:
    """The file itself or, of a folder, the JSON files where labels may be."""
    if not path.is_dir():
        return [path] if path.suffix.lower() == ".json" and path.is_file() else []
    with os.scandir(path) as entries:
        inside = sorted(path / entry.name for entry in entries if (path / entry.name).is_dir())
    central = [folder for folder in inside if folder.name.lower() == ANNOTATIONS]
    beside_images = [folder / name for folder in inside if folder not in central for name in BESIDE_IMAGES]
    return [
        *(file for folder in (path, *central) for file in _instances_in(folder)),
        *(file for file in beside_images if file.is_file()),
    ]


def _instances_in(folder: Path) -> list[Path]:
    """The JSON files of a folder; where some are named as instances, only those."""
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.lower().endswith(".json") and (folder / entry.name).is_file()
            if entry.name != SIDECAR  # its lists have the names of splits, which may be any
        ]
    instances = [name for name in names if name.startswith(INSTANCES)]
    if not instances and len(names) > MOST_FILES:
        return []
    return [folder / name for name in sorted(instances or names)]


def _looks_like_coco(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(LOOK_BYTES)
        opened.seek(max(LOOK_BYTES, opened.seek(0, os.SEEK_END) - LOOK_BYTES))
        seen = head + opened.read(LOOK_BYTES)
    if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return False
    keys = set(LIST_KEY.findall(seen))
    return len(keys) > 1 or (bool(keys) and any(telltale in seen for telltale in TELLTALES))


def find_label_files(path: Path) -> list[LabelFile]:
    """The files to be read, each with a name of its own for its split."""
    if path.is_dir():
        try:
            found = [f for f in _json_files(path) if f.name.startswith(SURE_STARTS) or _looks_like_coco(f)]
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error
    elif path.is_file():
        found = [path]
    else:
        raise InputError(f"{path} is neither a file nor a folder: check the path")
    files: dict[str, LabelFile] = {}
    for file in found:
        stated = _stated_split(file, path)
        name = stated if file.stem == INSTANCES + stated else OTHER_NAMES.get(stated, stated)
        candidates = [name, file.stem, *(f"{name}_{number}" for number in range(2, len(found) + 2))]
        split = next(candidate for candidate in candidates if candidate not in files)
        files[split] = LabelFile(file, split, _image_places(file, path, (stated, split)))
    return list(files.values())


def _stated_split(file: Path, source: Path) -> str:
    """The split that the name of a file states, or else that of its folder."""
    stem = file.stem
    stated = stem[len(INSTANCES) :] if stem.startswith(INSTANCES) else DECORATION.sub("", stem)
    if stated:
        return stated
    folder = file.parent.absolute().name
    is_split = folder.lower() in SPLIT_FOLDERS or file.parent not in (source, source.parent)
    return folder if is_split and folder.lower() != ANNOTATIONS else ALL


def _image_places(file: Path, source: Path, splits: Iterable[str]) -> tuple[Path, ...]:
    """Where the images may be, those of the split first: two splits may have images of the same names."""
    outer = source if source.is_dir() else Path(os.path.normpath(file.parent / ".."))
    spellings = ((split, split.rstrip("0123456789"), split.replace("-dev", "")) for split in splits)
    names = dict.fromkeys(name for spelt in spellings for name in spelt)  # test-dev2017 is part of test2017
    folders = [
        *(folder for name in names if name.strip(".") for folder in _folders_of(name)),
        *("", *IMAGE_FOLDERS),
    ]
    return tuple(dict.fromkeys(base / folder for base in (file.parent, outer) for folder in folders))


def _folders_of(split: str) -> list[str]:
    """Where the images of a split may be, as paths from the folder of the data set."""
    return [split, *(f"{f}/{split}" for f in IMAGE_FOLDERS), *(f"{split}/{f}" for f in IMAGE_FOLDERS)]


class ImageFiles:
    """Finds images by their names in a COCO file; every folder is listed once.

    Names often are paths of the machine that the file was made on. Where such a path leads to nothing, its
    last parts are looked for in the data set, if no other image of the file has the same.
    """

    def __init__(self, places: Sequence[Path], names: Iterable[str]) -> None:
        self._places = [place for place in places if place.is_dir()]
        self._names = names
        self._uses: Counter[str] = Counter()
        self._listings: dict[str, list[tuple[Path, frozenset[str]]]] = {}

    def find(self, name: str) -> Path:
        """Find an image, or raise `LookupError`, which says what is wrong with its name."""
        path = name.replace("\\", "/")
        leads_out = path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path)
        tails = _tails(name)
        found = None if leads_out or not tails else self._listed(tails[0])
        for tail in tails if found is None else ():
            found = self._listed(tail) if self._is_of_one_image(tail) else None
            if found is not None:
                break
        if found is None:
            raise LookupError(f"{'leads out of' if leads_out else 'is not in'} the data set's folder")
        return found

    def _listed(self, path: str) -> Path | None:
        inner, _, file = path.rpartition("/")
        return next((folder / file for folder, files in self._listing(inner) if file in files), None)

    def _is_of_one_image(self, tail: str) -> bool:
        if not self._uses:
            self._uses.update(tail for name in set(self._names) for tail in _tails(name))
        return self._uses[tail] == 1

    def _listing(self, inner: str) -> list[tuple[Path, frozenset[str]]]:
        if inner not in self._listings:
            listed = ((place / inner, _image_names(place / inner)) for place in self._places)
            self._listings[inner] = [(folder, files) for folder, files in listed if files]
        return self._listings[inner]


def _tails(name: str) -> list[str]:
    """The path in a name, and all that is left of it without its first parts; nothing leads upwards."""
    path = name.replace("\\", "/").rpartition(UPLOADED)[2]
    parts = [part for part in path.split("/") if part not in ("", ".", "..")][-MOST_PARTS:]
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _image_names(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except (OSError, ValueError):  # there is no such folder, or cannot be one
        return frozenset()
    return frozenset(name for name in names if f".{name.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES)
