"""YOLO: one text file of boxes per image, and a YAML file that names the splits and the classes.

    data.yaml                 the folder of images of each split, and the class names
    images/train/000012.jpg   pixels
    labels/train/000012.txt   a line per object: class id, x and y of its centre, width, height

The four numbers are fractions of the image's sides. Other programs put the same files elsewhere: images/ and
labels/ inside of train/ and valid/, labels beside the images, lists of images in place of folders, names of
classes in classes.txt or obj.names. All of that is read; data.yaml may be missing.

Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import itertools
import os
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ssd_keras.boxes.formats import cxcywh_to_xyxy, px_to_relative, relative_to_px, xyxy_to_cxcywh
from ssd_keras.classes import checked_class_names
from ssd_keras.data.checks import BOX_ADVICE, Box, check_box, image_size
from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.sidecar import FLAGS, Sidecar, flags_to_state, read_sidecar, write_sidecar
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    new_folder,
    safe_stem,
    writable_class_names,
)
from ssd_keras.data.samples import Dataset, Problem, Sample
from ssd_keras.errors import InputError

DESCRIPTION, IMAGES, LABELS = "data.yaml", "images", "labels"
"""The names that `write_yolo` gives."""

LABELS_FOR = {"images": "labels", "Images": "Labels", "IMAGES": "LABELS"}
"""Folders of images, and what the folder of their labels is called."""

DESCRIPTIONS = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
"""Where there are several YAML files, the first of these counts."""

CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
CLASS_LIST_PLACES = ("", "labels", "train")

ALL = "all"
"""The name of the only split where nothing defines one."""

SPLITS = ("train", "val", "test")
OTHER_NAMES = {"valid": "val", "validation": "val"}
"""Splits that other programs call otherwise."""

NO_SPLITS = frozenset({"path", "names", "nc", "download", "kpt_shape", "flip_idx", "channels", "roboflow"})
"""Keys of a description that mean something else."""

SPLIT_FOLDER = re.compile(r"(?:train|val|test)", re.IGNORECASE)
STATED_KEY = re.compile(
    rb"""(?:^|[{,])[ \t]*["']?(names|nc|train|val|valid|validation|test)["']?[ \t]*:""", re.M
)
LABEL_LINE = re.compile(rb"\s*\d+(?:\.0*)?(?:[ \t]+[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?){4}(?=\s|$)")
"""How a label file begins; written so that no text makes the search slow."""

LARGEST_DESCRIPTION = 1 << 19
LARGEST_LABELS = 1 << 23
LARGEST_LIST = 1 << 28
"""Bytes; larger files are none of these."""

LOOK_BYTES = 1 << 13
MOST_LOOKED_AT = 200
"""Label files that are looked at to recognise a data set without description."""

MOST_FILES = 20
MOST_LINES = 100_000
MOST_TOLD = 10
"""Faulty lines of one file that are told one by one; the others are counted."""

MOST_MISSING = 10_000
"""Images of one list that may be missing; where more are, the list is wrong as a whole."""

MOST_CLASSES = 100_000
LONGEST_PATH = 4096
MOST_PARTS = 16
UNSTATED = ("", "null", "~")

CLASS_ID = re.compile(r"(\d{1,9})(?:\.0*)?(?:[eE]\+?0+)?")
"""A class id; files that went through an array of floats have it as 3.0 or 3.000e+00."""

BOX_COLUMNS = 5
NUMBERS = ("x", "y", "width", "height")
RELATIVE_ADVICE = "write fractions of the image's width and height (0 to 1), not pixels"
MOST_SIDES = 2.0
"""A box that reaches further, in sides of the image, is one in pixels rather than one in fractions."""
LARGEST_NUMBER = 1e9

DIGITS = 12
"""Behind the point, in label files: 1e-12 of the image."""


@dataclass(frozen=True)
class _Layout:
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


# --- Recognising -------------------------------------------------------------------------------------------


def recognises_yolo(path: Path) -> bool:
    """Tell whether `path` is the YAML file of a YOLO data set, or a folder with one or with YOLO's labels.

    Only the beginnings of a few files are looked at.
    """
    try:
        if not path.is_dir():
            return _looks_like_description(path)
        return bool(_descriptions(path)) or any(map(_looks_like_labels, _possible_labels(path)))
    except (OSError, ValueError):
        return False


def _descriptions(folder: Path) -> list[Path]:
    files = (file for file in sorted(folder.iterdir()) if file.suffix.lower() in (".yaml", ".yml"))
    return [file for file in itertools.islice(files, MOST_FILES) if _looks_like_description(file)]


def _looks_like_description(file: Path) -> bool:
    if file.suffix.lower() not in (".yaml", ".yml") or not file.is_file():
        return False
    if file.stat().st_size > LARGEST_DESCRIPTION:
        return False
    keys = set(STATED_KEY.findall(file.read_bytes()))
    names_splits = bool(keys - {b"names", b"nc"}) or file.name in DESCRIPTIONS  # splits of any other name
    return bool(keys & {b"names", b"nc"}) and names_splits


def _possible_labels(root: Path) -> Iterator[Path]:
    """A few text files from where labels may be: below labels/, or beside an image of their name."""
    inside = sorted(entry for entry in root.iterdir() if entry.is_dir())
    places = [*(entry for entry in inside if entry.name in LABELS_FOR.values())]
    places += [entry / name for entry in inside for name in LABELS_FOR.values() if (entry / name).is_dir()]
    below = (Path(place, name) for top in places for place, _, names in os.walk(top) for name in names)
    yield from itertools.islice((file for file in below if file.suffix.lower() == ".txt"), MOST_LOOKED_AT)
    beside = (file for folder in (root, *inside) for file in folder.iterdir() if _is_image(file.name))
    yield from (image.with_suffix(".txt") for image in itertools.islice(beside, MOST_LOOKED_AT))


def _looks_like_labels(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return LABEL_LINE.match(opened.read(LOOK_BYTES).removeprefix(b"\xef\xbb\xbf")) is not None


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


# --- Finding what belongs to it ----------------------------------------------------------------------------


def _layout_of(path: Path, problems: list[Problem]) -> _Layout:
    if not path.is_dir():
        return _described_layout(path, problems)
    files = _descriptions(path)
    preferred = [path / name for name in DESCRIPTIONS if path / name in files][:1]
    if len(files) > 1 and not preferred:
        names = ", ".join(file.name for file in files)
        raise InputError(f"{path} has {len(files)} YAML files of data sets ({names}): name one of them")
    if files:
        return _described_layout((preferred or files)[0], problems)
    return _Layout(path, path, _found_sources(path), _listed_names(path))


def _described_layout(file: Path, problems: list[Problem]) -> _Layout:
    stated = _read_description(file)
    names = _stated_names(file, stated, problems)
    return _Layout(
        where=file,
        root=file.parent,
        sources=_stated_sources(file, stated, problems),
        names=_listed_names(file.parent) if names is None else names,
        has_keypoints="kpt_shape" in stated,
    )


def _read_description(file: Path) -> dict[str, Any]:
    """Read a YAML file; every value stays the text that it is: a class may be named "no" or "007".

    Aliases are shared, not copied, and nothing here goes deeper than a list of texts.
    """
    try:
        if file.stat().st_size > LARGEST_DESCRIPTION:
            raise InputError(
                f"{file} has more than {LARGEST_DESCRIPTION >> 10} KiB: give the file of a data set"
            )
        content = yaml.load(file.read_bytes(), yaml.BaseLoader)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): check the path") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{file} is no YAML ({reason}): correct the file") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is no description of a data set: it needs 'train', 'val' and 'names'")
    return {key: value for key, value in content.items() if isinstance(key, str)}


