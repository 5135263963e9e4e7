"""The labels of all images of a pack, and the way from there to a `Dataset`; the same for every pack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.classes import checked_class_names, label_of
from ssd_keras.data.checks import BOX_ADVICE, check_box, counted
from ssd_keras.data.images import StoredImage
from ssd_keras.data.packs.contents import ENCODED, LARGEST_IMAGE, About, DamagedError
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split
from ssd_keras.errors import InputError

NAMED_PROBLEMS = 1000
"""Faulty boxes that are named one by one; the others are counted."""


@dataclass(frozen=True, eq=False)
class PackLabels:
    """The labels of all N images, flat: T objects in all.

    Attributes:
        image_ids: N texts.
        objects: (N,) int64, how many objects each image has.
        boxes_px: (T, 4) float32, the objects of the first image first.
        labels: (T,) int32, indices into the class names.
        difficult: (T,) bool, as are `crowd` and `truncated`.
        sizes: (N, 2) height and width of the images, where the boxes are to be checked against them.
        areas: (T,) float64, see `GroundTruth`, where the pack has them.
    """

    image_ids: Sequence[str]
    objects: NDArray[np.int64]
    boxes_px: NDArray[np.float32]
    labels: NDArray[np.int32]
    difficult: NDArray[np.bool_]
    crowd: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    sizes: NDArray[np.int64] | None = None
    areas: NDArray[np.float64] | None = None


def parts_of(lengths: NDArray[np.int64], total: int, what: str) -> NDArray[np.int64]:
    """Give where each part ends, (N,), if parts of these lengths make up `total`; else `DamagedError`."""
    if len(lengths) and (lengths.min() < 0 or lengths.max() > total):
        raise DamagedError(f"has a wrong number of {what}")
    ends = np.cumsum(lengths, dtype=np.int64)
    if (len(lengths) and ends.min() < 0) or (int(ends[-1]) if len(ends) else 0) != total:
        raise DamagedError(f"has a wrong number of {what}")
    return ends


def texts_of(content: bytes, lengths: NDArray[np.int64], what: str) -> list[str]:
    """Cut UTF-8 into texts of these lengths in bytes; `DamagedError` where they do not fit."""
    ends = parts_of(lengths, len(content), f"bytes in its {what}").tolist()
    starts = [0, *ends[:-1]]
    return [content[a:b].decode(errors="surrogatepass") for a, b in zip(starts, ends, strict=bool(ends))]


def check_images(lengths: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
    """Check the bytes (N,) and the height and width (N, 2) of all images; `DamagedError` if they disagree."""
    if not len(lengths):
        return
    if lengths.min() < 0 or lengths.max() > LARGEST_IMAGE or sizes.min() < 0 or sizes.max() > LARGEST_IMAGE:
        raise DamagedError("has an image of an impossible size")
    has_pixels = (sizes != ENCODED).any(axis=1)
    if (3 * sizes[:, 0] * sizes[:, 1] != lengths)[has_pixels].any() or (lengths == 0)[has_pixels].any():
        raise DamagedError("has an image of another size than it says")


def assemble_pack(
    path: Path,
    data_format: str,
    labels: PackLabels,
    about: About,
    image_at: Callable[[int], StoredImage],
    class_names: Sequence[str] | None,
    problems: Sequence[Problem] = (),
) -> Dataset:
    """Put the data set of a pack together.

    Args:
        path: of the pack, for errors.
        data_format: name of the format.
        labels: of all images.
        about: what `labels` are indices of, and the splits.
        image_at: gives an image by its number.
        class_names: the classes in the order of their labels; None: those of the pack.
        problems: what the reader found wrong so far.

    Raises:
        InputError: there is no image, or an object has a class that is not in `class_names`.
        DamagedError: the labels contradict each other.
    """
    if not any(len(members) for members in about.splits.values()):
        raise InputError(f"{path} holds no image: write a pack of labelled images")
    if len(labels.labels) and not 0 <= labels.labels.min() <= labels.labels.max() < len(about.class_names):
        raise DamagedError(f"has labels beyond its {len(about.class_names)} classes")
    ends = parts_of(labels.objects, len(labels.labels), "objects").tolist()
    names, numbers, category_ids = _renumbered(path, labels.labels, about, class_names)
    kept, boxes, faults = _checked_boxes(path, labels)
    areas = _usable_areas(labels)
    samples: dict[int, Sample] = {}
    for number in np.unique(np.concatenate(list(about.splits.values()))).tolist():
        span = slice(ends[number - 1] if number else 0, ends[number])
        truth = GroundTruth(
            boxes[span],
            numbers[span],
            labels.difficult[span],
            labels.crowd[span],
            labels.truncated[span],
            areas[span],
        )
        if not kept[span].all():
            truth = truth.select(kept[span])
        samples[number] = Sample(image_at(number), truth, labels.image_ids[number])
    splits = {
        name: Split(name, tuple(samples[number] for number in members.tolist()), names)
        for name, members in about.splits.items()
    }
    return Dataset(names, splits, data_format, (*problems, *faults), category_ids)


def _renumbered(
    path: Path, labels: NDArray[np.int32], about: About, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int32], tuple[int, ...] | None]:
    """The class names, the labels that go with them, and the category ids where all classes have one."""
    if class_names is None:
        return about.class_names, labels, about.category_ids
    names = checked_class_names(class_names)
    new_labels = np.full(len(about.class_names), -1, np.int32)
    for label in np.unique(labels).tolist():
        new_labels[label] = label_of(about.class_names[label], names, str(path))
    ids = dict(zip(about.class_names, about.category_ids or (), strict=about.category_ids is not None))
    category_ids = tuple(ids[name] for name in names) if ids.keys() >= set(names) else None
    return names, new_labels[labels], category_ids


def _checked_boxes(
    path: Path, labels: PackLabels
) -> tuple[NDArray[np.bool_], NDArray[np.float32], list[Problem]]:
    """Which boxes can be used (T,), all boxes (T, 4) with the faulty ones mended, and what was wrong."""
    boxes = labels.boxes_px
    images = np.repeat(np.arange(len(labels.objects)), labels.objects)
    sizes = None if labels.sizes is None else labels.sizes[images]
    suspects = np.flatnonzero(~_sound(boxes, sizes))
    kept = np.ones(len(boxes), bool)
    boxes = boxes.copy() if len(suspects) else boxes
    firsts = np.cumsum(labels.objects) - labels.objects
    problems: list[Problem] = []
    faults = 0
    for place in suspects.tolist():
        size = None if sizes is None else (int(sizes[place, 0]), int(sizes[place, 1]))
        box, fault = check_box(boxes[place].tolist(), size)
        kept[place] = box is not None
        if box is not None:
            boxes[place] = box
        faults += fault is not None
        if fault is not None and faults <= NAMED_PROBLEMS:
            image = int(images[place])
            where = f"image {image} ({labels.image_ids[image]})"
            problem = f"{where}: box {place - int(firsts[image]) + 1} {fault}"
            problems.append(Problem(str(path), problem, BOX_ADVICE))
    if faults > NAMED_PROBLEMS:
        more = counted(faults - NAMED_PROBLEMS, "more box", "more boxes")
        problem = f"has {more} to be left out or put right"
        problems.append(Problem(str(path), problem, BOX_ADVICE))
    return kept, boxes, problems


def _usable_areas(labels: PackLabels) -> NDArray[np.float64]:
    """All areas (T,), NaN where none is known or what stands there can be none."""
    if labels.areas is None:
        return np.full(len(labels.labels), np.nan)
    return np.where((labels.areas > 0) & np.isfinite(labels.areas), labels.areas, np.nan)


def _sound(boxes: NDArray[np.float32], sizes: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Which boxes (T, 4) have nothing wrong, as `check_box` would see it; (T,)."""
    with np.errstate(invalid="ignore"):
        sound = np.isfinite(boxes).all(axis=1) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        if sizes is not None:
            sound &= (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= sizes[:, ::-1]).all(axis=1)
    return np.asarray(sound)
