"""From Pascal VOC files to a data set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ssd_keras.data.checks import image_size, labelled_frame, shown_text
from ssd_keras.data.readers.assembly import UNLABELLED_ADVICE, LabelledImage, assemble_dataset
from ssd_keras.data.readers.sidecar import read_sidecar
from ssd_keras.data.readers.split_names import usual_name
from ssd_keras.data.readers.voc.files import (
    LISTS,
    ImageChoice,
    VocFolder,
    by_image_id,
    files_below,
    find_voc_folders,
    is_annotation,
)
from ssd_keras.data.readers.voc.xml_files import UnusableError, parse_annotation, read_objects, stated_size
from ssd_keras.data.samples import Dataset, Problem
from ssd_keras.data.selection import merge_datasets

TEST = "test"
"""How the names of splits begin whose labels may be kept back."""


def read_voc(folder: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a Pascal VOC data set; no image is decoded.

    Args:
        folder: the folder with Annotations/ and JPEGImages/ (or images/), or one that has it up to two levels
            inside; the splits of several, as VOC2007/ and VOC2012/ in VOCdevkit/, are taken together by their
            names. Where there is no Annotations/, the folder of images that have their annotations beside
            them, or of such folders.
        class_names: the classes in the order of their labels; None: those of the sidecar, or else the names
            in use, sorted.

    Returns:
        The data set. Its splits are the lists in ImageSets/Main, except those of one class, with ±1 behind
        each name; without a list they are the folders that have names of splits, with "valid" as "val", or
        else one, "all". Images without objects are kept; an image without annotation is left out, unless none
        of a list called test has any, as that of VOC 2012: they count as images without objects. Images are
        called by their names without suffix, or by their paths where several have one name. The parts of an
        object (head, hand, foot) are no objects.

    Raises:
        InputError: there is no data set, no image is left that can be used, or an object has a class that is
            not in `class_names`.
    """
    return merge_datasets([_read_folder(found, class_names) for found in find_voc_folders(Path(folder))])


def _read_folder(folder: VocFolder, class_names: Sequence[str] | None) -> Dataset:
    reader = _Reader(folder)
    sidecar = read_sidecar(folder.root, reader.problems)
    splits = _listed_ids(folder.root, reader.known_ids())
    reader.take_unlabelled_tests(splits)
    labelled = reader.read_listed(splits) if splits else reader.read_all()
    usable = {
        name: [image for image_id in ids if (image := labelled.get(image_id)) is not None]
        for name, ids in (splits or reader.split_folders()).items()
    }
    return assemble_dataset(folder.root, "voc", usable, class_names, reader.problems, sidecar)


# --- Lists --------------------------------------------------------------------------------------------------


def _listed_ids(root: Path, known: Collection[str]) -> dict[str, list[str]]:
    """The image ids of each split that has a list, none of them twice in it."""
    splits = {}
    for path in sorted((root / LISTS).glob("*.txt")):
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not _is_class_list(lines, known):
            splits[path.stem] = list(dict.fromkeys(_listed_id(line, known) for line in lines))
    return splits


def _is_class_list(lines: Sequence[str], known: Collection[str]) -> bool:
    """Tell whether a list says which images show one class: 1, 0 (difficult) or -1 behind each name."""
    columns = (line.split() for line in lines if line not in known)
    verdicts = [len(fields) == 2 and fields[1] in ("-1", "0", "1") for fields in columns]
    return bool(verdicts) and all(verdicts)


def _listed_id(line: str, known: Collection[str]) -> str:
    """The image id that a line stands for: all of it, its first column, or the file named there."""
    return next((candidate for candidate in _possible_ids(line) if candidate in known), line)


def _possible_ids(line: str) -> Iterator[str]:
    first = line.split()[0]
    yield from (line, first)
    for text in (line, first):
        parts = PurePosixPath(text).with_suffix("").parts if PurePosixPath(text).name else ()
        yield from ("/".join(parts[start:]) for start in range(len(parts)))


