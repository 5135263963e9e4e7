"""Whether an artefact finds what Keras finds.

Arithmetic in another order gives numbers that differ in the seventh digit. That moves boxes and scores by as
little, but where a choice is close it may fall the other way: a score at a limit, two boxes whose overlap is
just the threshold of the suppression; and what stays then may suppress others. So where the two do not find
the same, the artefact's detections are held against the rule of greedy suppression itself, with room for
rounding in each comparison: only a right result obeys it (see `boxes.suppression`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import clip_to_image
from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.boxes.offsets import decode_offsets
from ssd_keras.runtimes.metadata import ArtefactMetadata, DecodingSettings

Arrays = Mapping[str, NDArray[Any]]

TOLERANCE = 1e-3
"""Of relative boxes and of scores."""


@np.errstate(over="ignore", invalid="ignore")  # boxes of an untrained network may be endless
def largest_difference(expected: Arrays, found: Arrays, metadata: ArtefactMetadata) -> float:
    """Give the largest difference in relative boxes and in scores between what Keras and an artefact give.

    A detection without its like on the other side differs by its score, unless the rule leaves the choice.

    Args:
        expected: what Keras gives for a batch: "boxes", "scores" and "labels" of the detections, and
            "all_boxes" (B, A, 4) and "all_scores" (B, A, C − 1) of all anchors.
        found: what the artefact gives for the same images, as `ArtefactMetadata.gives` says.
        metadata: of the artefact.
    """
    if metadata.gives == "raw":
        anchors = np.array(metadata.anchors, np.float32)
        boxes = decode_offsets(found["offsets"], anchors, metadata.variances)
        scores = class_scores(found["logits"])
        differences = [
            _largest(_seen(boxes), _seen(expected["all_boxes"])),
            _largest(scores, expected["all_scores"]),
        ]
        return float(np.max(differences))
    everything = zip(expected["all_boxes"], expected["all_scores"], strict=True)
    images = zip(_images(expected), _images(found), everything, strict=True)
    return max((_detection_difference(*image, metadata.decoding) for image in images), default=0.0)


def class_scores(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the scores (B, A, C − 1) of the classes, without background, for logits (B, A, C)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray((powers / powers.sum(axis=-1, keepdims=True))[..., 1:])


@dataclass(frozen=True, eq=False)
class _Found:
    """The detections in one image, best first: boxes (K, 4) relative, scores (K,), labels (K,)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


def _images(decoded: Arrays) -> list[_Found]:
    arrays = zip(decoded["boxes"], decoded["scores"], decoded["labels"], strict=True)
    return [
        _Found(boxes[scores > 0], scores[scores > 0], labels[scores > 0]) for boxes, scores, labels in arrays
    ]


def _seen(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut boxes off at the edges of the image, as every detector does in the end."""
    return np.asarray(clip_to_image(boxes))


def _largest(first: NDArray[Any], second: NDArray[Any]) -> Any:
    return np.abs(first - second).max()  # NaN where there is one, unlike Python's maximum


def _detection_difference(
    expected: _Found,
    found: _Found,
    everything: tuple[NDArray[np.float32], NDArray[np.float32]],
    settings: DecodingSettings,
) -> float:
    """Compare one image."""
    differences = _pairwise_differences(expected, found)
    paired, largest = _pair(differences)
    alone = len(expected.scores) + len(found.scores) - 2 * paired
    if not alone or not _offences(found, *everything, settings):
        return largest
    # What is nearest says more than the whole score where a box or a score is off by a little.
    by_expected = np.minimum(differences.min(axis=1, initial=np.inf), expected.scores)
    by_found = np.minimum(differences.min(axis=0, initial=np.inf), found.scores)
    return float(np.max([*by_expected, *by_found]))


def _pairwise_differences(expected: _Found, found: _Found) -> NDArray[np.float32]:
    """(K, L): how much detections of one class differ; infinite for those of two classes."""
    differences = np.maximum(
        np.abs(_seen(expected.boxes)[:, None] - _seen(found.boxes)[None]).max(axis=-1),
        np.abs(expected.scores[:, None] - found.scores[None]),
    )
    return np.where(expected.labels[:, None] == found.labels[None], differences, np.inf)


def _pair(differences: NDArray[np.float32]) -> tuple[int, float]:
    """Count the pairs that are the same within the tolerance, and say how much they differ at most.

    Not by their places in the lists: equal scores may swap them.
    """
    left, paired, largest = differences.copy(), 0, 0.0
    for row in left if left.size else ():
        nearest = int(row.argmin())
        if row[nearest] <= TOLERANCE:
            paired, largest = paired + 1, max(largest, float(row[nearest]))
            left[:, nearest] = np.inf
    return paired, largest


def _offences(
    found: _Found,
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    settings: DecodingSettings,
) -> bool:
    """Tell whether detections break the rule of greedy suppression.

    `boxes` (A, 4) and `scores` (A, C − 1) are those of all anchors.
    """
    is_full = len(found.scores) == settings.max_detections
    room = float(found.scores.min()) if is_full else 0.0
    for label in range(scores.shape[1]):
        kept = found.labels == label
        of_class = scores[:, label]
        best = np.sort(of_class)[::-1]
        last_candidate = float(best[settings.candidates - 1]) if len(best) > settings.candidates else 0.0
        limit = max(settings.min_score, last_candidate)
        mine = _Found(found.boxes[kept], found.scores[kept], found.labels[kept])
        near = of_class >= limit - TOLERANCE
        if _invented(mine, boxes[near], of_class[near]) or _overlapping(mine, settings.iou_threshold):
            return True
        due = of_class > max(limit, room) + TOLERANCE
        if not _accounted_for(mine, boxes[due], of_class[due], settings.iou_threshold):
            return True
    return False


def _invented(kept: _Found, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> bool:
    """Tell whether a detection is that of no anchor."""
    if not len(kept.scores):
        return False
    same = np.abs(_seen(kept.boxes)[:, None] - _seen(boxes)[None]).max(axis=-1) <= TOLERANCE
    same &= np.abs(kept.scores[:, None] - scores[None]) <= TOLERANCE
    return not same.any(axis=1).all()


def _overlapping(kept: _Found, iou_threshold: float) -> bool:
    """Tell whether two detections overlap of which one should have suppressed the other."""
    overlaps = np.triu(pairwise_iou(kept.boxes, kept.boxes), k=1)
    return bool((overlaps > iou_threshold + TOLERANCE).any())


def _accounted_for(
    kept: _Found, boxes: NDArray[np.float32], scores: NDArray[np.float32], iou_threshold: float
) -> bool:
    """Tell whether every anchor is kept itself, or overlaps a detection that is at least as good."""
    suppresses = pairwise_iou(kept.boxes, boxes) >= iou_threshold - TOLERANCE
    suppresses &= kept.scores[:, None] >= scores[None] - TOLERANCE
    return bool(suppresses.any(axis=0).all())
