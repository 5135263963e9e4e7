"""Pascal VOC: one XML file per image, lists of image names as splits.

    Annotations/000012.xml    the objects of one image
    JPEGImages/000012.jpg     its pixels
    ImageSets/Main/train.txt  the names of a split, one a line

Source: the VOC2007 development kit. Corners are taken as they stand: no shift by one pixel, as in Caffe.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree  # to write; what others wrote is parsed by defusedxml only
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ssd_keras.data.checks import BOX_ADVICE, CORNERS, check_box, image_size, shown_text
from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.sidecar import Sidecar, read_sidecar, write_sidecar
from ssd_keras.data.readers.split_names import ALL
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    new_folder,
    number_text,
    safe_stem,
    writable_class_names,
)
from ssd_keras.data.samples import Dataset, Problem, Sample
from ssd_keras.data.selection import merge_datasets
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ANNOTATIONS, IMAGES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"
LARGEST_ANNOTATION = 1 << 24
"""Bytes; thousands of objects take less, and a larger file would take a hundred times its size of memory."""

SEARCH_DEPTH = 2
"""How deep inside a folder the data set may lie: VOCdevkit/VOC2007."""


# --- Reading -----------------------------------------------------------------------------------------------


def recognises_voc(path: Path) -> bool:
    """Tell whether `path` is a folder with a Pascal VOC data set, or has one up to two levels inside."""
    return bool(_voc_folders(path))


def read_voc(folder: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a Pascal VOC data set; no image is decoded.

    Args:
        folder: the folder with Annotations/ and JPEGImages/, or one that has it up to two levels inside; the
            splits of several, as VOC2007/ and VOC2012/ in VOCdevkit/, are taken together by their names.
        class_names: the classes in the order of their labels; None: those of the sidecar, or else the names
            in use, sorted.

    Returns:
        The data set. Its splits are the lists in ImageSets/Main, except those of one class, with ±1 behind
        each name; without a list it is one split, "all". Images without objects are kept. The parts of an
        object (head, hand, foot) are no objects.

    Raises:
        InputError: there is no data set, no image is left that can be used, or an object has a class that is
            not in `class_names`.
    """
    return merge_datasets([_read_folder(root, class_names) for root in _usable_voc_folders(Path(folder))])


def _read_folder(root: Path, class_names: Sequence[str] | None) -> Dataset:
    annotations = _files_by_stem(root / ANNOTATIONS, {".xml"})
    images = _files_by_stem(root / IMAGES, IMAGE_SUFFIXES)
    splits = _listed_ids(root, annotations.keys() | images.keys())
    problems: list[Problem] = []
    sidecar = read_sidecar(root, problems)
    labelled: dict[str, LabelledImage] = {}
    for image_id in dict.fromkeys(name for ids in splits.values() for name in ids):
        annotation = annotations.get(image_id)
        if annotation is None:  # what stands in a list is named, and not opened: it may lead anywhere
            annotation = root / ANNOTATIONS / f"{shown_text(image_id)}.xml"
            problems.append(_missing_annotation(annotation, images.get(image_id)))
            continue
        image = _read_image(image_id, annotation, images.get(image_id), problems)
        if image is not None:
            labelled[image_id] = image
    usable = {name: [labelled[i] for i in ids if i in labelled] for name, ids in splits.items()}
    return assemble_dataset(root, "voc", usable, class_names, problems, sidecar)


def size_tag(annotation: Path) -> tuple[int, int] | None:
    """Give (height, width) of the image as its annotation file states it, or None where it does not."""
    try:
        return _stated_size(fromstring(_content(annotation)))
    except (OSError, ValueError, LookupError, ElementTree.ParseError):
        return None


def annotation_of(image: Path) -> Path:
    """Give the annotation file that belongs to an image file of a Pascal VOC data set."""
    return image.parent.parent / ANNOTATIONS / f"{image.stem}.xml"


def _voc_folders(path: Path, depth: int = SEARCH_DEPTH) -> list[Path]:
    """All folders from `path` downwards that have annotations; nothing is searched inside of one."""
    annotations = path / ANNOTATIONS
    if annotations.is_dir() and any(file.suffix.lower() == ".xml" for file in annotations.iterdir()):
        return [path]
    if depth == 0 or not path.is_dir():
        return []
    inside = sorted(entry for entry in path.iterdir() if entry.is_dir())
    return [found for entry in inside for found in _voc_folders(entry, depth - 1)]


