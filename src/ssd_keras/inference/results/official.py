"""Detections in the files that the official servers of Pascal VOC and COCO take.

VOC    comp4_det_SPLIT_CLASS.txt, one a class; a line a detection: image id, score, xmin, ymin, xmax, ymax
COCO   detections_SPLIT_ssd_results.json, a list of {"image_id", "category_id", "bbox": [x, y, w, h], "score"}

Corners are written as they stand in the detections. Those of a detector that learned from VOC's labels, which
are read as they stand too, count pixels from 1 and name the last one inside, as the devkit expects. What is
written is read again without any loss, corners of COCO to a hundred-millionth of a pixel.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssd_keras.data.readers.writing import safe_stem
from ssd_keras.data.samples import Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.coco import xyxy_to_xywh

UNKNOWN_SIZE = (1, 1)
"""Official files do not state the sizes of the images, and nothing is scored by them."""


class Row(NamedTuple):
    """One detection of a file: the image it is in, its label, score and corners in pixels."""

    image_id: str
    label: int
    score: float
    box: tuple[float, float, float, float]


def write_results(
    folder: Path,
    protocol: str,
    split: Split,
    detections: Sequence[Detections],
    category_ids: Sequence[int] | None = None,
) -> list[Path]:
    """Write the detections of a split as the official tools of a protocol want them.

    Args:
        folder: is made where it is missing; files of the same names are replaced.
        protocol: "voc07" or "voc10": text files; "coco": JSON.
        split: whose images they are.
        detections: what was found, image by image.
        category_ids: the number of each class (`Dataset.category_ids`); None: 1, 2, ...

    Returns:
        The files, in the order of the classes.

    Raises:
        InputError: the folder cannot be written, two images share an id, or two classes a file.
    """
    _check_ids(split)
    if protocol == "coco":
        texts = {_coco_name(split): _coco_lines(split, detections, category_ids)}
    else:
        names = _voc_names(split)
        texts = {name: _voc_lines(split, detections, label) for label, name in enumerate(names)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in texts.items():
            with (folder / name).open("w", encoding="utf-8") as file:
                file.writelines(lines)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}): choose another --results"
        ) from error
    return [folder / name for name in texts]


def read_voc_results(folder: Path, split: Split) -> list[Detections]:
    """Read the text files of VOC for a split; a class without a file counts as without detections.

    Raises:
        InputError: there is no file for any class, one cannot be read, or no image of the split occurs.
    """
    names = _voc_names(split)
    files = {label: folder / name for label, name in enumerate(names) if (folder / name).exists()}
    if not files:
        raise InputError(f"{folder} has no {names[0]} nor one for another class: check folder and --split")
    rows = (row for label, file in files.items() for row in _voc_rows(file, label))
    return _of_split(rows, split, folder)


def read_coco_results(
    entries: Sequence[Any], split: Split, source: Path, category_ids: Sequence[int] | None = None
) -> list[Detections]:
    """Take the results of COCO, as its JSON file lists them, for the images of a split.

    Args:
        entries: the list of the file.
        split: whose images are wanted; the others are passed over.
        source: the file, to be named in errors.
        category_ids: the number of each class (`Dataset.category_ids`); None: 1, 2, ...

    Raises:
        InputError: an entry is no detection, has an unknown category, or no image of the split occurs.
    """
    labels = {number: label for label, number in enumerate(_category_ids(split, category_ids))}
    rows = (_coco_row(entry, labels, f"{source}, entry {k}") for k, entry in enumerate(entries, start=1))
    return _of_split(rows, split, source)


# --- VOC ---------------------------------------------------------------------------------------------------


def _voc_names(split: Split) -> list[str]:
    names = [f"{safe_stem(f'comp4_det_{split.name}_{name}')}.txt" for name in split.class_names]
    seen: dict[str, str] = {}
    for name, class_name in zip(names, split.class_names, strict=True):
        other = seen.setdefault(name.casefold(), class_name)
        if other != class_name:
            raise InputError(f"classes {other!r} and {class_name!r} would share the file {name}: rename one")
    return names


def _voc_lines(split: Split, detections: Sequence[Detections], label: int) -> Iterator[str]:
    for sample, found in zip(split, detections, strict=True):
        chosen = found.labels == label
        for score, box in zip(found.scores[chosen].tolist(), found.boxes_px[chosen].tolist(), strict=True):
            numbers = " ".join(f"{number:.9g}" for number in (score, *box))  # nine digits are a float32
            yield f"{sample.image_id} {numbers}\n"


def _voc_rows(file: Path, label: int) -> Iterator[Row]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}): check the file") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            image_id, *texts = line.strip("\r").rsplit(" ", 5)
            score, x0, y0, x1, y1 = map(float, texts)
        except ValueError as error:
            raise InputError(
                f"{file}, line {number}: {line[:80]!r} is not an image id and five numbers: correct the line"
            ) from error
        yield Row(image_id, label, score, _finite((x0, y0, x1, y1), score, f"{file}, line {number}"))


# --- COCO --------------------------------------------------------------------------------------------------


def _coco_name(split: Split) -> str:
    return f"{safe_stem(f'detections_{split.name}_ssd_results')}.json"


def _coco_lines(
    split: Split, detections: Sequence[Detections], category_ids: Sequence[int] | None
) -> Iterator[str]:
    numbers = _category_ids(split, category_ids)
    separator = "[\n"
    for sample, found in zip(split, detections, strict=True):
        image_id = _id_as_written(sample.image_id)
        boxes = xyxy_to_xywh(found.boxes_px.astype(np.float64)).tolist()
        for label, box, score in zip(found.labels.tolist(), boxes, found.scores.tolist(), strict=True):
            entry = {"image_id": image_id, "category_id": numbers[label], "bbox": box, "score": score}
            yield separator + json.dumps(entry)
            separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _coco_row(entry: Any, labels: dict[int, int], where: str) -> Row:
    try:
        image_id, category, score = str(entry["image_id"]), entry["category_id"], float(entry["score"])
        x, y, width, height = map(float, entry["bbox"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where} is no entry of COCO's results ({error!r}): make the file anew") from error
    if not isinstance(category, int) or category not in labels:
        known = ", ".join(map(str, labels))
        raise InputError(f"{where}: category_id {category!r} is no class of the data set, which has {known}")
    x0, y0 = float(np.float32(x)), float(np.float32(y))
    return Row(image_id, labels[category], score, _finite((x0, y0, x0 + width, y0 + height), score, where))


def _category_ids(split: Split, category_ids: Sequence[int] | None) -> Sequence[int]:
    return category_ids or range(1, len(split.class_names) + 1)


def _id_as_written(image_id: str) -> int | str:
    """Give the id as COCO's files have it: a number, unless that would write it otherwise (000012)."""
    return int(image_id) if re.fullmatch(r"0|[1-9][0-9]{0,17}", image_id) else image_id


