"""The HDF5 files that the Keras port of 2018 wrote (`create_hdf5_dataset` of its `DataGenerator`).

    images, image_shapes    (N,) rows of uint8, RGB pixels; (N, 3) height, width, 3
    labels, label_shapes    (N,) rows of int32, (class_id, xmin, ymin, xmax, ymax) after each other; (N, 2)
    image_ids               (N,) texts
    eval_neutral            (N,) rows of truth values, one a box: difficult

All but the first two may be missing; the attributes `has_labels`, `has_image_ids`, `has_eval_neutral` say so.
Class ids count from 1; 0 is background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ssd_keras.classes import checked_class_names
from ssd_keras.data.checks import counted
from ssd_keras.data.packs.contents import LARGEST_LABELS, About, DamagedError, PackedImage, PackFile, reading
from ssd_keras.data.packs.hdf5_heap import Heap, references_of
from ssd_keras.data.packs.hdf5_tables import has_table, open_table, read_table, whole_number
from ssd_keras.data.packs.labels import PackLabels, assemble_pack, check_images
from ssd_keras.data.samples import ALL, Dataset, Problem
from ssd_keras.errors import InputError

ROW = 5
"""Numbers of a box: its class id and its corners."""


@dataclass(frozen=True, slots=True)
class PortImage(PackedImage):
    """An image of such a file; `start` is the address of its heap collection, `index` its place in that."""

    index: int

    def load(self) -> bytes | NDArray[np.uint8]:
        """Read its pixels, (H, W, 3) uint8 RGB."""
        path = Path(self.pack.path)
        with reading(path, (OSError,)), path.open("rb", buffering=0) as file:
            self.pack.check_unchanged()
            content = Heap(file, self.pack.size).read(self.start, self.index, self.length)
            return self.unpacked(np.frombuffer(bytearray(content), np.uint8))


def is_port_file(file: h5py.File) -> bool:
    """Tell whether an HDF5 file is one of the port of 2018."""
    return has_table(file, "images") and has_table(file, "image_shapes")


def read_port_file(file: h5py.File, pack: PackFile, class_names: Sequence[str] | None) -> Dataset:
    """Read the labels of such a file; errors as of `read_hdf5`."""
    sizes, references = _images(file, pack)
    images = len(sizes)
    ids = _image_ids(file, pack, images)
    problems: list[Problem] = []
    rows, objects = _labels(file, pack, images)
    difficult = _difficult(file, pack, objects, problems)
    is_object = rows[:, 0] >= 1
    if not is_object.all():
        background = counted(int((~is_object).sum()), "box", "boxes")
        problem = f"left out {background} with a class id below 1"
        problems.append(Problem(pack.path, problem, "count class ids from 1, as 0 is background"))
        owners = np.repeat(np.arange(images), objects)
        objects = np.bincount(owners[is_object], minlength=images)
        rows, difficult = rows[is_object], difficult[is_object]
    names, numbers = _named(Path(pack.path), rows[:, 0].astype(np.int64), class_names)
    nothing = np.zeros(len(rows), bool)
    labels = PackLabels(
        ids, objects, rows[:, 1:].astype(np.float32), numbers, difficult, nothing, nothing, sizes
    )

    def image_at(number: int) -> PortImage:
        height, width = sizes[number].tolist()
        length, address, index = references[number].tolist()
        return PortImage(pack, number, ids[number], "", (height, width), address, length, index)

    about = About(names, None, {ALL: np.arange(images)})
    return assemble_pack(Path(pack.path), "hdf5", labels, about, image_at, None, problems)


def _images(file: h5py.File, pack: PackFile) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Height and width of all images (N, 2), and the references to their pixels (N,)."""
    shapes = read_table(file, "image_shapes", np.int32, (3,), LARGEST_LABELS).astype(np.int64)
    if (shapes[:, 2] != 3).any():
        raise DamagedError("has images that are not RGB")
    references = references_of(_rows(file, "images", "u", len(shapes)), pack.path)
    if (shapes[:, :2] <= 0).any():
        raise DamagedError("has an image of an impossible size")
    check_images(references["length"].astype(np.int64), shapes[:, :2])
    return shapes[:, :2], references


def _rows(file: h5py.File, name: str, kinds: str, images: int) -> h5py.Dataset:
    """Open a table of rows of variable length, one for each image."""
    table = open_table(file, name)
    values = h5py.check_vlen_dtype(table.dtype)
    if values is None or np.dtype(values).kind not in kinds or np.dtype(values).itemsize > 8:
        raise DamagedError(f"has a table {name} of {table.dtype}, which is not as it should be")
    if name == "images" and values != np.uint8:
        raise DamagedError("has images that are not uint8")
    if len(table) != images:
        raise DamagedError(f"has {len(table)} {name} for {images} images")
    return table