def _stated_names(file: Path, stated: Mapping[str, Any], problems: list[Problem]) -> tuple[str, ...] | None:
    names = stated.get("names")
    count = stated.get("nc", "")
    number = int(count) if isinstance(count, str) and re.fullmatch(r"\d{1,6}", count) else None
    if number is not None and number > MOST_CLASSES:
        raise InputError(f"{file} states {number} classes: correct 'nc'")
    if names is None or names in UNSTATED or not names:
        return None if not number else tuple(f"class {i}" for i in range(number))
    given = _names_by_id(file, names) if isinstance(names, dict) else names
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise InputError(f"{file}: 'names' is no list of class names: write one name for each class id")
    if number is not None and number != len(given):
        problem = f"says that there are {number} classes (nc), and names {len(given)}, which are taken"
        problems.append(Problem(str(file), problem, "correct the number or the names"))
    return _checked_names(file, given)


def _names_by_id(file: Path, names: Mapping[Any, Any]) -> list[Any]:
    """The names in the order of their ids; an id without name is called by its number."""
    matches = {id_text: CLASS_ID.fullmatch(id_text) for id_text in names if isinstance(id_text, str)}
    by_id = {int(match[1]): names[id_text] for id_text, match in matches.items() if match}
    if len(by_id) < len(names) or max(by_id) >= MOST_CLASSES:
        raise InputError(f"{file}: 'names' has a key that is no class id: write '0: name' and so on")
    return [by_id.get(i, f"class {i}") for i in range(max(by_id) + 1)]


