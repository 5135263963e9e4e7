"""New splits of a data set: by fractions, or by lists of images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ssd_keras.data.images import content_digest, image_content
from ssd_keras.data.samples import Dataset, Sample, Split
from ssd_keras.errors import InputError


def split_by_fractions(dataset: Dataset, fractions: Mapping[str, float], seed: int = 0) -> Dataset:
    """Shuffle all images of a data set and divide them anew.

    Images with the same bytes always come into the same split: a detector that has seen one of them in
    training would find its twin easy.

    Args:
        dataset: its own splits are dissolved.
        fractions: the share of the images for each split, by name; together 1.
        seed: another seed, another division.

    Raises:
        InputError: the fractions are not positive or do not add up to 1, there are fewer images than splits,
            or an image cannot be read.
    """
    if any(not fraction > 0 for fraction in fractions.values()):
        raise InputError(f"fractions {_shown(fractions)}: give each split a share above 0")
    if not math.isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise InputError(f"fractions {_shown(fractions)} add up to {sum(fractions.values()):g}: make it 1")
    groups = _groups_of_identical(_all_samples(dataset))
    if len(groups) < len(fractions):
        raise InputError(f"{len(groups)} different images cannot fill {len(fractions)} splits: add images")
    order = np.random.default_rng(seed).permutation(len(groups))
    ends = np.rint(np.cumsum(list(fractions.values())) * len(groups)).astype(int)
    ends = _each_at_least_one(ends.tolist(), len(groups))
    parts = np.split(order, ends[:-1])
    splits = {
        name: [sample for group in sorted(part.tolist()) for sample in groups[group]]
        for name, part in zip(fractions, parts, strict=True)
    }
    return _with_splits(dataset, splits)


def split_by_lists(dataset: Dataset, lists: Mapping[str, Path]) -> Dataset:
    """Divide a data set by text files with one image a line: its id, its file name or a path to it.

    Raises:
        InputError: a list cannot be read, or names an image that the data set does not have.
    """
    by_name: dict[str, Sample] = {}
    for sample in _all_samples(dataset):
        for name in _names_of(sample):
            by_name.setdefault(name, sample)
    return _with_splits(dataset, {name: _listed(path, by_name) for name, path in lists.items()})


def _listed(path: Path, by_name: Mapping[str, Sample]) -> list[Sample]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"list {path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"list {path} is no text: write one image a line") from error
    found: dict[int, Sample] = {}
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name:
            continue
        place = PurePosixPath(name.replace("\\", "/"))
        sample = next((by_name[key] for key in (name, place.name, place.stem) if key in by_name), None)
        if sample is None:
            raise InputError(f"{path}, line {number}: there is no image {name!r} in the data set")
        found[id(sample)] = sample
    return list(found.values())


def _names_of(sample: Sample) -> list[str]:
    files = [sample.image.name, sample.image.stem] if isinstance(sample.image, Path) else []
    return [sample.image_id, *files]


def _all_samples(dataset: Dataset) -> list[Sample]:
    """Each sample once, in the order of the splits."""
    return list({id(sample): sample for split in dataset.values() for sample in split}.values())


def _groups_of_identical(samples: Sequence[Sample]) -> list[list[Sample]]:
    groups: dict[bytes, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(content_digest(image_content(sample.image)), []).append(sample)
    return list(groups.values())


def _each_at_least_one(ends: Sequence[int], groups: int) -> list[int]:
    """Move the ends of the splits so that none is empty; there are at least as many groups as splits."""
    moved: list[int] = []
    for index, end in enumerate(ends):
        least = moved[-1] + 1 if moved else 1
        most = groups - (len(ends) - 1 - index)
        moved.append(min(max(end, least), most))
    return moved


def _with_splits(dataset: Dataset, splits: Mapping[str, Sequence[Sample]]) -> Dataset:
    names = dataset.class_names
    return dataclasses.replace(
        dataset, splits={name: Split(name, tuple(samples), names) for name, samples in splits.items()}
    )


def _shown(fractions: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={fraction:g}" for name, fraction in fractions.items())
