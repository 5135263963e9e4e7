"""A corrected data set: what cannot be used left out, what can be mended mended, and each change told."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ssd_keras.data.checks import check_box, counted
from ssd_keras.data.inspection.class_names import is_surely_misspelt, misspelt_classes
from ssd_keras.data.inspection.looking import Look, distinct_samples, key_of, look_at_all
from ssd_keras.data.inspection.renaming import with_new_names
from ssd_keras.data.inspection.split_roles import in_order_of_keeping, may_share
from ssd_keras.data.inspection.together import merged_objects, objects_of
from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split
from ssd_keras.errors import InputError


class Fixed(NamedTuple):
    """A corrected data set, and what was changed, a sentence each."""

    dataset: Dataset
    changes: tuple[str, ...]


def fix_dataset(dataset: Dataset, new_names: Mapping[str, str] | None = None) -> Fixed:
    """Correct what `inspect_dataset` finds; the data set given stays as it is.

    Images that do not decode, or are cut short, and second copies of an image are left out; an image in two
    splits stays in the one that is evaluated on, or in the last. Copies with other objects give them to the
    one that stays. Boxes are cut off at the edges of the image as decoded, left out where nothing remains or
    where they are there twice, and turned where they are for an image that its EXIF orientation turns.
    Classes that are surely misspelt are renamed. What the reader had to leave out or put right, and a stated
    size that is wrong, which is right in what is written, count as changes.

    Args:
        dataset: what a reader gave.
        new_names: of classes that are renamed beside those; two that get one name become one class.

    Raises:
        InputError: none of the images can be read.
    """
    changes = [f"{one.file}: {one.problem}" for one in dataset.problems]
    dataset = _with_right_names(dataset, changes, new_names or {})
    distinct = distinct_samples(dataset)
    looks = dict(zip(distinct, look_at_all(list(distinct.values())), strict=True))
    fixed: dict[object, Sample] = {}
    for key, sample in distinct.items():
        look = looks[key]
        if look.size is None:
            changes += [f"{sample.name}: {problem.problem}: left out" for problem in look.problems]
            continue
        changes += [f"{problem.file}: {problem.problem}: put right" for problem in look.mended]
        truth, faults = _fixed_truth(look.truth, look.size)
        changes += [f"{sample.name}: {fault}" for fault in faults]
        fixed[key] = dataclasses.replace(sample, ground_truth=truth, stated_size=None)
    if distinct and not fixed:
        raise InputError(
            "no image of the data set can be read: a corrected copy would hold none, replace them"
        )
    splits = _Copies(dataset.class_names, fixed, looks, changes).fixed_splits(dataset)
    names = dataset.class_names
    made = {name: Split(name, tuple(samples), names) for name, samples in splits.items()}
    return Fixed(dataclasses.replace(dataset, splits=made, problems=()), tuple(changes))


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


# --- Copies of an image ------------------------------------------------------------------------------------


class _Copies:
    """Images that are there more than once: which copy stays, with which objects.

    All copies get the objects of all of them, so that whichever stays loses none.

    Args:
        class_names: in the order of the labels.
        own: the samples with the objects they came with, by what tells images apart; all can be read.
        looks: what their images showed.
        changes: what is told is added here.
    """

    def __init__(
        self,
        class_names: tuple[str, ...],
        own: Mapping[object, Sample],
        looks: Mapping[object, Look],
        changes: list[str],
    ) -> None:
        self._class_names, self._own, self._changes = class_names, own, changes
        self._digests = {key: looks[key].digest for key in own}
        copies: dict[bytes | None, list[GroundTruth]] = defaultdict(list)
        for key, sample in own.items():
            copies[self._digests[key]].append(sample.ground_truth)
        self._merged = {digest: merged_objects(truths) for digest, truths in copies.items()}
        self._told: set[bytes | None] = set()

    def fixed_splits(self, dataset: Dataset) -> dict[str, list[Sample]]:
        """Give each split without unreadable images, twins, and images that another split keeps."""
        found = {split.name: self._without_twins(split) for split in dataset.values()}
        kept: dict[str, list[object]] = {}
        for name in in_order_of_keeping(found):
            kept[name] = self._not_kept_elsewhere(name, found[name], kept)
        stay = dict.fromkeys(key for name in found for key in kept[name])
        samples = {key: self._with_all_objects(key) for key in stay}
        return {name: [samples[key] for key in kept[name]] for name in found}

    def _without_twins(self, split: Split) -> list[object]:
        first: dict[bytes | None, object] = {}
        for sample in split:
            key = key_of(sample)
            if key in self._own and first.setdefault(self._digests[key], key) != key:
                twin = first[self._digests[key]]
                self._leave_out(key, twin, f"is in the split {split.name} once more: left out there")
        return list(first.values())

    def _not_kept_elsewhere(
        self, name: str, found: list[object], kept: Mapping[str, list[object]]
    ) -> list[object]:
        """Give the images of a split that no split keeps which should share none with it."""
        owners = {
            self._digests[key]: (other, key)
            for other, keys in list(kept.items())[::-1]  # the first is named where several do
            if not may_share(name, other)
            for key in keys
        }
        for key in found:
            if self._digests[key] in owners:
                other, owner = owners[self._digests[key]]
                self._leave_out(key, owner, f"is in the split {other} too: left out of {name}")
        return [key for key in found if self._digests[key] not in owners]

    def _leave_out(self, key: object, stays: object, change: str) -> None:
        """Tell that an image is left out, and what becomes of objects that are not those of the copy."""
        own, other = (objects_of(self._own[one].ground_truth) for one in (key, stays))
        merged = objects_of(self._merged[self._digests[key]])
        name = self._own[stays].name
        if moved := (own & merged) - other:
            change += f"; {name}, the same image, gets its {self._named(moved)}"
        if lost := (own | other) - merged:
            change += f"; {name}, the same image, has another box in place of {self._named(lost)}"
        self._changes.append(f"{self._own[key].name}: {change}")
        self._told.add(self._digests[key])

    def _with_all_objects(self, key: object) -> Sample:
        sample, merged = self._own[key], self._merged[self._digests[key]]
        if objects_of(sample.ground_truth) != objects_of(merged) and self._digests[key] not in self._told:
            count = counted(len(merged), "box", "boxes")
            self._changes.append(f"{sample.name}: gets the objects of its copies in other splits: {count}")
        return dataclasses.replace(sample, ground_truth=merged)

    def _named(self, objects: set[tuple[float, ...]]) -> str:
        return ", ".join(
            f"{self._class_names[int(label)]!r} ({', '.join(f'{corner:g}' for corner in corners)})"
            for label, *corners in sorted(objects)
        )


# --- Names of classes --------------------------------------------------------------------------------------


def _with_right_names(dataset: Dataset, changes: list[str], new_names: Mapping[str, str]) -> Dataset:
    """Rename classes as the user says, then those that are surely misspelt; each is told."""
    told = _with_told_names(dataset, changes, new_names)
    probable = misspelt_classes(_boxes_by_class(told))
    surely = {name: right for name, right in probable.items() if is_surely_misspelt(name, right)}
    return _with_told_names(told, changes, surely)


def _with_told_names(dataset: Dataset, changes: list[str], new_names: Mapping[str, str]) -> Dataset:
    if not new_names:
        return dataset
    boxes = _boxes_by_class(dataset)
    changes += [
        f"class {name!r}: renamed to {new!r} ({counted(boxes[name], 'box', 'boxes')})"
        for name, new in new_names.items()
    ]
    return with_new_names(dataset, new_names)


def _boxes_by_class(dataset: Dataset) -> dict[str, int]:
    boxes = dict.fromkeys(dataset.class_names, 0)
    for sample in distinct_samples(dataset).values():
        for label in sample.ground_truth.labels.tolist():
            boxes[dataset.class_names[label]] += 1
    return boxes
