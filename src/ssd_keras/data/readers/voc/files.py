"""Where Pascal VOC data sets have their files, and which image belongs to which annotation."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ssd_keras.data.readers.image_finding import is_image_name
from ssd_keras.data.readers.split_names import SPLIT_FOLDERS
from ssd_keras.data.samples import ALL
from ssd_keras.errors import InputError

ANNOTATIONS, IMAGES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"
IMAGE_FOLDERS = (IMAGES.lower(), "images")

SEARCH_DEPTH = 2
"""How deep inside a folder the data set may lie: VOCdevkit/VOC2007."""

ROOT_TAG = b"<annotation"
LOOK_BYTES = 1 << 12
MOST_LOOKED_AT = 20


@dataclass(frozen=True)
class VocFolder:
    """One data set.

    Attributes:
        root: its folder, which may hold lists of splits.
        annotations: the folder with its XML files, which may be in folders inside.
        images: the folder with its images; the same where every image has its XML file beside it.
        split: the name of its split where it has no lists.
        has_split_folders: the folders inside of `annotations` are its splits.
    """

    root: Path
    annotations: Path
    images: Path
    split: str = ALL
    has_split_folders: bool = False

    def split_of(self, annotation: Path) -> str:
        """Give the split that an annotation belongs to where there are no lists."""
        inner = annotation.relative_to(self.annotations).parts
        return inner[0] if self.has_split_folders and len(inner) > 1 else self.split


def recognises_voc(path: Path) -> bool:
    """Tell whether `path` is a folder with a Pascal VOC data set, or has one up to two levels inside."""
    return bool(_classic_roots(path) or _folder_of_pairs(path))


def find_voc_folders(path: Path) -> list[VocFolder]:
    """Find the data sets in `path`.

    Raises:
        InputError: there is none, or one without a folder of images.
    """
    roots = _classic_roots(path)
    if roots:
        return [_classic_folder(root, path) for root in roots]
    beside = _folder_of_pairs(path)
    if beside is None:
        raise InputError(
            f"{path} is no Pascal VOC data set: it needs {ANNOTATIONS}/ with XML files, "
            "or such a file beside each image"
        )
    return [beside]


def annotation_of(image: Path) -> Path:
    """Give the annotation file that belongs to an image file of a Pascal VOC data set."""
    beside = image.with_suffix(".xml")
    if beside.is_file():
        return beside
    for outer in image.parents[1 : SEARCH_DEPTH + 2]:
        inner = Path(*image.relative_to(outer).parts[1:]).with_suffix(".xml")
        for name in (ANNOTATIONS, ANNOTATIONS.lower()):
            if (outer / name / inner).is_file():
                return outer / name / inner
    return image.parent.parent / ANNOTATIONS / f"{image.stem}.xml"


# --- A folder of annotations and one of images --------------------------------------------------------------


def _classic_roots(path: Path, depth: int = SEARCH_DEPTH) -> list[Path]:
    """All folders from `path` downwards that have annotations; nothing is searched inside of one."""
    if not path.is_dir():
        return []
    inside = _folders_in(path)
    if _annotations_among(inside) is not None:
        return [path]
    return [found for folder in inside for found in _classic_roots(folder, depth - 1)] if depth else []


def _classic_folder(root: Path, source: Path) -> VocFolder:
    inside = _folders_in(root)
    annotations = _annotations_among(inside) or root / ANNOTATIONS
    by_name = {folder.name.lower(): folder for folder in reversed(inside)}
    images = next((by_name[name] for name in IMAGE_FOLDERS if name in by_name), None)
    if images is None:
        with_images = (folder for folder in (annotations, root) if any(map(is_image_name, _names_in(folder))))
        images = next(with_images, None)
    if images is None:
        raise InputError(f"{root} has {annotations.name}/ but no {IMAGES}/: put its images there")
    is_split = root != source and root.name.lower() in SPLIT_FOLDERS
    return VocFolder(root, annotations, images, root.name if is_split else ALL)


def _annotations_among(folders: list[Path]) -> Path | None:
    """The folder of that name, in upper or lower case, that has XML files in it or below."""
    named = (folder for folder in folders if folder.name.lower() == ANNOTATIONS.lower())
    return next((folder for folder in named if next(files_below(folder, is_annotation), None)), None)


# --- Annotations beside the images --------------------------------------------------------------------------


def _folder_of_pairs(path: Path) -> VocFolder | None:
    """The folder that has an annotation beside an image, in it or up to two levels inside."""
    with suppress(OSError):
        while path.is_dir():
            if _has_pairs(path):
                return VocFolder(path, path, path)
            folders = [folder for folder in _folders_in(path) if _has_pairs_inside(folder)]
            if any(folder.name.lower() in SPLIT_FOLDERS for folder in folders):
                return VocFolder(path, path, path, has_split_folders=True)
            if len(folders) > 1:
                return VocFolder(path, path, path)
            if not folders:
                break
            path = folders[0]
    return None


def _has_pairs_inside(folder: Path) -> bool:
    return _has_pairs(folder) or any(_has_pairs(inside) for inside in _folders_in(folder))


def _has_pairs(folder: Path) -> bool:
    """Tell whether an image has beside it an XML file of its name that begins as an annotation does."""
    names = _names_in(folder)
    stems = {name.rpartition(".")[0] for name in names if is_image_name(name)}
    pairs = [name for name in names if is_annotation(name) and name.rpartition(".")[0] in stems]
    return any(_begins_as_annotation(folder / name) for name in pairs[:MOST_LOOKED_AT])


def _begins_as_annotation(file: Path) -> bool:
    with file.open("rb") as opened:
        return ROOT_TAG in opened.read(LOOK_BYTES)


# --- Files --------------------------------------------------------------------------------------------------


def is_annotation(name: str) -> bool:
    """Tell whether a file of that name may be an annotation."""
    return name.lower().endswith(".xml")


def files_below(folder: Path, is_wanted: Callable[[str], bool]) -> Iterator[Path]:
    """Give the files in a folder and below whose names are wanted, sorted; none in hidden folders."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        yield from (Path(place, name) for name in sorted(names) if is_wanted(name))