def _usable_voc_folders(path: Path) -> list[Path]:
    folders = _voc_folders(path)
    if not folders:
        raise InputError(f"{path} is no Pascal VOC data set: it needs {ANNOTATIONS}/ with XML files")
    for folder in folders:
        if not (folder / IMAGES).is_dir():
            raise InputError(f"{folder} has {ANNOTATIONS}/ but no {IMAGES}/: put its images there")
    return folders


def _files_by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """The files of a folder by their names without suffix, sorted."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in suffixes:
            found.setdefault(file.stem, file)
    return found


def _listed_ids(root: Path, known: Collection[str]) -> dict[str, list[str]]:
    """The image ids of each split, none of them twice in it."""
    splits = {}
    for path in sorted((root / LISTS).glob("*.txt")):
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not _is_class_list(lines, known):
            splits[path.stem] = list(dict.fromkeys(_listed_id(line, known) for line in lines))
    return splits or {ALL: sorted(known)}


def _is_class_list(lines: Sequence[str], known: Collection[str]) -> bool:
    """Tell whether a list says which images show one class: 1, 0 (difficult) or -1 behind each name."""
    columns = (line.split() for line in lines if line not in known)
    verdicts = [len(fields) == 2 and fields[1] in ("-1", "0", "1") for fields in columns]
    return bool(verdicts) and all(verdicts)


def _listed_id(line: str, known: Collection[str]) -> str:
    """The image id that a line stands for: all of it, its first column, or the file named there."""
    first = line.split()[0]
    candidates = (line, first, PurePosixPath(first).stem)
    return next((candidate for candidate in candidates if candidate in known), line)


class _UnusableError(Exception):
    """An image is left out; `problem` says why."""

    def __init__(self, file: Path, problem: str, advice: str) -> None:
        self.problem = Problem(str(file), f"{problem}, so the image is left out", advice)


def _missing_annotation(annotation: Path, image: Path | None) -> Problem:
    if image is None:
        problem, advice = "is missing, and so is its image", f"add both, or correct the lists in {LISTS}/"
        return _UnusableError(annotation, problem, advice).problem
    advice = "add one, without objects if the image shows none"
    return _UnusableError(image, f"has no annotation {annotation.name} in {ANNOTATIONS}/", advice).problem


def _read_image(
    image_id: str, annotation: Path, image: Path | None, problems: list[Problem]
) -> LabelledImage | None:
    """Read the annotation of one image; None, and one problem more, if annotation or image is of no use."""
    try:
        element = _parse(annotation)
        if image is None:
            problem = f"has no image {image_id}.jpg (or of another format) in {IMAGES}/"
            raise _UnusableError(annotation, problem, "add the image, or remove the file")
    except _UnusableError as unusable:
        problems.append(unusable.problem)
        return None
    size = _stated_size(element) or image_size(image)
    boxes = _read_objects(element, size, annotation, problems)
    return LabelledImage(image, image_id, boxes, where=str(annotation))


def _parse(annotation: Path) -> Element:
    """Parse an annotation file, or raise `_UnusableError`."""
    try:
        element: Element = fromstring(_content(annotation))
    except OSError as error:
        raise _UnusableError(annotation, f"cannot be read ({error.strerror})", "check the file") from error
    except DefusedXmlException as error:
        problem = "declares XML entities, which is refused"
        raise _UnusableError(annotation, problem, "remove the declarations") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise _UnusableError(annotation, f"is no XML ({error})", "correct or replace the file") from error
    if element.tag != "annotation":
        problem = f"has <{element.tag}> where <annotation> belongs"
        raise _UnusableError(annotation, problem, "correct or replace the file")
    return element


def _content(annotation: Path) -> bytes:
    """Read an annotation file; `ValueError` where it is too large for one."""
    if annotation.stat().st_size > LARGEST_ANNOTATION:
        raise ValueError(f"it has more than {LARGEST_ANNOTATION >> 20} MiB")
    return annotation.read_bytes()


def _stated_size(root: Element) -> tuple[int, int] | None:
    try:
        height, width = (int(float(root.findtext(f"size/{side}") or 0)) for side in ("height", "width"))
    except (ValueError, OverflowError):
        return None
    return (height, width) if height > 0 and width > 0 else None


def _read_objects(
    root: Element, size: tuple[int, int] | None, annotation: Path, problems: list[Problem]
) -> list[NamedBox]:
    boxes = []
    for number, element in enumerate(root.findall("object"), 1):
        box, fault = _read_object(element, size)
        if box is not None:
            boxes.append(box)
        if fault is not None:
            problems.append(Problem(str(annotation), f"box {number} {fault}", BOX_ADVICE))
    return boxes


def _read_object(element: Element, size: tuple[int, int] | None) -> tuple[NamedBox | None, str | None]:
    """Read one object, and what is wrong with it; an object's parts have boxes of their own deeper inside."""
    name = (element.findtext("name") or "").strip()
    if not name:
        return None, "has no name and is left out"
    bndbox = element.find("bndbox")
    if bndbox is None:
        return None, "has no bndbox and is left out"
    box, fault = check_box([bndbox.findtext(corner) for corner in CORNERS], size)
    if box is None:
        return None, fault
    difficult, crowd, truncated = (_flag(element, flag) for flag in ("difficult", "crowd", "truncated"))
    return NamedBox(name, box, difficult, crowd, truncated), fault


