"""From a data set to YOLO files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ssd_keras.boxes.formats import px_to_relative, xyxy_to_cxcywh
from ssd_keras.data.readers.category_ids import checked_category_ids
from ssd_keras.data.readers.image_finding import path_from, size_of_written
from ssd_keras.data.readers.sidecar import StatedMarks, write_sidecar
from ssd_keras.data.readers.split_names import distinct_stems
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    fingerprint_of,
    new_folder,
    writable_class_names,
)
from ssd_keras.data.readers.yolo.description import CLASS_LISTS
from ssd_keras.data.readers.yolo.layout import NO_SPLITS
from ssd_keras.data.readers.yolo.places import LONGEST_PATH
from ssd_keras.data.readers.yolo.recognising import DESCRIPTION, IMAGES, LABELS
from ssd_keras.data.samples import Sample

DIGITS = 12
"""Behind the point, in label files: 1e-12 of the image."""


TAKEN = (IMAGES, *(Path(name).stem for name in CLASS_LISTS))
"""Names for no split: a folder of that name would be taken for what it is in, a list for one of classes."""


def write_yolo(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write a YOLO data set: data.yaml, and a folder of images and one of labels for each split.

    Samples are taken one at a time. One that stands in two splits is written once, for the first; the second
    then is a list of its images in place of a folder. Pixels are encoded as JPEG; files and encoded bytes are
    copied as they are. Boxes are written with as many digits as give them back to within 1/1000 of a pixel,
    and as they are, also where they leave the image. YOLO knows neither flags nor category ids: these stand
    in a file of our own, which `read_yolo` understands.

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
    writer = _Writer(root, jpeg_quality)
    stems = distinct_stems(splits, TAKEN)
    places = {split: writer.write_split(stems[split], samples) for split, samples in splits.items()}
    _write_description(root / DESCRIPTION, places, names)
    write_sidecar(root, writer.marks.sidecar(names, {}, numbers))


class _Writer:
    """Writes images and labels, each once.

    Attributes:
        marks: what is said of boxes beside their labels.
    """

    def __init__(self, root: Path, jpeg_quality: int) -> None:
        self._root = root
        self._jpeg_quality = jpeg_quality
        self._written: dict[bytes, Path] = {}
        self.marks = StatedMarks()

    def write_split(self, stem: str, samples: Iterable[Sample]) -> str:
        """Write the samples of a split, and give its folder or, if images lie in others, its list."""
        images = ImageWriter(self._root / IMAGES / stem, self._jpeg_quality)
        labels = self._root / LABELS / stem
        labels.mkdir(parents=True)
        files = dict.fromkeys(self._file_of(sample, images, labels) for sample in samples)
        if all(file.parent == images.folder for file in files):
            return f"{IMAGES}/{stem}"
        for folder in (images.folder, labels):
            if not any(folder.iterdir()):
                folder.rmdir()
        lines = "".join(f"./{path_from(self._root, file)}\n" for file in files)
        (self._root / f"{stem}.txt").write_text(lines, encoding="utf-8")
        return f"{stem}.txt"

    def _file_of(self, sample: Sample, images: ImageWriter, labels: Path) -> Path:
        """The file of a sample's image, which is written with its labels unless it was before."""
        fingerprint = fingerprint_of(sample)
        if fingerprint not in self._written:
            image, _ = images.write(sample)
            _write_labels(labels / f"{image.stem}.txt", image, sample)
            self._written[fingerprint] = image
            self.marks.add(path_from(self._root, image), sample.ground_truth)
        return self._written[fingerprint]


def _write_labels(file: Path, image: Path, sample: Sample) -> None:
    size = size_of_written(image, sample.name)
    truth = sample.ground_truth
    boxes = xyxy_to_cxcywh(px_to_relative(truth.boxes_px.astype(np.float64), size))
    lines = [
        " ".join([str(label), *(np.format_float_positional(number, DIGITS, trim="-") for number in box)])
        + "\n"
        for label, box in zip(truth.labels.tolist(), boxes, strict=True)
    ]
    file.write_text("".join(lines), encoding="ascii")


def _write_description(file: Path, places: Mapping[str, str], names: Sequence[str]) -> None:
    """Write data.yaml without `path`: other programs then start from its folder, not from one of theirs."""
    keys = {split: f"{split}_split" if split in NO_SPLITS else split for split in places}
    content: dict[str, Any] = {keys[split]: place for split, place in places.items()}
    content |= {"nc": len(names), "names": dict(enumerate(names))}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=LONGEST_PATH)
    file.write_text(text, encoding="utf-8")
