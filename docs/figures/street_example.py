"""The street scene that goes through all figures, and the anchors of SSD300 over it."""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import px_to_relative
from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.boxes.matching import match_anchors, match_bipartite
from ssd_keras.data.samples import GroundTruth
from ssd_keras.data.street_scenes import STREET_CLASSES, draw_street_scene
from ssd_keras.models.presets import SSD300_ANCHORS, VARIANCES

SEED = 92
"""A scene with a large truck, a cyclist, two lights, and a bicycle without rider, which is no object."""

SIDE = 300
"""Of the network's input: all numbers in the figures are pixels of it."""

LAYERS = {"conv4_3": 38, "fc7": 19, "conv6_2": 10, "conv7_2": 5, "conv8_2": 3, "conv9_2": 1}
"""Feature maps of SSD300 and their sides."""

FEATURE_SIZES = [(side, side) for side in LAYERS.values()]

ANCHORS = SSD300_ANCHORS["voc"]

__all__ = ["STREET_CLASSES", "VARIANCES"]


class Matching(NamedTuple):
    """Which anchors predict which object.

    Attributes:
        iou: (M, A) of each object with each anchor.
        best: (M,) the anchor that each object is given in the first step.
        matches: (A,) index of the object, or -1 for background.
    """

    iou: NDArray[np.float32]
    best: NDArray[np.int32]
    matches: NDArray[np.int32]


@cache
def scene(seed: int = SEED) -> tuple[NDArray[np.uint8], GroundTruth]:
    """Draw the scene as the network sees it: (300, 300, 3) RGB, and its objects."""
    return draw_street_scene(np.random.default_rng(seed), (SIDE, SIDE))


@cache
def sharp_picture() -> NDArray[np.uint8]:
    """Draw the same scene with four times as many pixels and without the camera's noise, to look at."""
    noisy, _ = draw_street_scene(np.random.default_rng(SEED), (2 * SIDE, 2 * SIDE))
    return cv2.bilateralFilter(cv2.medianBlur(noisy, 3), 9, 28, 5)  # type: ignore[return-value]


@cache
def anchor_boxes() -> NDArray[np.float32]:
    """Give the 8,732 anchors of SSD300: (A, 4) `xyxy`, relative."""
    return ANCHORS.boxes((SIDE, SIDE), FEATURE_SIZES)


@cache
def layer_of_anchor() -> NDArray[np.int64]:
    """Give the index of each anchor's predictor layer: (A,)."""
    counts = [len(boxes) for boxes in ANCHORS.per_layer((SIDE, SIDE), FEATURE_SIZES)]
    return np.repeat(np.arange(len(counts)), counts)


@cache
def matching() -> Matching:
    """Match the anchors with the objects of the scene."""
    _, truth = scene()
    boxes = px_to_relative(truth.boxes_px, (SIDE, SIDE))
    iou = pairwise_iou(boxes, anchor_boxes())
    valid = np.ones((1, len(boxes)), bool)
    matches = match_anchors(anchor_boxes(), boxes[None], valid)
    return Matching(iou, np.asarray(match_bipartite(iou[None]))[0], np.asarray(matches)[0])
