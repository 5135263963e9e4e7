"""What only all images of a data set together show: twins, and classes that are probably one."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ssd_keras.data.inspection.looking import key_of
from ssd_keras.data.samples import Dataset, Problem, Sample

RARE = 0.1
"""A class with at most this share of the boxes of another with nearly its name is probably misspelt."""

SIMILAR = 0.8
"""How alike two names are then, by difflib's measure, 0-1."""


def images_in_two_splits(dataset: Dataset, digests: Mapping[object, bytes | None]) -> list[Problem]:
    """Find images with the same bytes in splits that are not meant to share any: one problem per image.

    `digests` are those of the bytes of each image, by `key_of`.
    """
    places: dict[bytes, list[tuple[str, Sample]]] = defaultdict(list)
    for name, split in dataset.items():
        for sample in split:
            digest = digests[key_of(sample)]
            if digest is not None:
                places[digest].append((name, sample))
    shared = (next(_pairs_apart(found), None) for found in places.values())
    return [_seen_twice(*pair) for pair in shared if pair is not None]


_Place = tuple[str, Sample]
"""A sample and the name of its split."""


def _pairs_apart(places: Sequence[_Place]) -> Iterator[tuple[_Place, _Place]]:
    """Pairs from splits that should share no image, as train and val; trainval and train do."""
    for one, other in itertools.combinations(places, 2):
        if not may_share(one[0], other[0]):
            yield one, other


def may_share(split: str, other: str) -> bool:
    """Tell whether two splits may have images in common, as trainval and train; train and val may not."""
    shorter, longer = sorted((split, other), key=len)
    return longer.startswith(shorter) or longer.endswith(shorter) or "all" in (shorter, longer)


def _seen_twice(one: _Place, other: _Place) -> Problem:
    (split, sample), (other_split, other_sample) = one, other
    same = key_of(sample) == key_of(other_sample)
    problem = "is" if same else f"has the same bytes as {other_sample.name}, and they are"
    return Problem(
        sample.name,
        f"{problem} in the splits {split} and {other_split}",
        "take it out of one of them: scores on images seen in training flatter",
    )


def twins_in_a_split(dataset: Dataset, digests: Mapping[object, bytes | None]) -> list[Problem]:
    """Find images with the same bytes in one split: one problem for each but the first."""
    problems = []
    for split in dataset.values():
        first: dict[bytes, Sample] = {}
        for sample in split:
            digest = digests[key_of(sample)]
            twin = sample if digest is None else first.setdefault(digest, sample)
            if twin is not sample and key_of(twin) != key_of(sample):
                problem = f"has the same bytes as {twin.name}, also in the split {split.name}"
                problems.append(Problem(sample.name, problem, "take one of them out"))
    return list(dict.fromkeys(problems))


def misspelt_classes(boxes: Mapping[str, int]) -> dict[str, str]:
    """Find rare classes whose names are nearly those of frequent ones: the former by the latter.

    `boxes` are the numbers of boxes by class. Names that differ in capitals, blanks and punctuation only are
    the same, however many boxes there are; the one with fewer is the misspelt one.
    """
    found = {}
    by_boxes = sorted(boxes, key=lambda name: -boxes[name])
    for place, name in enumerate(by_boxes):
        likely = [
            other for other in by_boxes[:place] if other not in found and _is_misspelt(name, other, boxes)
        ]
        if likely:
            found[name] = max(likely, key=lambda other: _likeness(name, other))
    return found


def _is_misspelt(name: str, other: str, boxes: Mapping[str, int]) -> bool:
    if _plain(name) == _plain(other):
        return True
    if re.sub(r"\d", "", name) == re.sub(r"\d", "", other):  # "class 1" and "class 2"
        return False
    return boxes[name] <= RARE * boxes[other] and _likeness(name, other) >= SIMILAR


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _plain(name), _plain(other)).ratio()
