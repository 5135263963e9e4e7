"""Detections as a file of labels for each image, with scores: a start for labelling.

voc    Annotations/NAME.xml, whose objects have a <score>, and the names of all classes in ssd-keras.json
yolo   labels/NAME.txt, a line "class cx cy w h score" for each object, with data.yaml and classes.txt

`open_dataset` reads them where the images are in their usual place beside them: JPEGImages/ (VOC) or images/.
A frame of a video counts as the image VIDEO_000012.jpg. An image whose labels cannot have its name, because
another has it or it is too long, has to be renamed like them, and this is said.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import yaml

from ssd_keras.boxes.formats import px_to_relative, xyxy_to_cxcywh
from ssd_keras.data.checks import CORNERS
from ssd_keras.data.readers.voc.files import ANNOTATIONS
from ssd_keras.data.readers.writing import UNWRITABLE, number_text, writable_class_names
from ssd_keras.data.readers.yolo.recognising import DESCRIPTION, IMAGES, LABELS
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.files import write_text_whole
from ssd_keras.inference.results.names import ResultNames, path_from_root
from ssd_keras.inference.results.writer import ResultWriter, state_classes

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

CLASS_LIST = "classes.txt"

DIGITS = 12
"""Behind the point, in label files of YOLO: 1e-12 of the image."""


class VocLabels(ResultWriter):
    """Annotations as Pascal VOC has them, whose objects have a score."""

    def __init__(self, out: Path, class_names: Sequence[str], image_root: Path | None = None) -> None:
        super().__init__(writable_class_names(class_names))
        self._folder = _new_label_folder(out / ANNOTATIONS)
        self.paths = (self._folder,)
        self._names = ResultNames(image_root, self._folder)
        self._image_root = image_root
        self._images: set[PurePosixPath] = set()
        state_classes(out, self._class_names)

    def _write(
        self, name: str, detections: Detections, frame: int | None, time: float | None
    ) -> InputError | None:
        given = self._names.of(name, frame)
        image = (
            path_from_root(name, self._image_root) if frame is None else given.with_name(f"{given.name}.jpg")
        )
        is_taken = image in self._images
        self._images.add(image)
        # Labels with another name than their image, a.png beside a.jpg, find it by what they say themselves.
        root = _annotation(f"{given.name}{image.suffix}" if is_taken else image.name, detections)
        file = self._folder / f"{given}.xml"
        write_text_whole(file, ElementTree.tostring(root, encoding="unicode") + "\n")
        return _misfit(name, file, given) if is_taken and self._names.differs(given, name) else None

    def _finish(self) -> None:
        pass  # each file is whole already


class YoloLabels(ResultWriter):
    """Label files as YOLO has them, with the score behind each box."""

    def __init__(self, out: Path, class_names: Sequence[str], image_root: Path | None = None) -> None:
        super().__init__(writable_class_names(class_names))
        for file in (DESCRIPTION, CLASS_LIST):
            _refuse_existing(out / file)
        self._folder = _new_label_folder(out / LABELS)
        self.paths = (self._folder, out / DESCRIPTION)
        self._names = ResultNames(image_root, self._folder)
        content = {"train": IMAGES, "nc": len(class_names), "names": dict(enumerate(self._class_names))}
        write_text_whole(out / DESCRIPTION, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        write_text_whole(out / CLASS_LIST, "".join(f"{name}\n" for name in self._class_names))

    def _write(
        self, name: str, detections: Detections, frame: int | None, time: float | None
    ) -> InputError | None:
        boxes = xyxy_to_cxcywh(px_to_relative(detections.boxes_px.astype(np.float64), detections.size))
        lines = [
            " ".join([str(label), *(np.format_float_positional(n, DIGITS, trim="-") for n in box), score])
            for label, box, score in zip(
                detections.labels.tolist(), boxes, map(number_text, detections.scores), strict=True
            )
        ]
        given = self._names.of(name, frame)
        file = self._folder / f"{given}.txt"
        write_text_whole(file, "".join(f"{line}\n" for line in lines))
        return _misfit(name, file, given) if frame is None and self._names.differs(given, name) else None

    def _finish(self) -> None:
        pass  # each file is whole already


def _new_label_folder(folder: Path) -> Path:
    """Make a folder for labels; those of a data set, or of an earlier run, are not mixed with others."""
    with suppress(FileNotFoundError):
        try:
            occupied = any(folder.iterdir())
        except NotADirectoryError:
            occupied = True
        if occupied:
            _refuse_existing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another --out") from error
    return folder


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path} is there already: choose another --out, labels are not mixed or replaced")


def _misfit(name: str, file: Path, given: PurePosixPath) -> InputError:
    """Say what to do with an image whose labels could not be called after it."""
    return InputError(
        f"the labels of {name} are in {file}, since no other name was free or possible: rename the image to "
        f"{given.name}{PurePath(name).suffix} where it lies beside them"
    )


def _annotation(image_name: str, detections: Detections) -> Element:
    root = ElementTree.Element("annotation")
    _add(root, "filename", UNWRITABLE.sub("_", image_name))
    size = _add(root, "size")
    for side, value in zip(("height", "width", "depth"), (*detections.size, 3), strict=True):
        _add(size, side, str(value))
    for found in detections:
        element = _add(root, "object")
        _add(element, "name", found.label)
        _add(element, "score", number_text(found.score))
        bndbox = _add(element, "bndbox")
        for corner, place in zip(CORNERS, found.box, strict=True):
            _add(bndbox, corner, number_text(place))
    ElementTree.indent(root, "\t")
    return root


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    element = ElementTree.SubElement(parent, name)
    element.text = text
    return element
