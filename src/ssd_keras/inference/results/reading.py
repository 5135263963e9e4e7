"""Reading detections that were written to a file, by `ssd detect` or for the official servers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssd_keras.classes import label_of
from ssd_keras.data.images import StoredImage
from ssd_keras.data.samples import Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.results.official import UNKNOWN_SIZE, read_coco_results, read_voc_results

LINES_SUFFIXES = (".jsonl", ".ndjson")

PARQUET_SUFFIX = ".parquet"

MADE_BY_US = "give a file that 'ssd detect' wrote as json or jsonl"


def read_detections(
    path: Path,
    split: Split,
    category_ids: Sequence[int] | None = None,
    ignore_other_classes: bool = False,
) -> list[Detections]:
    """Read detections for the images of a split, whoever wrote them.

    Images of the split that the file does not have count as without detections; other images are passed over.

    Args:
        path: what `ssd detect` writes as json, or its entries one a line (jsonl), or with `--engine ray` as
            Parquet (a file or a folder), whose images are matched by file name and whose frames of videos
            are passed over; results as COCO takes them, or a folder with those of VOC, whose images are
            matched by their ids.
        split: whose images are wanted.
        category_ids: the number of each class (`Dataset.category_ids`), for COCO's results; None: 1, 2, ...
        ignore_other_classes: leave out what is of no class of the split, of files that name the classes.

    Raises:
        InputError: the file is missing or none of these, names an unknown class, or knows no image of the
            split.
    """
    if tables := _parquet_files(path):
        return _of_document(_parquet_entries(tables), split, path, ignore_other_classes)
    if path.is_dir():
        return read_voc_results(path, split)
    entries = _entries(path)
    if not entries or (isinstance(entries[0], dict) and "image_id" in entries[0]):
        return read_coco_results(entries, split, path, category_ids)
    return _of_document(entries, split, path, ignore_other_classes)


def _of_document(
    entries: Sequence[Any], split: Split, path: Path, ignore_other_classes: bool
) -> list[Detections]:
    by_name: dict[str, Detections] = {}
    for number, entry in enumerate(entries):
        where = f"{path}, image {number + 1}"
        if isinstance(entry, dict) and entry.get("frame") is not None:
            continue
        name, detections = _parsed(entry, split.class_names, where, ignore_other_classes)
        if name in by_name:
            raise InputError(f"{where}: file name {name} occurs twice: images are matched by file name")
        by_name[name] = detections
    names = [_file_name(sample.image, sample.image_id) for sample in split]
    twice = {name for name, count in Counter(names).items() if count > 1} & by_name.keys()
    if twice:
        raise InputError(
            f"several images of split {split.name!r} are called {min(twice)}, and {path} is matched by file "
            "name: evaluate the model itself, or give the images names of their own"
        )
    if not set(names) & set(by_name):
        raise InputError(f"{path} knows no image of split {split.name!r}: choose another with --split")
    nothing = Detections([], [], [], split.class_names, UNKNOWN_SIZE)
    return [by_name.get(name, nothing) for name in names]


def _parquet_files(path: Path) -> list[Path]:
    """The Parquet files that a path names; none where it is something else."""
    if path.is_dir():
        return sorted(file for file in path.glob(f"*{PARQUET_SUFFIX}") if not file.name.startswith("_"))
    return [path] if path.suffix.lower() == PARQUET_SUFFIX else []


def _parquet_entries(files: Sequence[Path]) -> list[Any]:
    """The rows of bulk detection as `ssd detect --json` has them, but for images that could not be read."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(f"{files[0]} needs pyarrow ({error}): pip install 'ssd-keras[ray]'") from error
    entries = []
    for file in files:
        try:
            rows = parquet.ParquetFile(file).read(["image", "height", "width", "detections"]).to_pylist()
            found = [row for row in rows if row["detections"] is not None]
        except (OSError, ValueError, KeyError) as error:  # damaged Parquet is a ValueError to pyarrow
            raise InputError(f"{file} is not of 'ssd detect --engine ray' ({error}): {MADE_BY_US}") from error
        entries += [{**row, "size": [row["height"], row["width"]]} for row in found]
    return entries


def _entries(path: Path) -> Sequence[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8: {MADE_BY_US}") from error
    if text.lstrip().startswith("{") or path.suffix.lower() in LINES_SUFFIXES:
        return _lines(text, path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): {MADE_BY_US}") from error
    if not isinstance(document, list):
        raise InputError(f"{path} holds no list of images: {MADE_BY_US}")
    return document


def _lines(text: str, path: Path) -> list[Any]:
    """The entries of a file that has one a line."""
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}, is not JSON ({error}): {MADE_BY_US}") from error
        if not isinstance(entry, dict) or "detections" not in entry:
            raise InputError(f"{path} holds no list of images (line {number}): {MADE_BY_US}")
        entries.append(entry)
    return entries


def _parsed(
    entry: Any, class_names: Sequence[str], where: str, ignore_other_classes: bool
) -> tuple[str, Detections]:
    try:
        found = entry["detections"]
        if ignore_other_classes:
            found = [detection for detection in found if detection["label"] in class_names]
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
