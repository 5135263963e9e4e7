"""Matching against Caffe: golden numbers on the anchors of SSD300, and random cases."""

import numpy as np
import pytest
from on_backend import compiled
from parity.caffe import bipartite, jaccard_overlaps, match_bbox
from parity.golden import SSD300_VOC, VARIANCES

from ssd_keras.boxes.matching import NEUTRAL, match_anchors, match_bipartite
from ssd_keras.boxes.offsets import encode_offsets

pytestmark = pytest.mark.backends

SLOTS = 3

match = compiled(match_anchors)
match_with_neutral_zone = compiled(
    lambda anchors, boxes, valid: match_anchors(anchors, boxes, valid, neutral_threshold=0.3)
)
match_each = compiled(match_bipartite)


@pytest.fixture(scope="module")
def anchors():
    return SSD300_VOC.boxes()


def matches_of(anchors, boxes_px, run=match):
    """Match the boxes of one image of 300 × 300 pixels, padded."""
    boxes = np.zeros((1, SLOTS, 4), np.float32)
    boxes[0, : len(boxes_px)] = np.array(boxes_px) / 300
    return run(anchors, boxes, np.arange(SLOTS)[None] < len(boxes_px))[0]


@pytest.mark.parametrize(
    ("box_px", "best", "iou", "reaching", "neutral", "targets"),
    [
        ([75, 75, 225, 225], 8207, 0.799200, 10, 89, [0.447437, 0.447437, 0.560360, 0.560360]),
        ([10, 20, 40, 50], 620, 0.769912, 10, 34, [-1.0, -0.333333, 0, 0]),
        ([0, 0, 300, 300], 8729, 0.924000, 8, 20, [0, 0, 0.197608, 0.197608]),
    ],
)
def test_one_box(anchors, box_px, best, iou, reaching, neutral, targets):
    box = np.array(box_px, np.float32) / 300
    overlaps = jaccard_overlaps(box[None], anchors)[0]
    assert np.argmax(overlaps) == best
    assert overlaps[best] == pytest.approx(iou, abs=1e-6)

    matches = matches_of(anchors, [box_px], match_with_neutral_zone)
    assert matches[best] == 0
    # An IoU of 0.5 in exact arithmetic falls on one side or the other by rounding.
    clear = np.abs(overlaps - 0.5) > 1e-6
    np.testing.assert_array_equal((matches == 0)[clear], (overlaps >= 0.5)[clear])
    assert 0 <= reaching - (matches == 0)[clear].sum() <= (~clear).sum()
    assert ((matches == 0) | (matches == NEUTRAL)).sum() == reaching + neutral
    np.testing.assert_allclose(encode_offsets(box, anchors[best], VARIANCES), targets, atol=1e-5)


def test_a_box_too_small_for_the_threshold_takes_one_of_its_best_anchors(anchors):
    # Twelve anchors overlap this box equally but for rounding, which decides.
    box_px = [100, 100, 112, 112]
    matches = matches_of(anchors, [box_px], match_with_neutral_zone)
    box = np.array(box_px, np.float32) / 300
    overlaps = jaccard_overlaps(box[None], anchors)[0]
    tied = np.flatnonzero(overlaps > 0.16 - 1e-6)
    assert len(tied) == 12
    assert 2028 in tied
    assert overlaps.max() == pytest.approx(0.16, abs=1e-6)
    (chosen,) = np.flatnonzero(matches == 0)
    assert chosen in tied
    assert not (matches == NEUTRAL).any()
    np.testing.assert_allclose(
        encode_offsets(box, anchors[2028], VARIANCES), [-0.666667, -0.666667, -4.581454, -4.581454], atol=1e-5
    )


def test_two_boxes_that_prefer_the_same_anchor(anchors):
    boxes_px = [[75, 75, 225, 225], [80, 70, 230, 220]]
    overlaps = jaccard_overlaps(np.array(boxes_px, np.float32) / 300, anchors)
    assert np.argmax(overlaps, axis=1).tolist() == [8207, 8207]
    assert overlaps[1, 8614] == pytest.approx(0.766471, abs=1e-6)
    matches = matches_of(anchors, boxes_px)
    assert matches[8207] == 0
    assert matches[8614] == 1
    assert (matches >= 0).sum() == 13


def test_a_full_image_of_ssd300(anchors):
    random = np.random.default_rng(5)
    corners = random.uniform(0, 0.6, (3, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.05, 0.4, (3, 2))], axis=1).astype(np.float32)
    matches = match(anchors, boxes[None], np.ones((1, 3), bool))[0]
    near = np.unique(np.concatenate([np.flatnonzero(matches >= 0), np.arange(0, 8732, 10)]))
    overlaps = jaccard_overlaps(boxes, anchors[near])
    assert matches[near].tolist() == match_bbox(overlaps)
    assert (matches >= 0).sum() == (matches[near] >= 0).sum() > 3


def whole_pixel_boxes(random, shape, largest):
    corners = random.integers(0, 12, (*shape, 2))
    sides = random.integers(0, largest, (*shape, 2))
    return np.concatenate([corners, corners + sides], axis=-1).astype(np.float32)


@pytest.mark.parametrize("neutral", [None, 0.3])
def test_random_whole_pixel_boxes(neutral):
    # Whole pixels make equal overlaps frequent and the IoU exact; sides of 0 and repeated boxes occur too.
    random = np.random.default_rng(6)
    cases, slots, count = 150, 8, 24
    anchors = whole_pixel_boxes(random, (count,), 9)
    boxes = whole_pixel_boxes(random, (cases, slots), 9)
    boxes[::3, 4:] = boxes[::3, :4]
    valid = random.random((cases, slots)) < random.uniform(0.1, 1, (cases, 1))
    run = match if neutral is None else match_with_neutral_zone
    found = run(anchors, boxes, valid)
    for case in range(cases):
        overlaps = jaccard_overlaps(boxes[case], anchors) * valid[case, :, None]
        assert found[case].tolist() == match_bbox(overlaps, neutral=neutral), case
    assert (found >= 0).any(axis=1).sum() > cases // 2


@pytest.mark.parametrize(("slots", "count", "levels"), [(8, 24, 5), (8, 24, 1000), (12, 5, 3), (12, 12, 2)])
def test_random_overlaps(slots, count, levels):
    random = np.random.default_rng(slots * levels)
    overlaps = random.integers(0, levels, (150, slots, count)) / np.float32(levels)
    overlaps = overlaps.astype(np.float32)
    overlaps *= random.random(overlaps.shape) < random.uniform(0.1, 1, (150, 1, 1))
    found = match_each(overlaps)
    for case, iou in enumerate(overlaps):
        assert found[case].tolist() == bipartite(iou), case
