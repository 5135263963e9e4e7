"""Caffe's SSD layers, written down step by step in plain NumPy: slow, and easy to compare with the original.

They judge the compiled functions of the package and share no code with them.
"""

from typing import NamedTuple

import numpy as np


def jaccard_overlap(a: np.ndarray, b: np.ndarray) -> np.float32:
    """IoU of two boxes `xyxy`, in float32 (`JaccardOverlap`)."""
    a, b = a.astype(np.float32), b.astype(np.float32)
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return np.float32(0)
    intersection = width * height
    return intersection / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - intersection)


def jaccard_overlaps(boxes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """(M, A) float32 IoU of every box with every anchor."""
    return np.array([[jaccard_overlap(box, anchor) for anchor in anchors] for box in boxes], np.float32)


def bipartite(iou: np.ndarray) -> list[int]:
    """The anchor of each box, −1 for none: the first half of `MatchBBox`, on IoU (M, A)."""
    boxes, anchors = iou.shape
    anchor_of_box = [-1] * boxes
    free = list(range(anchors))
    while True:
        best, pair = 1e-6, None
        for anchor in free:
            for box in range(boxes):
                if anchor_of_box[box] < 0 and iou[box, anchor] > best:
                    best, pair = iou[box, anchor], (box, anchor)
        if pair is None:
            return anchor_of_box
        anchor_of_box[pair[0]] = pair[1]
        free.remove(pair[1])


def match_bbox(iou: np.ndarray, threshold: float = 0.5, neutral: float | None = None) -> list[int]:
    """The box of each anchor: `MatchBBox`, bipartite and PER_PREDICTION, on IoU (M, A).

    −1 is background. Caffe has no neutral zone; with `neutral`, an anchor left over that reaches it is −2.
    """
    matches = [-1] * iou.shape[1]
    for box, anchor in enumerate(bipartite(iou)):
        if anchor >= 0:
            matches[anchor] = box
    for anchor, box in enumerate(matches):
        if box < 0:
            best = int(np.argmax(iou[:, anchor]))
            if iou[best, anchor] >= np.float32(threshold):
                matches[anchor] = best
            elif neutral is not None and iou[best, anchor] >= np.float32(neutral):
                matches[anchor] = -2
    return matches


def apply_nms(boxes: np.ndarray, threshold: float) -> list[int]:
    """The boxes (K, 4), best first, that greedy suppression keeps (`ApplyNMSFast`)."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if all(jaccard_overlap(box, boxes[better]) <= np.float32(threshold) for better in kept):
            kept.append(index)
    return kept


class Found(NamedTuple):
    """One detection."""

    score: float
    label: int
    box: tuple[float, ...]


def detection_output(
    boxes: np.ndarray,
    scores: np.ndarray,
    min_score: float = 0.01,
    threshold: float = 0.45,
    top_k: int = 400,
    keep_top_k: int = 200,
) -> list[Found]:
    """The detections of one image, best first (`DetectionOutputLayer`).

    `boxes` (A, 4) are decoded, `scores` (A, C − 1) come without background.
    """
    found = []
    for label in range(scores.shape[1]):
        confident = np.flatnonzero(scores[:, label] > np.float32(min_score))
        order = confident[np.argsort(-scores[confident, label], kind="stable")][:top_k]
        for index in apply_nms(boxes[order], threshold):
            anchor = order[index]
            found.append(Found(float(scores[anchor, label]), label, tuple(map(float, boxes[anchor]))))
    return sorted(found, key=lambda one: -one.score)[:keep_top_k]


def softmax_cross_entropy(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """−log softmax(logits)[class] in float64: (A, C), (A,) -> (A,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=-1))
    return log_sum - np.take_along_axis(shifted, classes[:, None], axis=-1)[:, 0]


def smooth_l1(difference: np.ndarray) -> float:
    """The sum of smooth L1 over all entries, in float64."""
    return sum(0.5 * d * d if d < 1 else d - 0.5 for d in np.abs(difference).ravel().tolist())


def multibox_loss(
    classes: np.ndarray,
    target_offsets: np.ndarray,
    offsets: np.ndarray,
    logits: np.ndarray,
    ratio: float = 3.0,
) -> tuple[float, float]:
    """Confidence and location loss of a batch (`MultiBoxLossLayer`, MAX_NEGATIVE, VALID).

    `classes` (B, A): 0 background, −1 neither, else the index of the logit.
    """
    confidence, location, matched = 0.0, 0.0, 0
    for image in range(len(classes)):
        positive = np.flatnonzero(classes[image] > 0)
        negative = np.flatnonzero(classes[image] == 0)
        loss = softmax_cross_entropy(logits[image], np.maximum(classes[image], 0))
        hardest_first = negative[np.argsort(-loss[negative], kind="stable")]
        mined = hardest_first[: int(ratio * len(positive))]
        confidence += loss[positive].sum() + loss[mined].sum()
        location += smooth_l1((target_offsets[image] - offsets[image].astype(np.float64))[positive])
        matched += len(positive)
    return confidence / max(1, matched), location / max(1, matched)