def _folders_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.is_file(follow_symlinks=False)]
    visible = (folder / name for name in sorted(names) if not name.startswith("."))
    return [place for place in visible if place.is_dir()]  # False for a link that leads in a circle


def _names_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def by_image_id(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Give files by ids: their names without suffix, or their paths where several share that."""
    by_key: dict[str, Path] = {}
    for file in files:
        by_key.setdefault(key_of(file, folder), file)
    stems = Counter(file.stem for file in by_key.values())
    return {file.stem if stems[file.stem] == 1 else key: file for key, file in by_key.items()}


def key_of(file: Path, folder: Path) -> str:
    """Give the path from a folder to a file in it, with slashes and without suffix."""
    return file.as_posix().removeprefix(f"{folder.as_posix()}/").removesuffix(file.suffix)


class ImageChoice:
    """The images of a data set, to be found by the place and by the content of their annotations."""

    def __init__(self, folder: VocFolder) -> None:
        self._folder = folder
        self._by_key: dict[str, list[Path]] = defaultdict(list)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for file in files_below(folder.images, is_image_name):
            self._by_key[key_of(file, folder.images)].append(file)
            self._by_name[file.stem].append(file)
            self._by_name[file.name].append(file)

    def all(self) -> list[Path]:
        """Give all images, sorted by their places."""
        return [file for files in self._by_key.values() for file in files]

    def find(self, annotation: Path, stated: str = "") -> Path | None:
        """Find the image of an annotation, or None.

        Its own name says which: an image of the same name at the same place, or the only one anywhere.
        Where there are several, as a.jpg and a.png, or none, the `stated` file name decides.
        """
        path = stated.replace("\\", "/")
        if path.rpartition("/")[2] not in self._by_name:
            path = path.strip()  # blanks that stand around the name, and are none of it
        same_place = self._by_key.get(key_of(annotation, self._folder.annotations), [])
        if same_place:
            named = [file for file in same_place if file.name == path.rpartition("/")[2]]
            return (named or same_place)[0]
        elsewhere = self._by_name.get(annotation.stem) or self._by_name.get(path.rpartition("/")[2]) or []
        if len(elsewhere) > 1:
            elsewhere = [file for file in elsewhere if file.as_posix().endswith(f"/{path}")]
        return elsewhere[0] if len(elsewhere) == 1 else None
