"""Detections in files and pictures: written by `ssd detect`, read by `ssd evaluate --detections`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssd_keras.classes import label_of
from ssd_keras.data.images import StoredImage, read_image
from ssd_keras.data.samples import Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.drawing import draw_detections, save_picture
from ssd_keras.inference.official_results import UNKNOWN_SIZE, read_coco_results, read_voc_results


def as_document(found: Mapping[str, Detections]) -> list[dict[str, Any]]:
    """Give the JSON document of detections by image: the one `ssd detect --json` prints."""
    return [
        {"image": image, "size": list(detections.size), "detections": detections.as_json()}
        for image, detections in found.items()
    ]


@dataclass
class PictureFolder:
    """A folder of pictures with the detections drawn, named after the images."""

    path: Path
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def create(cls, path: Path) -> PictureFolder:
        """Make the folder; `InputError` where that is not possible."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}): choose another --out") from error
        return cls(path)

    def draw(self, image: Path, detections: Detections) -> Path:
        """Draw detections on the image file; two images of one name get two pictures."""
        name, number = f"{image.stem}.jpg", 1
        while name in self._taken:
            number += 1
            name = f"{image.stem}-{number}.jpg"
        self._taken.add(name)
        save_picture(self.path / name, draw_detections(read_image(image), detections))
        return self.path / name


def as_text(found: Mapping[str, Detections]) -> str:
    """Give the document of `as_document` as JSON text, a line an image."""
    return "[" + ",\n ".join(json.dumps(entry, ensure_ascii=False) for entry in as_document(found)) + "]\n"


def read_detections(path: Path, split: Split, category_ids: Sequence[int] | None = None) -> list[Detections]:
    """Read detections for the images of a split, whoever wrote them.

    Images of the split that the file does not have count as without detections; other images are passed over.

    Args:
        path: a document of `as_document`, whose images are matched by file name; results as COCO takes them,
            or a folder with those of VOC, whose images are matched by their ids.
        split: whose images are wanted.
        category_ids: the number of each class (`Dataset.category_ids`), for COCO's results; None: 1, 2, ...

    Raises:
        InputError: the file is missing or none of these, names an unknown class, or knows no image of the
            split.
    """
    if path.is_dir():
        return read_voc_results(path, split)
    entries = _entries(path)
    if not entries or (isinstance(entries[0], dict) and "image_id" in entries[0]):
        return read_coco_results(entries, split, path, category_ids)
    return _of_document(entries, split, path)


def _of_document(entries: Sequence[Any], split: Split, path: Path) -> list[Detections]:
    by_name: dict[str, Detections] = {}
    for number, entry in enumerate(entries):
        where = f"{path}, image {number + 1}"
        name, detections = _parsed(entry, split.class_names, where)
        if name in by_name:
            raise InputError(f"{where}: file name {name} occurs twice: images are matched by file name")
        by_name[name] = detections
    names = [_file_name(sample.image, sample.image_id) for sample in split]
    if not set(names) & set(by_name):
        raise InputError(f"{path} knows no image of split {split.name!r}: choose another with --split")
    nothing = Detections([], [], [], split.class_names, UNKNOWN_SIZE)
    return [by_name.get(name, nothing) for name in names]


def _entries(path: Path) -> Sequence[Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path") from error
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON ({error}): give a file that 'ssd detect --json' printed"
        ) from error
    if not isinstance(document, list):
        raise InputError(f"{path} holds no list of images: give a file that 'ssd detect --json' printed")
    return document


def _parsed(entry: Any, class_names: Sequence[str], where: str) -> tuple[str, Detections]:
    try:
        found = entry["detections"]
        boxes = [[float(side) for side in detection["box"]] for detection in found]
        scores = [float(detection["score"]) for detection in found]
        labels = [label_of(detection["label"], class_names, where) for detection in found]
        height, width = entry["size"]
        return Path(entry["image"]).name, Detections(
            boxes, scores, labels, tuple(class_names), (height, width)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where} is no entry of 'ssd detect --json' ({error!r}): make the file anew"
        ) from error


def _file_name(image: Any, image_id: str) -> str:
    """The name of the file that an image is in, or was before it came into a pack; else its id."""
    if isinstance(image, StoredImage):
        return image.file_name or image_id
    return image.name if isinstance(image, Path) else image_id
