"""What is in a data set and what is wrong with it: the first thing to look at before training."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssd_keras.boxes.formats import box_area, px_to_relative
from ssd_keras.data.checks import BOX_ADVICE, check_box, image_size, is_cut_short
from ssd_keras.data.images import StoredImage, encoded_bytes, loaded, read_image
from ssd_keras.data.readers.voc import annotation_of, size_tag
from ssd_keras.data.samples import Dataset, Problem, Sample, Split
from ssd_keras.errors import InputError

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)

IMAGE_ADVICE = "replace the image, or take it out of the data set"


@dataclass(frozen=True)
class SplitCounts:
    """What one split holds: images, boxes, and the boxes of each class by its name."""

    images: int
    boxes: int
    classes: dict[str, int]


@dataclass(frozen=True)
class Inspection:
    """What `inspect_dataset` found. An image that stands in two splits counts once, except in `splits`.

    Attributes:
        format: name of the data set's format.
        images: how many there are.
        boxes: how many there are, difficult ones and crowds included.
        difficult: how many boxes are marked as difficult.
        crowd: how many boxes are marked as crowds.
        classes: the boxes of each class by its name, in the order of the labels.
        splits: the same by split.
        images_without_objects: how many there are.
        boxes_per_image: "min", "median" and "max"; empty without images.
        box_sizes: √(relative width · relative height) of the boxes, 0-1, by its quantiles "0%" to "100%", to
            be compared with the scales of the anchors; empty without boxes.
        image_sizes: how many images there are of each (height, width), most frequent first.
        problems: what the reader found wrong, then what the images showed.
    """

    format: str
    images: int
    boxes: int
    difficult: int
    crowd: int
    classes: dict[str, int]
    splits: dict[str, SplitCounts]
    images_without_objects: int
    boxes_per_image: dict[str, float]
    box_sizes: dict[str, float]
    image_sizes: dict[tuple[int, int], int]
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """Give it as the command line prints it; sizes of images are [height, width]."""
        return {
            "format": self.format,
            "images": self.images,
            "boxes": self.boxes,
            "difficult": self.difficult,
            "crowd": self.crowd,
            "classes": self.classes,
            "splits": {name: vars(counts) for name, counts in self.splits.items()},
            "images_without_objects": self.images_without_objects,
            "boxes_per_image": self.boxes_per_image,
            "box_sizes": {quantile: round(size, 4) for quantile, size in self.box_sizes.items()},
            "image_sizes": [{"size": list(size), "images": n} for size, n in self.image_sizes.items()],
            "problems": [vars(problem) for problem in self.problems],
        }


def inspect_dataset(dataset: Dataset, on_progress: Callable[[int, int], None] | None = None) -> Inspection:
    """Count what is in a data set, decode every image, and collect what is wrong.

    Beside the reader's own problems these are reported: images that do not decode or are cut short, boxes
    that do not fit into the image as decoded, wrong size tags (Pascal VOC), the same image in two splits.

    Args:
        dataset: what a reader gave.
        on_progress: called after each image with the number of images done and of all.
    """
    distinct = _distinct_samples(dataset)
    samples = list(distinct.values())
    looks = _look_at_all(samples, dataset.format, on_progress)
    classes = _boxes_by_class(samples, dataset.class_names)
    per_image = [len(sample.ground_truth) for sample in samples]
    digests = {key: look.digest for key, look in zip(distinct, looks, strict=True)}
    sizes = [look.size for look in looks]
    return Inspection(
        format=dataset.format,
        images=len(samples),
        boxes=sum(per_image),
        difficult=sum(int(sample.ground_truth.difficult.sum()) for sample in samples),
        crowd=sum(int(sample.ground_truth.crowd.sum()) for sample in samples),
        classes=classes,
        splits={name: _split_counts(split) for name, split in dataset.items()},
        images_without_objects=per_image.count(0),
        boxes_per_image=_min_median_max(per_image),
        box_sizes=_box_size_quantiles(samples, sizes),
        image_sizes=dict(Counter(size for size in sizes if size is not None).most_common()),
        problems=(
            *dataset.problems,
            *(problem for look in looks for problem in look.problems),
            *_images_in_two_splits(dataset, digests),
        ),
    )


# --- Each image --------------------------------------------------------------------------------------------


class _Look(NamedTuple):
    """What one image showed: (height, width) and a digest of its bytes, both None if it cannot be read."""

    size: tuple[int, int] | None
    digest: bytes | None
    problems: list[Problem]


def _key(sample: Sample) -> object:
    """What makes two samples the same image: its file or place in a pack, or else the sample itself."""
    return sample.image if isinstance(sample.image, Path | StoredImage) else id(sample)


def _distinct_samples(dataset: Dataset) -> dict[object, Sample]:
    samples: dict[object, Sample] = {}
    for split in dataset.values():
        for sample in split:
            samples.setdefault(_key(sample), sample)
    return samples


def _look_at_all(
    samples: Sequence[Sample], data_format: str, on_progress: Callable[[int, int], None] | None
) -> list[_Look]:
    looks = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for look in pool.map(lambda sample: _look_at(sample, data_format), samples):
            looks.append(look)
            if on_progress is not None:
                on_progress(len(looks), len(samples))
    return looks


def _look_at(sample: Sample, data_format: str) -> _Look:
    try:
        data, size = _decode(sample)
    except _UnusableImageError as unusable:
        return _Look(None, None, [Problem(sample.name, str(unusable), IMAGE_ADVICE)])
    problems = list(_boxes_that_do_not_fit(sample, size))
    if data_format == "voc" and isinstance(sample.image, Path):
        problems += _wrong_size_tag(sample.image, size)
    return _Look(size, hashlib.blake2b(data, digest_size=16).digest(), problems)


class _UnusableImageError(Exception):
    """What is wrong with an image, as the end of a sentence that starts with its name."""


def _decode(sample: Sample) -> tuple[bytes, tuple[int, int]]:
    """The bytes of an image and its (height, width), known to decode."""
    try:
        image = loaded(sample.image)
        if isinstance(image, np.ndarray):
            return image.tobytes(), (image.shape[0], image.shape[1])
        data = encoded_bytes(image)
    except InputError as error:
        raise _UnusableImageError("cannot be read") from error
    if is_cut_short(data):
        raise _UnusableImageError("is cut short: the end of the image is missing")
    try:
        read_image(data, reduction=8)
    except InputError as error:
        raise _UnusableImageError("does not decode as an image") from error
    size = image_size(data)
    assert size is not None, "it was just decoded"
    return data, size


def _boxes_that_do_not_fit(sample: Sample, size: tuple[int, int]) -> Iterator[Problem]:
    """Judge the boxes by the image as decoded; the reader had only its size tag or header, if that."""
    for number, box in enumerate(sample.ground_truth.boxes_px.tolist(), 1):
        if check_box(box, size)[1]:
            problem = f"box {number} does not fit into the image ({size[1]} × {size[0]})"
            yield Problem(sample.name, problem, BOX_ADVICE)


def _wrong_size_tag(image: Path, size: tuple[int, int]) -> list[Problem]:
    annotation = annotation_of(image)
    tag = size_tag(annotation)
    if tag is None or tag == size:
        return []
    problem = f"states a size of {tag[1]} × {tag[0]}, but the image is {size[1]} × {size[0]}"
    return [
        Problem(str(annotation), problem, "correct the size tag, and see whether the boxes fit the image")
    ]


# --- All images together -----------------------------------------------------------------------------------


def _images_in_two_splits(dataset: Dataset, digests: Mapping[object, bytes | None]) -> list[Problem]:
    """Find images with the same bytes in splits that are not meant to share any: one problem per image."""
    places: dict[bytes, list[tuple[str, Sample]]] = defaultdict(list)
    for name, split in dataset.items():
        for sample in split:
            digest = digests[_key(sample)]
            if digest is not None:
                places[digest].append((name, sample))
    shared = (next(_pairs_apart(found), None) for found in places.values())
    return [_seen_twice(*pair) for pair in shared if pair is not None]


_Place = tuple[str, Sample]
"""A sample and the name of its split."""


def _pairs_apart(places: Sequence[_Place]) -> Iterator[tuple[_Place, _Place]]:
    """Pairs from splits that should share no image, as train and val; trainval and train do."""
    for one, other in itertools.combinations(places, 2):
        shorter, longer = sorted((one[0], other[0]), key=len)
        if not (longer.startswith(shorter) or longer.endswith(shorter) or "all" in (shorter, longer)):
            yield one, other


def _seen_twice(one: _Place, other: _Place) -> Problem:
    (split, sample), (other_split, other_sample) = one, other
    same = _key(sample) == _key(other_sample)
    problem = "is" if same else f"has the same bytes as {other_sample.name}, and they are"
    return Problem(
        sample.name,
        f"{problem} in the splits {split} and {other_split}",
        "take it out of one of them: scores on images seen in training flatter",
    )


def _boxes_by_class(samples: Iterable[Sample], class_names: Sequence[str]) -> dict[str, int]:
    labels = [sample.ground_truth.labels for sample in samples]
    counts = np.bincount(np.concatenate([np.zeros(0, np.int64), *labels]), minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def _split_counts(split: Split) -> SplitCounts:
    classes = _boxes_by_class(split, split.class_names)
    return SplitCounts(len(split), sum(classes.values()), classes)


def _min_median_max(counts: Sequence[int]) -> dict[str, float]:
    if not counts:
        return {}
    return {"min": min(counts), "median": float(np.median(counts)), "max": max(counts)}


def _box_size_quantiles(
    samples: Iterable[Sample], sizes: Iterable[tuple[int, int] | None]
) -> dict[str, float]:
    areas = [
        box_area(px_to_relative(sample.ground_truth.boxes_px, size))
        for sample, size in zip(samples, sizes, strict=True)
        if size is not None
    ]
    lengths = np.sqrt(np.concatenate([np.zeros(0), *areas]))
    if not len(lengths):
        return {}
    values = np.quantile(lengths, QUANTILES).tolist()
    return {f"{quantile:.0%}": value for quantile, value in zip(QUANTILES, values, strict=True)}
