"""From a data set to the pickled dictionary that `pickle` describes."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import px_to_relative
from ssd_keras.data.checks import image_size
from ssd_keras.data.readers.category_ids import checked_category_ids
from ssd_keras.data.readers.sidecar import StatedMarks, write_sidecar
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    new_folder,
    writable_class_names,
)
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError

LABELS, IMAGES = "labels.pkl", "images"
"""The names that `write_pickle` gives."""

PROTOCOL = 2
"""The newest one that Python 2 reads, which the port was written in."""


def write_pickle(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
    category_ids: Sequence[int] | None = None,
) -> None:
    """Write a data set as `labels.pkl` and the folder `images`, for the Keras port of 2017.

    Samples are taken one at a time; the image of one that stands in two splits is written once. Pixels are
    encoded as JPEG; files and encoded bytes are copied as they are. The rows are float64, in protocol 2 and
    under names that Python 2 and all versions of NumPy read. Names of classes and their numbers, splits and
    flags stand in a file of our own, which `read_pickle` understands.

    Raises:
        InputError: `folder` is not empty, an image cannot be read, a name cannot stand in a text file, or the
            category ids do not fit.
    """
    names = writable_class_names(class_names)
    numbers = checked_category_ids(category_ids, names)
    root = new_folder(Path(folder))
    images = ImageWriter(root / IMAGES, jpeg_quality)
    rows: dict[str, NDArray[np.float64]] = {}
    marks = StatedMarks()
    listed: dict[str, list[str]] = {split: [] for split in splits}
    for split, samples in splits.items():
        for sample in samples:
            image, is_new = images.write(sample)
            path = f"{IMAGES}/{image.name}"
            listed[split].append(path)
            if is_new:
                rows[image.name] = _rows_of(sample, image, len(names))
                marks.add(path, sample.ground_truth)
    (root / LABELS).write_bytes(_pickled(rows))
    write_sidecar(root, marks.sidecar(names, listed, numbers))


def _rows_of(sample: Sample, image: Path, classes: int) -> NDArray[np.float64]:
    size = image_size(image)
    if size is None:
        raise InputError(f"{sample.name} does not decode as an image: take it out of the data set")
    truth = sample.ground_truth
    boxes = px_to_relative(truth.boxes_px.astype(np.float64), size)
    return np.hstack([boxes, np.eye(classes)[truth.labels]])


def _pickled(rows: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Pickle the labels, with the name that NumPy 2 gives a module of its own put back to the old one.

    The name is spelled out at the first array only; no file name holds a line break.
    """
    new, old = (f"c{core}.multiarray\n_reconstruct\n".encode() for core in ("numpy._core", "numpy.core"))
    return pickle.dumps(dict(rows), protocol=PROTOCOL).replace(new, old, 1)