# --- Images -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Reader:
    """Reads the annotations of one data set; `problems` gets what is wrong with it."""

    folder: VocFolder
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        annotations, images = self.folder.annotations, self.folder.images
        self.annotations = by_image_id(files_below(annotations, is_annotation), annotations)
        self._choice = ImageChoice(self.folder)
        self._images = by_image_id(self._choice.all(), images)
        self._claimed: set[Path] = set()
        self._unlabelled: dict[str, Path] = {}

    def known_ids(self) -> set[str]:
        """Give the ids of all images and annotations."""
        return {*self.annotations, *self._images}

    def take_unlabelled_tests(self, splits: Mapping[str, Sequence[str]]) -> None:
        """Let the images of a test split whose labels nobody gives away count as images without objects."""
        for name, ids in splits.items():
            if name.startswith(TEST) and not any(image_id in self.annotations for image_id in ids):
                images = {image_id: self._images[image_id] for image_id in ids if image_id in self._images}
                self._unlabelled |= images
                problem = f"none of the {len(images)} images of {name!r} has annotations: they count as empty"
                if images:
                    self.problems.append(Problem(str(self.folder.root), problem, UNLABELLED_ADVICE))

    def read_listed(self, splits: Mapping[str, Iterable[str]]) -> dict[str, LabelledImage]:
        """Read the listed images that can be used, by their ids."""
        return self._usable(dict.fromkeys(image_id for ids in splits.values() for image_id in ids))

    def read_all(self) -> dict[str, LabelledImage]:
        """Read all images that can be used, by their ids."""
        labelled = self._usable(sorted(self.annotations))
        unclaimed = [image for image in self._choice.all() if image not in self._claimed]
        self.problems += [self._without_annotation(image, f"{image.stem}.xml") for image in unclaimed]
        return labelled

    def split_folders(self) -> dict[str, list[str]]:
        """Give the ids of each split where there are no lists."""
        splits: dict[str, list[str]] = {}
        for image_id, annotation in sorted(self.annotations.items()):
            splits.setdefault(self.folder.split_of(annotation), []).append(image_id)
        return {usual_name(name, splits): ids for name, ids in splits.items()}

    def _usable(self, image_ids: Iterable[str]) -> dict[str, LabelledImage]:
        images = ((image_id, self._read(image_id)) for image_id in image_ids)
        return {image_id: image for image_id, image in images if image is not None}

    def _read(self, image_id: str) -> LabelledImage | None:
        """Read one image; None, and one problem more, if annotation or image is of no use."""
        annotation = self.annotations.get(image_id)
        if annotation is None and image_id in self._unlabelled:
            image = self._unlabelled[image_id]
            return LabelledImage(image, image_id, [], str(image))
        if annotation is None:
            self.problems.append(self._missing(image_id))
            return None
        try:
            return self._labelled(image_id, annotation)
        except UnusableError as unusable:
            self.problems.append(unusable.problem)
            return None

    def _labelled(self, image_id: str, annotation: Path) -> LabelledImage:
        try:
            element = parse_annotation(annotation)
        except UnusableError:
            self._image_of(annotation)  # it is claimed: nothing more is to be said of it
            raise
        image = self._image_of(annotation, element.findtext("filename") or "")
        if image is None:
            problem = (
                f"has no image {annotation.stem}.jpg (or of another format) in {self.folder.images.name}/"
            )
            raise UnusableError(annotation, problem, "add the image, or remove the file")
        stated = stated_size(element)
        boxes, faults = read_objects(element, stated or image_size(image), annotation)
        if faults and stated:
            boxes, faults = read_objects(element, labelled_frame(stated, image), annotation)
        self.problems += faults
        return LabelledImage(image, image_id, boxes, str(annotation), stated)

    def _image_of(self, annotation: Path, stated: str = "") -> Path | None:
        image = self._choice.find(annotation, stated)
        if image is not None:
            self._claimed.add(image)
        return image

    def _missing(self, image_id: str) -> Problem:
        """Say that something listed has no annotation; its name is not looked up, as it may lead anywhere."""
        name = f"{shown_text(image_id)}.xml"
        if image_id in self._images:
            return self._without_annotation(self._images[image_id], name)
        problem, advice = "is missing, and so is its image", f"add both, or correct the lists in {LISTS}/"
        return UnusableError(self.folder.annotations / name, problem, advice).problem

    def _without_annotation(self, image: Path, name: str) -> Problem:
        advice = "add one, without objects if the image shows none"
        place = self.folder.annotations.name
        return UnusableError(image, f"has no annotation {name} in {place}/", advice).problem