def _checked_names(file: Path, names: Iterable[str]) -> tuple[str, ...]:
    try:
        return checked_class_names(names)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _listed_names(root: Path) -> tuple[str, ...] | None:
    """The class names of a text file with one a line, where one is found."""
    for file in (root / place / name for place in CLASS_LIST_PLACES for name in CLASS_LISTS):
        if file.is_file() and file.stat().st_size <= LARGEST_DESCRIPTION:
            text = file.read_text(encoding="utf-8-sig", errors="replace")
            names = [line.strip() for line in text.splitlines()]
            while names and not names[-1]:
                names.pop()
            return _checked_names(file, names) if names else None
    return None


def _stated_sources(file: Path, stated: Mapping[str, Any], problems: list[Problem]) -> dict[str, list[Path]]:
    """The folders and lists of images that a description names, by split."""
    stated_root = stated.get("path", "")
    places = _Places(file.parent, stated_root if isinstance(stated_root, str) else "")
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
            sources[_split_name(key, stated)] = [place for place in found.values() if place is not None]
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


def _split_name(name: str, all_names: Collection[str]) -> str:
    """The name that a split goes by here, unless another one has it."""
    usual = OTHER_NAMES.get(name.lower(), name)
    return name if usual in all_names else usual


class _Places:
    """Finds files and folders under the paths that stand in a data set, which often was made elsewhere.

    What a path leads to counts where it lies in the folder of the data set or beside it. Else the same names
    are looked for in the folder: `../train/images` or `/content/train/images` as `train/images`.
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
    return _is_image(next((line.strip() for line in lines if line.strip()), ""))


def _split_folders(folder: Path) -> dict[str, list[Path]]:
    """The folders inside as splits, where one has the name of a split and no image lies beside them."""
    entries = sorted(folder.iterdir())
    if any(_is_image(entry.name) for entry in entries):
        return {}
    folders = [entry for entry in entries if entry.is_dir() and entry.name not in LABELS_FOR.values()]
    return _by_split(folders) if any(SPLIT_FOLDER.match(entry.name) for entry in folders) else {}


def _by_split(sources: Iterable[Path]) -> dict[str, list[Path]]:
    named = {source.stem if source.is_file() else source.name: [source] for source in sources}
    return {_split_name(name, named): source for name, source in named.items()}


# --- Images of a split -------------------------------------------------------------------------------------


def _images_of(sources: Iterable[Path], root: Path, problems: list[Problem]) -> list[Path]:
    """The images of some folders and lists, each once."""
    images: dict[Path, None] = {}
    for source in sources:
        found = _images_in(source) if source.is_dir() else _listed_images(source, root, problems)
        images.update(dict.fromkeys(found))
    return list(images)


def _images_in(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if _is_image(name))


def _listed_images(file: Path, root: Path, problems: list[Problem]) -> Iterator[Path]:
    if file.stat().st_size > LARGEST_LIST:
        raise InputError(f"{file} has more than {LARGEST_LIST >> 20} MiB: give a list of images, one a line")
    places = _Places(root, around=file.parent)
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
    return _is_image(path.name) and path.is_file()


def _image_ids(images: Collection[Path], root: Path) -> dict[Path, str]:
    """The name of each image without suffix or, where two share it, its path with all of it."""
    uses = Counter(image.stem for image in images)
    return {image: image.stem if uses[image.stem] == 1 else _path_from(root, image) for image in images}


def _path_from(root: Path, file: Path) -> str:
    return Path(os.path.relpath(file, root)).as_posix()


# --- Labels of an image ------------------------------------------------------------------------------------


def read_yolo(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a YOLO data set; no image is decoded whose header states its size.

    Args:
        path: the YAML file, or a folder that has one, or one with images/ and labels/, or with labels beside
            its images.
        class_names: the classes in the order of their labels; None: as the data set names them.

    Returns:
        The data set. Its splits are those that the YAML file names, with "valid" as "val"; else the folders
        or lists with names of splits; else one, "all". Images of an empty label file, or of none, are images
        without objects. Of outlines and of objects with key points, the boxes are read. Ids without names
        count through `class_names`, or become "class 0" and so on.

    Raises:
        InputError: there is no data set, the YAML file is not understood, no image is left that can be used,
            or a class is not in `class_names`.
    """
    problems: list[Problem] = []
    try:
        layout = _layout_of(Path(path), problems)
        sidecar = read_sidecar(layout.root, problems)
        splits = {
            split: _images_of(sources, layout.root, problems) for split, sources in layout.sources.items()
        }
        labels = _LabelReader(layout, layout.names or sidecar.class_names or class_names, sidecar, problems)
        return _labelled_dataset(layout, labels, splits, class_names, problems)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error


