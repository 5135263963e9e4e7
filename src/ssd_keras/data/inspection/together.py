"""What only all images of a data set together show: the same image twice, and with which objects."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.data.inspection.looking import key_of
from ssd_keras.data.inspection.split_roles import may_share
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample

SAME_OBJECT = 0.5
"""IoU from which boxes of two copies of an image are around the same object."""

_Place = tuple[str, Sample]
"""A sample and the name of its split."""


def images_in_two_splits(dataset: Dataset, digests: Mapping[object, bytes | None]) -> list[Problem]:
    """Find images with the same bytes in splits that are not meant to share any: one problem per image.

    `digests` are those of the bytes of each image, by `key_of`.
    """
    places: dict[bytes, list[_Place]] = defaultdict(list)
    for name, split in dataset.items():
        for sample in split:
            digest = digests[key_of(sample)]
            if digest is not None:
                places[digest].append((name, sample))
    shared = (next(_pairs_apart(found), None) for found in places.values())
    return [_seen_twice(*pair) for pair in shared if pair is not None]


def _pairs_apart(places: Sequence[_Place]) -> Iterator[tuple[_Place, _Place]]:
    """Pairs from splits that should share no image, as train and val; trainval and train do."""
    for one, other in itertools.combinations(places, 2):
        if one[0] != other[0] and not may_share(one[0], other[0]):
            yield one, other


def _seen_twice(one: _Place, other: _Place) -> Problem:
    (split, sample), (other_split, other_sample) = one, other
    same = key_of(sample) == key_of(other_sample)
    problem = "is" if same else f"has the same bytes as {other_sample.name}, and they are"
    return Problem(
        sample.name,
        f"{problem} in the splits {split} and {other_split}{_other_boxes(sample, other_sample)}",
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
                problem += _other_boxes(sample, twin)
                problems.append(Problem(sample.name, problem, "take one of them out"))
    return list(dict.fromkeys(problems))


def _other_boxes(sample: Sample, twin: Sample) -> str:
    same = objects_of(sample.ground_truth) == objects_of(twin.ground_truth)
    return "" if same else f", with other boxes ({len(sample.ground_truth)} and {len(twin.ground_truth)})"


def objects_of(truth: GroundTruth) -> set[tuple[float, ...]]:
    """Give the objects as label, x0, y0, x1, y1 each, to be compared."""
    return {(label, *box) for label, box in zip(truth.labels.tolist(), truth.boxes_px.tolist(), strict=True)}


def merged_objects(truths: Sequence[GroundTruth]) -> GroundTruth:
    """Give the objects of copies of one image, each once: those of the copy with the most, then the others'.

    A box that overlaps another copy's with an IoU of at least 0.5 is around the same object, and left out.
    """
    merged = max(truths, key=len)
    for truth in truths:
        is_new = (pairwise_iou(truth.boxes_px, merged.boxes_px) < SAME_OBJECT).all(axis=1)
        merged = GroundTruth.together([merged, truth.select(is_new)])
    return merged
