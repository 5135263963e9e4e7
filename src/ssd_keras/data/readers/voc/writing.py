"""From a data set to Pascal VOC files."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssd_keras.data.checks import CORNERS
from ssd_keras.data.readers.category_ids import checked_category_ids
from ssd_keras.data.readers.image_finding import size_of_written
from ssd_keras.data.readers.sidecar import Sidecar, write_sidecar
from ssd_keras.data.readers.split_names import distinct_stems
from ssd_keras.data.readers.voc.files import ANNOTATIONS, IMAGES, LISTS
from ssd_keras.data.readers.voc.xml_files import AREA, CROWD, DIFFICULT
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    area_text,
    new_folder,
    number_text,
    writable_class_names,
)
from ssd_keras.data.samples import Sample

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def write_voc(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write a Pascal VOC data set: images, annotations, and a list for each split.

    Samples are taken one at a time. A sample that stands in two splits is written once. Pixels are encoded as
    JPEG; files and encoded bytes are copied as they are. Two splits whose names would become one file get a
    number behind the second. VOC knows no crowds: one is marked as difficult, and with a tag of its own that
    `read_voc` understands. It knows no category ids either: these stand in a file of our own beside it.

    Args:
        folder: a new or empty folder.
        splits: the samples of each split, by its name.
        class_names: the classes in the order of the labels.
        jpeg_quality: 0-100, for samples that are pixels.
        category_ids: the number of each class, as in `Dataset.category_ids`; None: classes have none.

    Raises:
        InputError: `folder` is not empty, an image cannot be read, a name cannot stand in a text file, or
            there is not one category id for each class.
    """
    names = writable_class_names(class_names)
    numbers = checked_category_ids(category_ids, names)
    root = new_folder(Path(folder))
    (root / ANNOTATIONS).mkdir()
    (root / LISTS).mkdir(parents=True)
    images = ImageWriter(root / IMAGES, jpeg_quality)
    stems = distinct_stems(splits)
    for split, samples in splits.items():
        with (root / LISTS / f"{stems[split]}.txt").open("w", encoding="utf-8") as listed:
            for sample in samples:
                image, is_new = images.write(sample)
                if is_new:
                    _write_annotation(root / ANNOTATIONS / f"{image.stem}.xml", image, sample, names)
                listed.write(f"{image.stem}\n")
    write_sidecar(root, Sidecar(class_names=names, category_ids=numbers))


def _write_annotation(file: Path, image: Path, sample: Sample, class_names: Sequence[str]) -> None:
    height, width = size_of_written(image, sample.name)
    root = ElementTree.Element("annotation")
    _add(root, "folder", IMAGES)
    _add(root, "filename", image.name)
    tag = _add(root, "size")
    for name, value in (("width", width), ("height", height), ("depth", 3)):
        _add(tag, name, str(value))
    _add(root, "segmented", "0")
    for index in range(len(sample.ground_truth)):
        _add_object(root, sample, index, class_names)
    ElementTree.indent(root, "\t")
    ElementTree.ElementTree(root).write(file, encoding="utf-8")


def _add_object(root: Element, sample: Sample, index: int, class_names: Sequence[str]) -> None:
    truth = sample.ground_truth
    difficult, crowd = bool(truth.difficult[index]), bool(truth.crowd[index])
    element = _add(root, "object")
    _add(element, "name", class_names[truth.labels[index]])
    _add(element, "pose", "Unspecified")
    _add(element, "truncated", str(int(truth.truncated[index])))
    _add(element, DIFFICULT, str(int(difficult or crowd)))
    if crowd:
        _add(element, CROWD, "1").set(DIFFICULT, str(int(difficult)))
    if area := area_text(truth.areas[index]):
        _add(element, AREA, area)
    bndbox = _add(element, "bndbox")
    for corner, value in zip(CORNERS, truth.boxes_px[index], strict=True):
        _add(bndbox, corner, number_text(value))


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    element = ElementTree.SubElement(parent, name)
    element.text = text
    return element