def _labelled_dataset(
    layout: _Layout,
    labels: _LabelReader,
    splits: Mapping[str, Sequence[Path]],
    class_names: Sequence[str] | None,
    problems: list[Problem],
) -> Dataset:
    ids = _image_ids({image for images in splits.values() for image in images}, layout.root)
    labelled = {image: labels.read(image, image_id) for image, image_id in sorted(ids.items())}
    usable = {
        split: [found for image in images if (found := labelled[image]) is not None]
        for split, images in splits.items()
    }
    for split, images in splits.items():
        if images and not any(image in labels.files for image in images):
            problem = f"none of the {len(images)} images of {split!r} has a label file: they count as empty"
            problems.append(Problem(str(layout.where), problem, f"put their labels into {LABELS}/"))
    labels.tell_unused()
    names = labels.names if class_names is None else class_names
    return assemble_dataset(layout.where, "yolo", usable, names, problems)


@dataclass
class _LabelReader:
    """Reads the label files of a data set.

    Attributes:
        files: the label file of each image that has one.
    """

    layout: _Layout
    stated_names: Sequence[str] | None
    sidecar: Sidecar
    problems: list[Problem]
    files: dict[Path, Path] = field(default_factory=dict)
    _ids: set[int] = field(default_factory=set)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The class names in the order of their ids: the stated ones, or those of the ids in use."""
        names = tuple(self.stated_names or (f"class {i}" for i in sorted(self._ids)))
        return names or None

    def read(self, image: Path, image_id: str) -> LabelledImage | None:
        """Read the labels of an image; None, and a problem more, where they are of no use."""
        file = self._file_of(image)
        if file is None:
            return LabelledImage(image, image_id, [], where=str(image))
        self.files[image] = file
        try:
            lines = _label_lines(file)
        except ValueError as error:
            problem = f"{error}, so its image is left out"
            self.problems.append(Problem(str(file), problem, "correct or replace the file"))
            return None
        size = image_size(image) if lines else None
        if lines and size is None:
            problem = "does not decode as an image, so its size is not known, and it is left out"
            self.problems.append(Problem(str(image), problem, "replace the image"))
            return None
        boxes = self._boxes(file, lines, size or (1, 1), self._flags_of(image))
        return LabelledImage(image, image_id, boxes, where=str(file))

    def tell_unused(self) -> None:
        """Add a problem for every label file beside those in use that has no image."""
        used = set(self.files.values())
        for folder in sorted({file.parent for file in used}):
            for file in sorted(folder.iterdir()):
                is_unused = (
                    file.suffix.lower() == ".txt" and file not in used and file.name not in CLASS_LISTS
                )
                if is_unused and _looks_like_labels(file):
                    problem = "belongs to no image of a split, and is left out"
                    self.problems.append(Problem(str(file), problem, "add the image, or remove the file"))

    def _file_of(self, image: Path) -> Path | None:
        """The label file: in labels/ where the image is in images/, or beside it."""
        parts = list(Path(os.path.relpath(image, self.layout.root)).with_suffix(".txt").parts)
        places = [place for place, part in enumerate(parts[:-1]) if part in LABELS_FOR]
        candidates = [image.with_suffix(".txt")]
        if places:
            parts[places[-1]] = LABELS_FOR[parts[places[-1]]]
            candidates.insert(0, Path(os.path.normpath(self.layout.root.joinpath(*parts))))
        return next((file for file in candidates if file.is_file()), None)

    def _flags_of(self, image: Path) -> dict[str, frozenset[int]]:
        """The numbers of the boxes that have a flag, by flag."""
        stated = self.sidecar.flags.get(_path_from(self.layout.root, image), {})
        return {flag: frozenset(stated.get(flag, ())) for flag in FLAGS}

    def _boxes(
        self,
        file: Path,
        lines: Sequence[str],
        size: tuple[int, int],
        flags: Mapping[str, frozenset[int]],
    ) -> list[NamedBox]:
        boxes: list[NamedBox] = []
        faulty, index = 0, -1
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            index += 1
            box, fault, advice = self._box(line.split(), size)
            if box is not None:
                boxes.append(NamedBox(*box, *(index in flags[flag] for flag in FLAGS)))
            faulty += fault is not None
            if fault is not None and faulty <= MOST_TOLD:
                self.problems.append(Problem(str(file), f"line {number}: the box {fault}", advice))
        if faulty > MOST_TOLD:
            untold = f"{faulty - MOST_TOLD} more lines are faulty"
            self.problems.append(Problem(str(file), untold, BOX_ADVICE))
        return boxes

    def _box(
        self, fields: Sequence[str], size: tuple[int, int]
    ) -> tuple[tuple[str, Box] | None, str | None, str]:
        """Read one line: its class and box, what is wrong with it, and what to do about that."""
        try:
            class_id = self._class_id(fields[0])
        except ValueError as error:
            return None, f"{error} and is left out", "correct the class id, or the list of class names"
        try:
            relative = self._relative_corners(fields)
        except ValueError as error:
            return None, f"{error} and is left out", BOX_ADVICE
        box, fault = check_box(relative_to_px(relative, size).tolist(), size)
        advice = BOX_ADVICE if max(map(abs, relative.tolist())) <= MOST_SIDES else RELATIVE_ADVICE
        if box is None:
            return None, fault, advice
        self._ids.add(class_id)
        name = self.stated_names[class_id] if self.stated_names else f"class {class_id}"
        return (name, box), fault, advice

    def _class_id(self, text: str) -> int:
        """The class id of a line, or `ValueError` with what is wrong with it."""
        match = CLASS_ID.fullmatch(text)
        if match is None:
            raise ValueError(f"has the class id {reprlib.repr(text)}, which is no whole number from 0 on,")
        class_id = int(match[1])
        if self.stated_names and class_id >= len(self.stated_names):
            known = f"the classes are 0 to {len(self.stated_names) - 1}"
            raise ValueError(f"has the class id {class_id}, where {known},")
        return class_id

    def _relative_corners(self, fields: Sequence[str]) -> NDArray[np.float64]:
        """The box (4,) of a line, relative, or `ValueError` with what is wrong with the line."""
        columns = len(fields)
        if columns < BOX_COLUMNS:
            raise ValueError(f"has {columns} columns in place of {BOX_COLUMNS} (class x y width height)")
        if columns <= BOX_COLUMNS + 1 or self.layout.has_keypoints:
            stated = zip(fields[1:BOX_COLUMNS], NUMBERS, strict=True)
            corners: NDArray[np.float64] = cxcywh_to_xyxy(np.array([_number(*pair) for pair in stated]))
            return corners
        if columns % 2 == 0:
            raise ValueError(f"has {columns} columns, which is neither a box nor an outline,")
        points = np.array([_number(text, "outline") for text in fields[1:]]).reshape(-1, 2)
        return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _label_lines(file: Path) -> list[str]:
    """The lines of a label file, or `ValueError` with what is wrong with it."""
    if file.stat().st_size > LARGEST_LABELS:
        raise ValueError(f"has more than {LARGEST_LABELS >> 20} MiB")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("is no text") from error
    if "\0" in text:
        raise ValueError("is no text")
    lines = text.rstrip().splitlines()
    if len(lines) > MOST_LINES:
        raise ValueError(f"has more than {MOST_LINES} lines")
    return lines


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f"has {reprlib.repr(text)} as {name}, which is no number,") from error
    if not abs(number) <= LARGEST_NUMBER:  # written so that NaN fails, too
        raise ValueError(f"has {number} as {name}, which is not finite or far too large,")
    return number


# --- Writing -----------------------------------------------------------------------------------------------


def write_yolo(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
) -> None:
    """Write a YOLO data set: data.yaml, and a folder of images and one of labels for each split.

    Samples are taken one at a time; one that stands in two splits is written in both. Pixels are encoded as
    JPEG; files and encoded bytes are copied as they are. Boxes are written with as many digits as give them
    back to within 1/1000 of a pixel, and as they are, also where they leave the image. YOLO knows no flags:
    these stand in a file of our own, which `read_yolo` understands.

    Raises:
        InputError: `folder` is not empty, an image cannot be read, or a name cannot stand in a text file.
    """
    names = writable_class_names(class_names)
    root = new_folder(Path(folder))
    folders = _folder_names(splits)
    flags: dict[str, dict[str, list[int]]] = {}
    for split, samples in splits.items():
        images = ImageWriter(root / IMAGES / folders[split], jpeg_quality)
        labels = root / LABELS / folders[split]
        labels.mkdir(parents=True)
        for sample in samples:
            image, is_new = images.write(sample)
            if is_new:
                _write_labels(labels / f"{image.stem}.txt", image, sample)
                flags[_path_from(root, image)] = flags_to_state(sample.ground_truth)
    _write_description(root / DESCRIPTION, folders, names)
    write_sidecar(
        root, Sidecar(class_names=names, flags={image: said for image, said in flags.items() if said})
    )


def _folder_names(splits: Iterable[str]) -> dict[str, str]:
    """A folder for each split, each of a name of its own; `images` would be taken for what it is in."""
    names: dict[str, str] = {}
    taken = {IMAGES}
    for split in splits:
        stem = safe_stem(split)
        candidates = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
        names[split] = next(name for name in candidates if name.casefold() not in taken)
        taken.add(names[split].casefold())
    return names


def _write_labels(file: Path, image: Path, sample: Sample) -> None:
    size = image_size(image)
    if size is None:
        raise InputError(f"{sample.name} does not decode as an image: take it out of the data set")
    truth = sample.ground_truth
    boxes = xyxy_to_cxcywh(px_to_relative(truth.boxes_px.astype(np.float64), size))
    lines = [
        " ".join([str(label), *(np.format_float_positional(number, DIGITS, trim="-") for number in box)])
        + "\n"
        for label, box in zip(truth.labels.tolist(), boxes, strict=True)
    ]
    file.write_text("".join(lines), encoding="ascii")


def _write_description(file: Path, folders: Mapping[str, str], names: Sequence[str]) -> None:
    """Write data.yaml without `path`: other programs then start from its folder, not from one of theirs."""
    keys = {split: f"{split}_split" if split in NO_SPLITS else split for split in folders}
    content: dict[str, Any] = {keys[split]: f"{IMAGES}/{name}" for split, name in folders.items()}
    content |= {"nc": len(names), "names": dict(enumerate(names))}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=LONGEST_PATH)
    file.write_text(text, encoding="utf-8")
