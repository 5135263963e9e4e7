"""Where a YOLO data set has what: its splits by its description or, without one, by its folders and lists."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_keras.data.readers.image_finding import image_files, is_image_name
from ssd_keras.data.readers.split_names import OTHER_NAMES, usual_name
from ssd_keras.data.readers.yolo.description import UNSTATED, listed_names, read_description, stated_names
from ssd_keras.data.readers.yolo.places import Places
from ssd_keras.data.readers.yolo.recognising import (
    DESCRIPTIONS,
    IMAGES,
    LABELS_FOR,
    LOOK_BYTES,
    find_descriptions,
)
from ssd_keras.data.samples import ALL, Problem
from ssd_keras.errors import InputError

SPLITS = ("train", "val", "test")

NO_SPLITS = frozenset({"path", "names", "nc", "download", "kpt_shape", "flip_idx", "channels", "roboflow"})
"""Keys of a description that mean something else."""

SPLIT_FOLDER = re.compile(r"(?:train|val|test)", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where a data set has what.

    Attributes:
        where: the file or folder that was given, for errors.
        root: the folder of the data set.
        sources: the folders and lists of images of each split.
        names: the class names in the order of their ids; None where they are not stated.
        has_keypoints: points follow behind the four numbers of a box.
    """

    where: Path
    root: Path
    sources: Mapping[str, Sequence[Path]]
    names: tuple[str, ...] | None = None
    has_keypoints: bool = False


def layout_of(path: Path, problems: list[Problem]) -> Layout:
    """Find out where the data set in a folder, or described by a YAML file, has what.

    Raises:
        InputError: there are several descriptions, or one is not understood or leads to no images; or only
            folders inside have some, and several do.
    """
    if not path.is_dir():
        return _described_layout(path, problems)
    files = find_descriptions(path)
    preferred = [path / name for name in DESCRIPTIONS if path / name in files][:1]
    if len(files) > 1 and not preferred:
        names = ", ".join(file.name for file in files)
        raise InputError(f"{path} has {len(files)} YAML files of data sets ({names}): name one of them")
    if files:
        return _described_layout((preferred or files)[0], problems)
    inside = _described_folders(path)
    if len(inside) > 1:
        names = ", ".join(place.name for place in inside)
        raise InputError(
            f"{path} has no YAML file, and its folders {names} have one each: name one of them, as in "
            f"{inside[0]}"
        )
    if inside:
        return layout_of(inside[0], problems)
    return Layout(path, path, _found_sources(path), listed_names(path))


def _described_folders(path: Path) -> list[Path]:
    """Give the folders in `path` with a description; none where images lie beside them, which come first."""
    inside = [place for place in sorted(path.iterdir()) if place.is_dir() and find_descriptions(place)]
    if not inside or any(not set(image.parents) & set(inside) for image in image_files(path)):
        return []
    return inside


def _described_layout(file: Path, problems: list[Problem]) -> Layout:
    stated = read_description(file)
    names = stated_names(file, stated, problems)
    return Layout(
        where=file,
        root=file.parent,
        sources=_stated_sources(file, stated, problems),
        names=listed_names(file.parent) if names is None else names,
        has_keypoints="kpt_shape" in stated,
    )


# --- Where a description names the splits -------------------------------------------------------------------


def _stated_sources(file: Path, stated: Mapping[str, Any], problems: list[Problem]) -> dict[str, list[Path]]:
    """The folders and lists of images that a description names, by split."""
    stated_root = stated.get("path", "")
    places = Places(file.parent, stated_root if isinstance(stated_root, str) else "")
    sources: dict[str, list[Path]] = {}
    for key in [key for key in stated if key not in NO_SPLITS]:
        values = stated[key] if isinstance(stated[key], list) else [stated[key]]
        texts = [value for value in values if isinstance(value, str) and value not in UNSTATED]
        is_split = key in SPLITS or key in OTHER_NAMES  # of other keys, only what leads to a folder is one
        is_tail = _is_tail_of_source if is_split else _is_no_tail
        found = {text: places.find(text, _is_source, is_tail) for text in dict.fromkeys(texts)}
        for missing in (text for text, place in found.items() if place is None and is_split):
            problem = (
                f"names {reprlib.repr(missing)} as {key}, which is no folder or list in {places.allowed}"
            )
            problems.append(Problem(str(file), problem, f"correct the path, from {file.parent} on"))
        if any(found.values()):
            sources[usual_name(key, stated)] = [place for place in found.values() if place is not None]
    if not sources:
        reason = str(problems[-1]) if problems else f"{file} names no folder of images: add 'train' and 'val'"
        raise InputError(reason)
    return sources


def _is_source(path: Path) -> bool:
    return path.is_dir() or (path.suffix.lower() == ".txt" and path.is_file())


def _is_tail_of_source(tail: Sequence[str]) -> bool:
    """Tell whether the last parts of a path tell enough: `images` alone would be the same for all splits."""
    return list(tail) != [IMAGES]


def _is_no_tail(_: Sequence[str]) -> bool:
    return False


# --- Where none does ----------------------------------------------------------------------------------------


def _found_sources(root: Path) -> dict[str, list[Path]]:
    """The folders and lists of images of each split where no description names them."""
    lists = [root / f"{name}.txt" for name in (*SPLITS, *OTHER_NAMES)]
    lists = [file for file in lists if file.is_file() and _lists_images(file)]
    if lists:
        return _by_split(lists)
    inside = sorted(entry for entry in root.iterdir() if entry.is_dir())
    top = next((entry for entry in inside if entry.name in LABELS_FOR), None)
    if top is not None:
        return _split_folders(top) or {ALL: [top]}
    nested = [entry for entry in inside if any((entry / name).is_dir() for name in LABELS_FOR)]
    return _by_split(nested) if nested else _split_folders(root) or {ALL: [root]}


def _lists_images(file: Path) -> bool:
    with file.open("rb") as opened:
        lines = opened.read(LOOK_BYTES).decode("utf-8-sig", errors="replace").split("\n")
    return is_image_name(next((line.strip() for line in lines if line.strip()), ""))


def _split_folders(folder: Path) -> dict[str, list[Path]]:
    """The folders inside as splits, where one has the name of a split and no image lies beside them."""
    entries = sorted(folder.iterdir())
    if any(is_image_name(entry.name) for entry in entries):
        return {}
    folders = [entry for entry in entries if entry.is_dir() and entry.name not in LABELS_FOR.values()]
    return _by_split(folders) if any(SPLIT_FOLDER.match(entry.name) for entry in folders) else {}


def _by_split(sources: Iterable[Path]) -> dict[str, list[Path]]:
    named = {source.stem if source.is_file() else source.name: [source] for source in sources}
    return {usual_name(name, named): source for name, source in named.items()}
