"""From a data set to a table of boxes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ssd_keras.data.checks import CORNERS
from ssd_keras.data.readers.category_ids import checked_category_ids
from ssd_keras.data.readers.sidecar import FLAGS, Sidecar, write_sidecar
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    area_text,
    new_folder,
    number_text,
    writable_class_names,
)
from ssd_keras.data.samples import Sample

TABLE, IMAGES, AREA = "labels.csv", "images", "area"
"""The names that `write_csv` gives."""


def write_csv(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write a data set as `labels.csv` and the folder `images`.

    Samples are taken one at a time. The image of a sample that stands in two splits is written once, its
    lines are repeated. Pixels are encoded as JPEG; files and encoded bytes are copied as they are. All class
    names and their numbers, and splits without images, stand in a file of our own, which `read_csv`
    understands.

    Raises:
        InputError: `folder` is not empty, an image cannot be read, a name cannot stand in a text file, or the
            category ids do not fit.
    """
    names = writable_class_names(class_names)
    numbers = checked_category_ids(category_ids, names)
    root = new_folder(Path(folder))
    images = ImageWriter(root / IMAGES, jpeg_quality)
    empty = set(splits)
    with (root / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", *CORNERS, "class", "split", *FLAGS, AREA])
        for split, samples in splits.items():
            for sample in samples:
                image, _ = images.write(sample)
                table.writerows(_rows(f"{IMAGES}/{image.name}", split, sample, names))
                empty.discard(split)
    without_images: dict[str, list[str]] = {split: [] for split in splits if split in empty}
    write_sidecar(root, Sidecar(names, without_images, category_ids=numbers))


def _rows(image: str, split: str, sample: Sample, class_names: Sequence[str]) -> list[list[str]]:
    truth = sample.ground_truth
    if not len(truth):
        return [[image, *[""] * len(CORNERS), "", split, *[""] * len([*FLAGS, AREA])]]
    return [
        [
            image,
            *map(number_text, truth.boxes_px[index]),
            class_names[truth.labels[index]],
            split,
            *(str(int(getattr(truth, flag)[index])) for flag in FLAGS),
            area_text(truth.areas[index]),
        ]
        for index in range(len(truth))
    ]
