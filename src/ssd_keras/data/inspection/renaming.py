"""Classes under other names; two that get one name become one class."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ssd_keras.classes import label_of
from ssd_keras.data.samples import Dataset, Sample, Split
from ssd_keras.errors import InputError


def parse_new_names(texts: Sequence[str], class_names: Sequence[str]) -> dict[str, str]:
    """Understand new names as they are written on the command line: "wrnech=wrench".

    Args:
        texts: one for each class that is renamed; the new name may be that of another class.
        class_names: all classes of the data set.

    Raises:
        InputError: a text is not like that, names an unknown class, or one twice.
    """
    new_names: dict[str, str] = {}
    for text in texts:
        ways = [place for place, letter in enumerate(text) if letter == "="]  # names may have some, too
        place = next((place for place in ways if text[:place] in class_names), ways[0] if ways else 0)
        name, new = text[:place], text[place + 1 :].strip()
        if not name or not new:
            raise InputError(f"--rename {text!r} is no two names: write it as old=new")
        label_of(name, class_names, f"--rename {text!r}")
        if name in new_names:
            raise InputError(f"--rename {text!r}: class {name!r} has a new name already: give each class one")
        new_names[name] = new
    return new_names


def with_new_names(dataset: Dataset, new_names: Mapping[str, str]) -> Dataset:
    """Rename classes; one that gets the name of another is taken together with it.

    The order of the classes stays. A class that is taken together with another has its place and number.
    """
    old_names = dataset.class_names
    right = [new_names.get(name, name) for name in old_names]
    stay = {name for name, new in zip(old_names, right, strict=True) if name == new}
    places: dict[str, int] = {}
    for place, (name, new) in enumerate(zip(old_names, right, strict=True)):
        if name == new or new not in stay:
            places.setdefault(new, place)
    names = tuple(places)
    labels = np.array([names.index(new) for new in right], np.int32)

    def renamed(sample: Sample) -> Sample:
        truth = sample.ground_truth
        return dataclasses.replace(
            sample, ground_truth=dataclasses.replace(truth, labels=labels[truth.labels])
        )

    once = {id(sample): renamed(sample) for split in dataset.values() for sample in split}
    ids = dataset.category_ids
    return dataclasses.replace(
        dataset,
        class_names=names,
        category_ids=tuple(ids[place] for place in places.values()) if ids else None,
        splits={
            split.name: Split(split.name, tuple(once[id(sample)] for sample in split), names)
            for split in dataset.values()
        },
    )
