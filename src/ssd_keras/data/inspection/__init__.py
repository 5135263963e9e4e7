"""What is in a data set and what is wrong with it: the first thing to look at before training."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area, relative_to_px
from ssd_keras.data.checks import counted
from ssd_keras.data.inspection.anchor_fit import AnchorFit, Network, fit_of_anchors, relative_boxes
from ssd_keras.data.inspection.class_names import is_surely_misspelt, misspelt_classes
from ssd_keras.data.inspection.looking import distinct_samples, look_at_all
from ssd_keras.data.inspection.together import images_in_two_splits, twins_in_a_split
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)

INPUT_SIZE = (300, 300)
"""(height, width) of the network's input for which tiny boxes are counted, unless another is given."""

TINY_PX = 4.0
"""A box whose shorter side is below this, in pixels of the network's input, is hardly seen."""


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
        input_size: (height, width) of the network's input for which tiny boxes were counted.
        tiny_boxes: the numbers, from 1, of the boxes with a side below 4 pixels there, by the image's name.
        rotated_images: how many images their EXIF orientation turns or mirrors when they are read.
        problems: what the reader found wrong, then what the images showed.
        anchor_fit: how the boxes fit the anchors of a network; None where none was given.
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
    input_size: tuple[int, int]
    tiny_boxes: dict[str, tuple[int, ...]]
    rotated_images: int
    problems: tuple[Problem, ...]
    anchor_fit: AnchorFit | None = None

    @property
    def tiny(self) -> int:
        """How many boxes have a side below 4 pixels in the network's input."""
        return sum(map(len, self.tiny_boxes.values()))

    @property
    def imbalance(self) -> float | None:
        """Boxes of the most frequent class over those of the rarest; None of one, or if one has none."""
        counts = self.classes.values()
        return max(counts) / min(counts) if len(counts) > 1 and min(counts) else None

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
            "input_size": list(self.input_size),
            "tiny_boxes": self.tiny,
            "tiny_boxes_in": {name: list(numbers) for name, numbers in self.tiny_boxes.items()},
            "rotated_images": self.rotated_images,
            "imbalance": self.imbalance,
            "problems": [vars(problem) for problem in self.problems],
            **({"anchors": self.anchor_fit.as_json()} if self.anchor_fit else {}),
        }


def inspect_dataset(
    dataset: Dataset,
    on_progress: Callable[[int, int], None] | None = None,
    input_size: tuple[int, int] = INPUT_SIZE,
    network: Network | None = None,
) -> Inspection:
    """Count what is in a data set, decode every image, and collect what is wrong.

    Beside the reader's own problems these are reported: images that do not decode or are cut short, boxes
    that do not fit into the image as decoded or are there twice, stated sizes that are wrong, the same image
    in two splits or twice in one, names of classes that are probably misspelt.

    Args:
        dataset: what a reader gave.
        on_progress: called after each image with the number of images done and of all.
        input_size: (height, width) of the network's input, for which tiny boxes are found.
        network: whose anchors the boxes are compared with; `input_size` is its own then.
    """
    input_size = network.image_size if network else input_size
    distinct = distinct_samples(dataset)
    samples = list(distinct.values())
    looks = look_at_all(samples, on_progress)
    classes = _boxes_by_class(samples, dataset.class_names)
    per_image = [len(sample.ground_truth) for sample in samples]
    digests = {key: look.digest for key, look in zip(distinct, looks, strict=True)}
    sizes = [look.size for look in looks]
    truths = [look.truth for look in looks]
    tiny = {
        sample.name: _tiny_boxes(look.truth, look.size, input_size)
        for sample, look in zip(samples, looks, strict=True)
        if look.size is not None
    }
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
        box_sizes=_box_size_quantiles(relative_boxes(truths, sizes, crowds=True)),
        image_sizes=dict(Counter(size for size in sizes if size is not None).most_common()),
        input_size=input_size,
        tiny_boxes={name: numbers for name, numbers in tiny.items() if numbers},
        rotated_images=sum(look.is_rotated for look in looks),
        problems=(
            *dataset.problems,
            *(problem for look in looks for problem in look.problems),
            *images_in_two_splits(dataset, digests),
            *twins_in_a_split(dataset, digests),
            *_misspelt(classes, samples),
        ),
        anchor_fit=fit_of_anchors(network, relative_boxes(truths, sizes)) if network else None,
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


def _box_size_quantiles(boxes: NDArray[np.float64]) -> dict[str, float]:
    if not len(boxes):
        return {}
    values = np.quantile(np.sqrt(box_area(boxes)), QUANTILES).tolist()
    return {f"{quantile:.0%}": value for quantile, value in zip(QUANTILES, values, strict=True)}


def _tiny_boxes(truth: GroundTruth, size: tuple[int, int], input_size: tuple[int, int]) -> tuple[int, ...]:
    boxes = relative_to_px(relative_boxes([truth], [size], crowds=True), input_size)
    return tuple((np.flatnonzero((boxes[:, 2:] - boxes[:, :2]).min(axis=1) < TINY_PX) + 1).tolist())


def _misspelt(classes: dict[str, int], samples: Sequence[Sample]) -> list[Problem]:
    problems = []
    for name, likely in misspelt_classes(classes).items():
        label = list(classes).index(name)
        place = next((f", first in {one.name}" for one in samples if label in one.ground_truth.labels), "")
        problem = (
            f"has {counted(classes[name], 'box', 'boxes')}{place}; {likely!r} has {classes[likely]}: "
            "probably the same class misspelt"
        )
        remedy = f"take both together with 'ssd inspect DATA --fix OUT{_rename_flag(name, likely)}'"
        problems.append(Problem(f"class {name!r}", problem, f"{remedy}, or leave it if it is another"))
    return problems


def _rename_flag(name: str, right: str) -> str:
    return "" if is_surely_misspelt(name, right) else f" --rename {shlex.quote(f'{name}={right}')}"
