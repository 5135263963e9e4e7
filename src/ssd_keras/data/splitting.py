"""New splits of a data set: by fractions, or by lists of images."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ssd_keras.data.checks import counted
from ssd_keras.data.images import StoredImage, content_digest, image_content
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
        images = counted(len(groups), "different image")
        raise InputError(f"{images} cannot fill {len(fractions)} splits: add images, or ask for fewer splits")
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

    Where several images have that name, the path has to tell which is meant: the one whose own path ends with
    the most of it.

    Raises:
        InputError: a list cannot be read or is empty, or names an image that the data set does not have, or
            that may be one of several.
    """
    names = _NamedSamples(_all_samples(dataset))
    return _with_splits(dataset, {name: _listed(path, names) for name, path in lists.items()})


def remarks_on_lists(dataset: Dataset, divided: Dataset) -> list[str]:
    """Say what may not have been meant by lists: images that are in none of them, or in two."""
    uses = Counter(id(sample) for split in divided.values() for sample in split)
    samples = _all_samples(dataset)
    none = [sample.name for sample in samples if not uses[id(sample)]]
    several = [sample.name for sample in samples if uses[id(sample)] > 1]
    return [
        f"{len(names)} of {counted(len(samples), 'image')} {'is' if len(names) == 1 else 'are'} in {where}; "
        f"the first: {names[0]}"
        for names, where in ((none, "no list, and left out"), (several, "more than one list"))
        if names
    ]


class _NamedSamples:
    """Finds samples by what people call them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_id: dict[str, list[Sample]] = defaultdict(list)
        self._by_file: dict[str, list[Sample]] = defaultdict(list)
        self._by_stem: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            self._by_id[sample.image_id].append(sample)
            file = _file_of(sample)
            if file.name:
                self._by_file[file.name].append(sample)
                self._by_stem[file.stem].append(sample)

    def find(self, name: str) -> Sample:
        """Find a sample, or raise `LookupError`, which says why it is not found and what to do."""
        path = PurePosixPath(name.replace("\\", "/"))
        found = next(filter(None, self._called(name, path)), [])
        if not found:
            raise LookupError(f"there is no image {name!r} in the data set: correct or remove the line")
        common = [_common_end(path, sample) for sample in found]
        best = [sample for sample, parts in zip(found, common, strict=True) if parts == max(common)]
        if len(best) > 1:
            raise LookupError(
                f"{name!r} may be {len(best)} images, {best[0].name} and {best[1].name}: write its path"
            )
        return best[0]

    def _called(self, name: str, path: PurePosixPath) -> Iterator[list[Sample]]:
        """The samples of a name, the most probable first: COCO has numbers as ids and as file names."""
        yield self._by_id.get(name, [])
        yield self._by_file.get(path.name, [])
        for last in (path.name, path.stem):
            yield self._by_stem.get(last, [])
            yield self._by_id.get(last, [])


def _file_of(sample: Sample) -> Path:
    """The image's file, of an image in a pack the name that it had; no name where there is none."""
    match sample.image:
        case Path() as file:
            return file
        case StoredImage(file_name=name):
            return Path(name)
        case _:
            return Path()


def _common_end(path: PurePosixPath, sample: Sample) -> int:
    """How many parts at the end of a path the image's own path has, too; suffixes do not count."""
    ours = _file_of(sample)
    ends = [(one.stem, *reversed(one.parent.parts)) for one in (path, ours)]
    pairs = zip(*ends, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _listed(path: Path, names: _NamedSamples) -> list[Sample]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"list {path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"list {path} is no text: write one image a line") from error
    found: dict[int, Sample] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                sample = names.find(line.strip())
            except LookupError as error:
                raise InputError(f"{path}, line {number}: {error.args[0]}") from error
            found[id(sample)] = sample
    if not found:
        raise InputError(f"list {path} is empty: write one image a line")
    return list(found.values())


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
