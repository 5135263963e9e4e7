"""What is in a data set and what is wrong with it: the first thing to look at before training."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area, px_to_relative
from ssd_keras.data.checks import BOX_ADVICE, check_box, image_size, is_cut_short
from ssd_keras.data.images import encoded_bytes, read_image
from ssd_keras.data.readers.voc import annotation_of, size_tag
from ssd_keras.data.samples import Dataset, Problem, Sample
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


def inspect_dataset(
    dataset: Dataset, on_progress: Callable[[int, int], None] | None = None
) -> Inspection:
    """Count what is in a data set, decode every image, and collect what is wrong.

    Beside the reader's own problems these are reported: images that do not decode or are cut short, boxes that
    do not fit into the image as decoded, wrong size tags (Pascal VOC), and the same image in two splits.

    Args:
        dataset: what a reader gave.
        on_progress: called after each image with the number of images done and of all.
    """
    samples = _distinct_samples(dataset)
    looks = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for look in pool.map(lambda sample: _look_at(sample, dataset.format), samples.values()):
            looks.append(look)
            if on_progress is not None:
                on_progress(len(looks), len(samples))
    classes = _boxes_by_class(list(samples.values()), dataset.class_names)
    per_image = [len(sample.ground_truth) for sample in samples.values()]
    return Inspection(
        format=dataset.format,
        images=len(samples),
        boxes=sum(per_image),
        difficult=sum(int(sample.ground_truth.difficult.sum()) for sample in samples.values()),
        crowd=sum(int(sample.ground_truth.crowd.sum()) for sample in samples.values()),
        classes=classes,
        splits={name: _split_counts(split, dataset.class_names) for name, split in dataset.items()},
        images_without_objects=per_image.count(0),
        boxes_per_image=_min_median_max(per_image),
        box_sizes=_box_size_quantiles(list(samples.values()), looks),
        image_sizes=dict(Counter(look.size for look in looks if look.size is not None).most_common()),
        problems=(
            *dataset.problems,
            *itertools.chain.from_iterable(look.problems for look in looks),
            *_images_in_two_splits(dataset, dict(zip(samples, looks, strict=True))),
        ),
    )


# --- Each image --------------------------------------------------------------------------------------------


class _Look(NamedTuple):
    """What one image showed: (height, width) and a digest of its bytes, both None if it cannot be read."""

    size: tuple[int, int] | None
    digest: bytes | None
    problems: list[Problem]


def _key(sample: Sample) -> object:
    """What makes two samples the same image: its file, or else the very object."""
    return sample.image if isinstance(sample.image, Path) else id(sample.image)


def _distinct_samples(dataset: Dataset) -> dict[object, Sample]:
    samples: dict[object, Sample] = {}
    for split in dataset.values():
        for sample in split:
            samples.setdefault(_key(sample), sample)
    return samples


def _look_at(sample: Sample, data_format: str) -> _Look:
    try:
        if isinstance(sample.image, np.ndarray):
            data, size = sample.image.tobytes(), read_image(sample.image, name=sample.name).shape[:2]
        else:
            data = encoded_bytes(sample.image)
            size = _decoded_size(data, sample.name)
    except InputError as error:
        problem, _, advice = str(error).removeprefix(sample.name).strip().rpartition(": ")
        return _Look(None, None, [Problem(sample.name, problem, advice)])
    problems = []
    if not isinstance(sample.image, np.ndarray) and is_cut_short(data):
        problems.append(Problem(sample.name, "is cut short: its end is missing", IMAGE_ADVICE))
    problems += _boxes_that_do_not_fit(sample, size)
    if data_format == "voc" and isinstance(sample.image, Path):
        problems += _wrong_size_tag(sample.image, size)
    return _Look(size, hashlib.blake2b(data, digest_size=16).digest(), problems)