def _flag(element: Element, name: str) -> bool:
    return (element.findtext(name) or "").strip().lower() in ("1", "true")


# --- Writing -----------------------------------------------------------------------------------------------


def write_voc(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
) -> None:
    """Write a Pascal VOC data set: images, annotations, and a list for each split.

    Samples are taken one at a time. A sample that stands in two splits is written once. Pixels are encoded as
    JPEG; files and encoded bytes are copied as they are. VOC knows no crowds: one is marked as difficult, and
    with a tag of its own that `read_voc` understands.

    Raises:
        InputError: `folder` is not empty, an image cannot be read, or a name cannot stand in a text file.
    """
    names = writable_class_names(class_names)
    root = new_folder(Path(folder))
    (root / ANNOTATIONS).mkdir()
    (root / LISTS).mkdir(parents=True)
    images = ImageWriter(root / IMAGES, jpeg_quality)
    for split, samples in splits.items():
        with (root / LISTS / f"{safe_stem(split)}.txt").open("w", encoding="utf-8") as listed:
            for sample in samples:
                image, is_new = images.write(sample)
                if is_new:
                    _write_annotation(annotation_of(image), image, sample, names)
                listed.write(f"{image.stem}\n")
    write_sidecar(root, Sidecar(class_names=names))


def _write_annotation(file: Path, image: Path, sample: Sample, class_names: Sequence[str]) -> None:
    size = image_size(image)
    if size is None:
        raise InputError(f"{sample.name} does not decode as an image: take it out of the data set")
    root = ElementTree.Element("annotation")
    _add(root, "folder", IMAGES)
    _add(root, "filename", image.name)
    tag = _add(root, "size")
    for name, value in (("width", size[1]), ("height", size[0]), ("depth", 3)):
        _add(tag, name, str(value))
    _add(root, "segmented", "0")
    for index in range(len(sample.ground_truth)):
        _add_object(root, sample, index, class_names)
    ElementTree.indent(root, "\t")
    ElementTree.ElementTree(root).write(file, encoding="utf-8")


def _add_object(root: Element, sample: Sample, index: int, class_names: Sequence[str]) -> None:
    truth = sample.ground_truth
    crowd = bool(truth.crowd[index])
    element = _add(root, "object")
    _add(element, "name", class_names[truth.labels[index]])
    _add(element, "pose", "Unspecified")
    _add(element, "truncated", str(int(truth.truncated[index])))
    _add(element, "difficult", str(int(truth.difficult[index] or crowd)))
    if crowd:
        _add(element, "crowd", "1")
    bndbox = _add(element, "bndbox")
    for corner, value in zip(CORNERS, truth.boxes_px[index], strict=True):
        _add(bndbox, corner, number_text(value))


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    element = ElementTree.SubElement(parent, name)
    element.text = text
    return element