# --- Both --------------------------------------------------------------------------------------------------


def _of_split(rows: Iterable[Row], split: Split, source: Path) -> list[Detections]:
    """Sort the rows by the images of the split; images without one are without detections."""
    _check_ids(split)
    by_image: dict[str, list[Row]] = {sample.image_id: [] for sample in split}
    others = 0
    for row in rows:
        if row.image_id in by_image:
            by_image[row.image_id].append(row)
        else:
            others += 1
    if others and not any(by_image.values()):
        raise InputError(f"{source} knows no image of split {split.name!r}: choose another with --split")
    return [_detections(found, split.class_names) for found in by_image.values()]


def _detections(rows: Sequence[Row], class_names: tuple[str, ...]) -> Detections:
    boxes, scores, labels = [r.box for r in rows], [r.score for r in rows], [r.label for r in rows]
    return Detections(boxes, scores, labels, class_names, UNKNOWN_SIZE)


def _finite(
    box: tuple[float, float, float, float], score: float, where: str
) -> tuple[float, float, float, float]:
    if not all(math.isfinite(value) for value in (*box, score)):
        raise InputError(f"{where}: score {score}, box {box} are not all finite numbers: make the file anew")
    return box


def _check_ids(split: Split) -> None:
    seen: set[str] = set()
    for sample in split:
        name = sample.image_id
        if name in seen:
            raise InputError(
                f"two images of split {split.name!r} have the id {name!r}, which results name: rename one"
            )
        if name.splitlines() != [name]:
            raise InputError(f"image id {name!r} does not fit into a line: rename the image")
        seen.add(name)
