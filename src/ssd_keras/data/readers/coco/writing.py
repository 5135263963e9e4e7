"""From a data set to COCO files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd_keras.boxes.formats import box_area
from ssd_keras.data.readers.category_ids import checked_category_ids
from ssd_keras.data.readers.coco.content import LARGEST_ID
from ssd_keras.data.readers.coco.files import ANNOTATIONS, IMAGES, INSTANCES
from ssd_keras.data.readers.image_finding import size_of_written
from ssd_keras.data.readers.split_names import distinct_stems
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    new_folder,
    number_text,
    writable_class_names,
)
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError


@dataclass(frozen=True, eq=False)
class _Record:
    """What is kept of a written sample until all are known: not its pixels."""

    file_name: str
    size: tuple[int, int]
    image_id: str
    truth: GroundTruth
    first_annotation: int


def write_coco(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write a COCO data set: `annotations/instances_<split>.json` for each split, and the folder `images`.

    Samples are taken one at a time. A sample that stands in two splits is written once. Pixels are encoded as
    JPEG; files and encoded bytes are copied as they are. COCO knows images by numbers: where the image ids
    of all samples are different whole numbers they are kept, without zeros in front, else images are
    numbered from 1. It knows neither difficult nor truncated objects: these get keys of their own, which
    `read_coco` understands. It states the width of a box in place of its right side: as many digits are
    written as give the same float32 corners when read, where none of them is negative.

    Args:
        folder: a new or empty folder.
        splits: the samples of each split, by its name.
        class_names: the classes in the order of the labels.
        jpeg_quality: 0-100, for samples that are pixels.
        category_ids: the number of each class, as in `Dataset.category_ids`; by default 1, 2, ...

    Raises:
        InputError: `folder` is not empty, an image cannot be read, a box is not finite, a name cannot stand
            in a text file, or there is not one category id for each class.
    """
    names = writable_class_names(class_names)
    numbers = checked_category_ids(category_ids, names) or range(1, len(names) + 1)
    root = new_folder(Path(folder))
    (root / ANNOTATIONS).mkdir()
    images = ImageWriter(root / IMAGES, jpeg_quality)
    records: dict[Path, _Record] = {}
    members = {split: _write_images(samples, images, records) for split, samples in splits.items()}
    ids = _image_numbers(records)
    stems = distinct_stems(members)
    for split, written in members.items():
        categories = [{"id": i, "name": name} for i, name in zip(numbers, names, strict=True)]
        lists = {
            "categories": iter(categories),
            "images": (_image_entry(ids[image], records[image]) for image in written),
            ANNOTATIONS: (e for i in written for e in _annotations(ids[i], records[i], numbers)),
        }
        _write_lists(root / ANNOTATIONS / f"{INSTANCES}{stems[split]}.json", lists)


def _write_images(
    samples: Iterable[Sample], images: ImageWriter, records: dict[Path, _Record]
) -> dict[Path, None]:
    """Write the images of a split, and give their files in order, each once."""
    files: dict[Path, None] = {}
    last = next(reversed(records.values()), None)
    following = 1 if last is None else last.first_annotation + len(last.truth)
    for sample in samples:
        image, is_new = images.write(sample)
        if is_new:
            records[image] = _record(image, sample, following)
            following += len(sample.ground_truth)
        files[image] = None
    return files


def _record(image: Path, sample: Sample, first_annotation: int) -> _Record:
    size = size_of_written(image, sample.name)
    if not np.isfinite(sample.ground_truth.boxes_px).all():
        raise InputError(f"{sample.name} has a box that is not finite: take it out of the data set")
    return _Record(image.name, size, sample.image_id, sample.ground_truth, first_annotation)


def _image_numbers(records: Mapping[Path, _Record]) -> dict[Path, int]:
    texts = [record.image_id for record in records.values()]
    kept = [int(text) for text in texts if re.fullmatch(r"[0-9]{1,18}", text)]
    numbers = kept if len(set(kept)) == len(texts) else range(1, len(texts) + 1)
    return dict(zip(records, numbers, strict=True))


def _image_entry(number: int, record: _Record) -> dict[str, Any]:
    height, width = record.size
    return {"id": number, "file_name": record.file_name, "height": height, "width": width}


def _annotations(image: int, record: _Record, categories: Sequence[int]) -> Iterator[dict[str, Any]]:
    truth = record.truth
    areas = _areas(truth)
    for index, (corners, label) in enumerate(
        zip(truth.boxes_px.tolist(), truth.labels.tolist(), strict=True)
    ):
        x0, y0, x1, y1 = corners
        (x, width), (y, height) = _start_and_length(x0, x1), _start_and_length(y0, y1)
        entry = {
            "id": record.first_annotation + index,
            "image_id": image,
            "category_id": categories[label],
            "bbox": [x, y, width, height],
            "area": _short(areas[index]),
            "iscrowd": int(truth.crowd[index]),
        }
        if truth.difficult[index]:
            entry["difficult"] = 1
        if truth.truncated[index]:
            entry["truncated"] = 1
        yield entry


def _areas(truth: GroundTruth) -> list[float]:
    """The areas of the objects as they were stated, or else those of their boxes, to seven digits."""
    of_boxes = box_area(truth.boxes_px.astype(np.float64)).tolist()
    return [
        float(f"{of_box:.7g}") if math.isnan(area) else area
        for area, of_box in zip(truth.areas.tolist(), of_boxes, strict=True)
    ]


def _start_and_length(low: float, high: float) -> tuple[float, float]:
    """Give the start and the length of one side of a box, with the fewest digits that bring `high` back."""
    start = float(number_text(low))
    exact = high - start
    rounded = (float(f"{exact:.{digits}g}") for digits in range(1, 17))
    length = next((r for r in rounded if float(np.float32(start + r)) == high), exact)
    return _short(start), _short(length)


def _short(number: float) -> float:
    """Give whole numbers as such: JSON writes 10.0 otherwise."""
    return int(number) if number.is_integer() and math.fabs(number) < LARGEST_ID else number


def _write_lists(file: Path, lists: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Write an object of lists, one entry a line and one at a time."""
    with file.open("w", encoding="utf-8", newline="\n") as opened:
        opened.write("{")
        for place, (key, entries) in enumerate(lists.items()):
            opened.write(f'{"," if place else ""}\n"{key}": [')
            for number, entry in enumerate(entries):
                separator = "," if number else ""
                opened.write(f"{separator}\n{json.dumps(entry, ensure_ascii=False, allow_nan=False)}")
            opened.write("\n]")
        opened.write("\n}\n")