def _has(file: h5py.File, name: str) -> bool:
    stated = whole_number(file, f"has_{name}")
    return has_table(file, name) and (stated is None or bool(stated))


def _lengths_and_values(table: h5py.Dataset, pack: PackFile) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """How many values each row has (N,), and the values of all rows, one row after the other."""
    dtype = np.dtype(h5py.check_vlen_dtype(table.dtype))
    lengths, texts = _lengths_and_bytes(table, pack, dtype.itemsize)
    return lengths, np.frombuffer(b"".join(texts), dtype)


def _lengths_and_bytes(
    table: h5py.Dataset, pack: PackFile, width: int
) -> tuple[NDArray[np.int64], list[bytes]]:
    """How many values of `width` bytes each row has (N,), and the bytes of each row."""
    references = references_of(table, pack.path)
    lengths = references["length"].astype(np.int64)
    if lengths.sum() * width > LARGEST_LABELS:
        raise DamagedError(
            f"claims {int(lengths.sum())} values of {table.name}, which is more than it may have"
        )
    with Path(pack.path).open("rb") as file:
        heap = Heap(file, pack.size)
        rows = (references[name].tolist() for name in ("address", "index", "length"))
        return lengths, [heap.read(a, index, width * n) for a, index, n in zip(*rows, strict=True)]


def _labels(file: h5py.File, pack: PackFile, images: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The boxes of all images (T, 5), and how many each image has (N,)."""
    if not _has(file, "labels"):
        return np.zeros((0, ROW), np.int32), np.zeros(images, np.int64)
    table = _rows(file, "labels", "iu", images)
    lengths, values = _lengths_and_values(table, pack)
    shapes = read_table(file, "label_shapes", np.int32, (2,), LARGEST_LABELS).astype(np.int64)
    # An image without objects has no numbers, and its shape is as it happened to be.
    if len(shapes) != images or ((shapes[:, 0] * ROW != lengths) | (shapes[:, 1] != ROW))[lengths > 0].any():
        raise DamagedError("has labels of another shape than it says")
    return values.reshape(-1, ROW), lengths // ROW


def _difficult(
    file: h5py.File, pack: PackFile, objects: NDArray[np.int64], problems: list[Problem]
) -> NDArray[np.bool_]:
    """Which boxes are difficult (T,); none of an image for which there is not one value a box."""
    difficult = np.zeros(int(objects.sum()), bool)
    if not _has(file, "eval_neutral"):
        return difficult
    table = _rows(file, "eval_neutral", "biu", len(objects))
    lengths, flags = _lengths_and_values(table, pack)
    values = flags.astype(bool)
    fits = lengths == objects
    if not fits.all():
        images = counted(int((~fits).sum()), "image")
        problem = f"eval_neutral has not one value for each box in {images}: no box there counts as difficult"
        problems.append(Problem(pack.path, problem, "write one value for each box"))
    difficult[np.repeat(fits, objects)] = values[np.repeat(fits, lengths)]
    return difficult


def _image_ids(file: h5py.File, pack: PackFile, images: int) -> list[str]:
    if not _has(file, "image_ids"):
        return [str(number) for number in range(images)]
    table = open_table(file, "image_ids")
    kind = h5py.check_string_dtype(table.dtype)
    if kind is None or len(table) != images:
        raise DamagedError("has image ids that are no texts, or not one an image")
    if kind.length is None:
        _, texts = _lengths_and_bytes(table, pack, 1)
    else:
        texts = read_table(file, "image_ids", table.dtype, (), LARGEST_LABELS).tolist()
    return [text.rstrip(b"\0").decode(errors="replace") for text in texts]


def _named(
    path: Path, class_ids: NDArray[np.int64], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The class names, and the labels for these class ids, which count from 1."""
    if class_names is None:
        in_use, labels = np.unique(class_ids, return_inverse=True)
        return tuple(f"class {number}" for number in in_use.tolist()), labels.astype(np.int32)
    names = checked_class_names(class_names)
    highest = int(class_ids.max(initial=0))
    if highest > len(names):
        raise InputError(
            f"{path} has class ids up to {highest} for {len(names)} class names: name all classes"
        )
    return names, (class_ids - 1).astype(np.int32)
