"""Data sets out of data sets: some classes, without marked objects, or several taken together."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.classes import checked_class_names, label_of
from ssd_keras.data.checks import counted
from ssd_keras.data.images import StoredImage
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split

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
    data set has its classes sorted, so are all of them. Numbers of classes are kept where all classes have
    one and no two data sets contradict. Image ids are kept: two images may share one. An image file that
    stands in the same split of two data sets with the same objects is taken once, and told.
    """
    if len(datasets) == 1:
        return datasets[0]
    names = tuple(dict.fromkeys(name for dataset in datasets for name in dataset.class_names))
    if all(list(dataset.class_names) == sorted(dataset.class_names) for dataset in datasets):
        names = tuple(sorted(names))
    splits, repeated = _joined_splits([relabelled(dataset, names) for dataset in datasets])
    problems = [problem for dataset in datasets for problem in dataset.problems]
    if repeated:
        others = counted(len(repeated) - 1, "more image")
        more = f" (and so do {others})" if len(repeated) > 1 else ""
        problem = f"stands in two of the data sets with the same objects{more} and is taken once"
        problems.append(Problem(repeated[0].name, problem, "name each data set once"))
    formats = dict.fromkeys(dataset.format for dataset in datasets)
    return Dataset(
        class_names=names,
        splits={name: Split(name, tuple(samples), names) for name, samples in splits.items()},
        format=", ".join(formats),
        problems=tuple(problems),
        category_ids=_joined_category_ids(datasets, names),
    )


def _joined_splits(datasets: Iterable[Dataset]) -> tuple[dict[str, list[Sample]], list[Sample]]:
    """The samples of each split, and those that a data set before had in the same split."""
    splits: dict[str, list[Sample]] = {}
    repeated: list[Sample] = []
    earlier: set[tuple[object, ...]] = set()
    for dataset in datasets:
        keys = {(name, id(sample)): _key(name, sample) for name, split in dataset.items() for sample in split}
        for name, split in dataset.items():
            twice = [sample for sample in split if keys[name, id(sample)] in earlier]
            repeated += twice
            known = {id(sample) for sample in twice}
            splits.setdefault(name, []).extend(sample for sample in split if id(sample) not in known)
        earlier |= set(keys.values())
    return splits, repeated


def _key(split: str, sample: Sample) -> tuple[object, ...]:
    """What two samples have in common that are the same image file, or image of a pack, and its objects."""
    truth = sample.ground_truth
    columns = truth.columns()
    del columns["areas"]  # not every format of the same labels has them
    match sample.image:
        case Path():
            place: object = os.path.normpath(sample.image.absolute())
        case StoredImage():
            place = sample.image.name
        case _:
            place = id(sample)  # bytes and pixels are nobody's copy
    return (split, place, *(value.tobytes() for value in columns.values()))


def _joined_category_ids(datasets: Iterable[Dataset], names: Sequence[str]) -> tuple[int, ...] | None:
    """The number of each class, if all have one, a different one, and the same in every data set."""
    stated = {pair for one in datasets for pair in zip(one.class_names, one.category_ids or (), strict=False)}
    ids = dict(stated)
    is_clear = len(stated) == len(ids) == len(set(ids.values()))
    return tuple(ids[name] for name in names) if is_clear and ids.keys() >= set(names) else None


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
