"""A corrected data set: what cannot be used left out, what can be mended mended, and each change told."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ssd_keras.data.checks import check_box
from ssd_keras.data.inspection.looking import Look, distinct_samples, key_of, look_at_all
from ssd_keras.data.inspection.together import may_share, misspelt_classes
from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split

EVALUATED = ("test", "val")
"""An image in two splits stays in the first of these, so that scores stay comparable and become honest."""


class Fixed(NamedTuple):
    """A corrected data set, and what was changed, a sentence each."""

    dataset: Dataset
    changes: tuple[str, ...]


def fix_dataset(dataset: Dataset) -> Fixed:
    """Correct what `inspect_dataset` finds; the data set given stays as it is.

    Images that do not decode, or are cut short, and second copies of an image are left out; an image in two
    splits stays in the one that is evaluated on. Boxes are cut off at the edges of the image as decoded, and
    left out where nothing remains or where they are there twice. Classes that are probably misspelt are
    renamed. What the reader had to leave out or put right counts as a change; size tags are right in what is
    written.
    """
    distinct = distinct_samples(dataset)
    looks = dict(zip(distinct, look_at_all(list(distinct.values()), dataset.format, None), strict=True))
    changes = [f"{one.file}: {one.problem}" for one in dataset.problems]
    fixed: dict[object, Sample] = {}
    for key, sample in distinct.items():
        look = looks[key]
        if look.size is None:
            changes += [f"{sample.name}: {problem.problem}: left out" for problem in look.problems]
            continue
        truth, faults = _fixed_truth(sample.ground_truth, look.size)
        changes += [f"{sample.name}: {fault}" for fault in faults]
        fixed[key] = dataclasses.replace(sample, ground_truth=truth)
    splits = _fixed_splits(dataset, fixed, looks, changes)
    names = dataset.class_names
    result = dataclasses.replace(
        dataset,
        splits={name: Split(name, tuple(samples), names) for name, samples in splits.items()},
        problems=(),
    )
    return Fixed(_with_right_names(result, changes), tuple(changes))


def _fixed_truth(truth: GroundTruth, size: tuple[int, int]) -> tuple[GroundTruth, list[str]]:
    """Cut boxes off at the edges of the image, and leave out those without area and those there twice."""
    faults, kept, boxes = [], [], []
    seen: set[tuple[float, ...]] = set()
    for number, (label, corners) in enumerate(
        zip(truth.labels.tolist(), truth.boxes_px.tolist(), strict=True), 1
    ):
        box, fault = check_box(corners, size)
        if fault:
            faults.append(f"box {number} {fault}")
        if box is not None and (label, *box) in seen:
            faults.append(f"box {number} is there twice: left out")
            box = None
        kept.append(box is not None)
        if box is not None:
            seen.add((label, *box))
            boxes.append(box)
    mended = truth.select(np.array(kept, bool))
    return dataclasses.replace(mended, boxes_px=np.array(boxes, np.float32).reshape(-1, 4)), faults


Found = list[tuple[bytes | None, Sample]]
"""Samples of a split with the digests of their images."""


def _fixed_splits(
    dataset: Dataset,
    fixed: Mapping[object, Sample],
    looks: Mapping[object, Look],
    changes: list[str],
) -> dict[str, list[Sample]]:
    """Give each split without unreadable images, twins, and images that another split is evaluated on."""
    found: dict[str, Found] = {}
    for split in dataset.values():
        seen: set[bytes | None] = set()
        found[split.name] = []
        for sample in split:
            key, digest = key_of(sample), looks[key_of(sample)].digest
            if key in fixed and digest in seen:
                changes.append(f"{sample.name}: is in the split {split.name} once more: left out there")
            elif key in fixed:
                seen.add(digest)
                found[split.name].append((digest, fixed[key]))
    return {name: _not_evaluated_on(name, found, changes) for name in found}


def _not_evaluated_on(name: str, found: Mapping[str, Found], changes: list[str]) -> list[Sample]:
    """Give the samples of a split that no split has which is evaluated on and should share none with it."""
    before = itertools.takewhile(lambda other: other != name, EVALUATED)
    owners = {
        digest: other
        for other in before
        if other in found and not may_share(name, other)
        for digest, _ in found[other]
    }
    changes += [
        f"{sample.name}: is in the split {owners[digest]} too: left out of {name}"
        for digest, sample in found[name]
        if digest in owners
    ]
    return [sample for digest, sample in found[name] if digest not in owners]


def _with_right_names(dataset: Dataset, changes: list[str]) -> Dataset:
    """Rename classes that are probably misspelt."""
    boxes = dict.fromkeys(dataset.class_names, 0)
    for sample in distinct_samples(dataset).values():
        for label in sample.ground_truth.labels.tolist():
            boxes[dataset.class_names[label]] += 1
    wrong = misspelt_classes(boxes)
    if not wrong:
        return dataset
    changes += [
        f"class {name!r}: renamed to {right!r} ({boxes[name]} boxes)" for name, right in wrong.items()
    ]
    names = tuple(name for name in dataset.class_names if name not in wrong)
    labels = np.array([names.index(wrong.get(name, name)) for name in dataset.class_names], np.int32)
    ids = dict(zip(dataset.class_names, dataset.category_ids or (), strict=False))

    def renamed(sample: Sample) -> Sample:
        truth = sample.ground_truth
        return dataclasses.replace(
            sample, ground_truth=dataclasses.replace(truth, labels=labels[truth.labels])
        )

    once = {id(sample): renamed(sample) for split in dataset.values() for sample in split}
    return dataclasses.replace(
        dataset,
        class_names=names,
        category_ids=tuple(ids[name] for name in names) if ids else None,
        splits={
            split.name: Split(split.name, tuple(once[id(sample)] for sample in split), names)
            for split in dataset.values()
        },
    )
