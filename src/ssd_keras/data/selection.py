"""Data sets out of data sets: some classes, without marked objects, or several taken together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ssd_keras.classes import checked_class_names, label_of
from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split

ABSENT = -1
"""In place of a label: the class is not among those wanted."""


def only_classes(dataset: Dataset, class_names: Sequence[str]) -> Dataset:
    """Keep the objects of some classes, which are labelled in the order of `class_names`.

    Images whose objects are all gone stay, as images without objects.

    Raises:
        InputError: a class is not one of the data set's.
    """
    names = checked_class_names(class_names)
    for name in names:
        label_of(name, dataset.class_names, "classes to include")
    return relabelled(dataset, names)


def without_marked(dataset: Dataset, difficult: bool = False, truncated: bool = False) -> Dataset:
    """Leave out the objects that are marked as difficult, as truncated, or as either."""

    def unmarked(truth: GroundTruth) -> GroundTruth:
        return truth.select(~((truth.difficult & difficult) | (truth.truncated & truncated)))

    return _with_truths(dataset, unmarked) if difficult or truncated else dataset


def merge_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """Take data sets together, split by split: "train" of all of them becomes one "train".

    The classes are those of the first, then those that each of the others adds, by their names; where every
    data set has its classes sorted, so are all of them. Image ids are kept: two images may share one.
    """
    if len(datasets) == 1:
        return datasets[0]
    names = tuple(dict.fromkeys(name for dataset in datasets for name in dataset.class_names))
    if all(list(dataset.class_names) == sorted(dataset.class_names) for dataset in datasets):
        names = tuple(sorted(names))
    splits: dict[str, list[Sample]] = {}
    for dataset in (relabelled(dataset, names) for dataset in datasets):
        for split in dataset.values():
            splits.setdefault(split.name, []).extend(split)
    formats = dict.fromkeys(dataset.format for dataset in datasets)
    return Dataset(
        class_names=names,
        splits={name: Split(name, tuple(samples), names) for name, samples in splits.items()},
        format=", ".join(formats),
        problems=tuple(problem for dataset in datasets for problem in dataset.problems),
    )


def relabelled(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """Label the classes in the order of `names`, which may be none of the data set's; others are left out."""
    if names == dataset.class_names:
        return dataset
    labels = np.array([names.index(n) if n in names else ABSENT for n in dataset.class_names], np.int32)
    ids = dict(zip(dataset.class_names, dataset.category_ids or (), strict=False))
    changed = _with_truths(dataset, lambda truth: _with_labels(truth, labels))
    return dataclasses.replace(
        changed,
        class_names=names,
        splits={split.name: dataclasses.replace(split, class_names=names) for split in changed.values()},
        category_ids=tuple(ids[name] for name in names) if set(names) <= ids.keys() else None,
    )


def _with_labels(truth: GroundTruth, labels: NDArray[np.int32]) -> GroundTruth:
    changed = dataclasses.replace(truth, labels=labels[truth.labels])
    return changed.select(changed.labels != ABSENT)


def _with_truths(dataset: Dataset, change: Callable[[GroundTruth], GroundTruth]) -> Dataset:
    """Change every ground truth; a sample that stands in two splits stays one sample."""
    changed: dict[int, Sample] = {}

    def of(samples: Iterable[Sample]) -> tuple[Sample, ...]:
        for sample in samples:
            if id(sample) not in changed:
                changed[id(sample)] = dataclasses.replace(sample, ground_truth=change(sample.ground_truth))
        return tuple(changed[id(sample)] for sample in samples)

    splits = {name: dataclasses.replace(split, samples=of(split)) for name, split in dataset.items()}
    return dataclasses.replace(dataset, splits=splits)
