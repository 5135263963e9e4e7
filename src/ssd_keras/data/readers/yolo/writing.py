"""From a data set to YOLO files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ssd_keras.boxes.formats import px_to_relative, xyxy_to_cxcywh
from ssd_keras.data.checks import image_size
from ssd_keras.data.readers.image_finding import path_from
from ssd_keras.data.readers.sidecar import Sidecar, flags_to_state, write_sidecar
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    new_folder,
    safe_stem,
    writable_class_names,
)
from ssd_keras.data.readers.yolo.layout import NO_SPLITS
from ssd_keras.data.readers.yolo.places import LONGEST_PATH
from ssd_keras.data.readers.yolo.recognising import DESCRIPTION, IMAGES, LABELS
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError

DIGITS = 12
"""Behind the point, in label files: 1e-12 of the image."""


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
                flags[path_from(root, image)] = flags_to_state(sample.ground_truth)
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
