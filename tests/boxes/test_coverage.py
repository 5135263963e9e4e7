"""How well anchors cover boxes, and better ones."""

import numpy as np
import pytest

from ssd_keras.boxes.anchors import PaperAnchors, ScaledAnchors
from ssd_keras.boxes.coverage import changed_settings, measure_coverage, suggest_anchors
from ssd_keras.boxes.iou import pairwise_iou

SIZE = (100, 200)
FEATURES = [(10, 20), (5, 10)]
PAPER = PaperAnchors((10.0, 30.0), (30.0, 60.0), ((2.0,), (2.0, 3.0)))
SCALED = ScaledAnchors((0.1, 0.3, 0.6), (0.5, 1.0, 2.0))
NOTHING = np.zeros((0, 4))

each_kind = pytest.mark.parametrize("anchors", [PAPER, SCALED], ids=["paper", "scaled"])


def boxes_of(width, height, count=300):
    """Boxes of about this size in pixels, anywhere in the image, relative."""
    rng = np.random.default_rng(4)
    sides = rng.uniform(0.8, 1.25, (count, 2)) * [width, height] / [SIZE[1], SIZE[0]]
    corners = rng.random((count, 2)) * (1 - sides)
    return np.concatenate([corners, corners + sides], axis=1)


@each_kind
def test_anchors_cover_themselves(anchors):
    own = anchors.boxes(SIZE, FEATURES)
    coverage = measure_coverage(anchors, SIZE, FEATURES, own[::7])
    assert coverage.share == 1
    assert coverage.mean_overlap == pytest.approx(1, abs=1e-6)
    assert sum(layer.anchors for layer in coverage.layers) == len(own)
    assert [layer.feature_size for layer in coverage.layers] == FEATURES
    assert all(layer.covered == layer.boxes > 0 for layer in coverage.layers)


@each_kind
def test_the_overlaps_are_those_with_the_best_anchor(anchors):
    boxes = boxes_of(25, 18)
    coverage = measure_coverage(anchors, SIZE, FEATURES, boxes)
    expected = pairwise_iou(boxes, anchors.boxes(SIZE, FEATURES)).max(axis=1)
    np.testing.assert_allclose(coverage.overlaps, expected, rtol=1e-5)
    assert sum(layer.boxes for layer in coverage.layers) == len(boxes)
    assert sum(layer.covered for layer in coverage.layers) == (expected >= 0.5).sum()


@each_kind
def test_without_boxes_nothing_is_covered_and_nothing_suggested(anchors):
    coverage = measure_coverage(anchors, SIZE, FEATURES, NOTHING)
    assert (coverage.share, coverage.mean_overlap) == (0, 0)
    assert suggest_anchors(anchors, SIZE, FEATURES, NOTHING) is anchors


@each_kind
def test_anchors_that_fit_are_kept(anchors):
    assert suggest_anchors(anchors, SIZE, FEATURES, anchors.boxes(SIZE, FEATURES)[::5]) is anchors


@each_kind
@pytest.mark.parametrize("shape", [(6, 6), (60, 12), (8, 40)])
def test_what_is_suggested_covers_more(anchors, shape):
    boxes = boxes_of(*shape)
    better = suggest_anchors(anchors, SIZE, FEATURES, boxes)
    before, after = (measure_coverage(one, SIZE, FEATURES, boxes) for one in (anchors, better))
    assert after.share > before.share + 0.1
    assert sum(better.boxes_per_cell) <= sum(anchors.boxes_per_cell)
    assert changed_settings(anchors, better)


def test_boxes_of_one_size_and_a_single_box_are_no_trouble():
    for boxes in (np.array([[0.1, 0.1, 0.2, 0.2]]), np.tile([[0.1, 0.1, 0.2, 0.2]], (50, 1))):
        for anchors in (PAPER, SCALED):
            suggest_anchors(anchors, SIZE, FEATURES, boxes).boxes(SIZE, FEATURES)


def test_changes_are_named_by_their_fields():
    other = ScaledAnchors((0.2, 0.3, 0.6), (0.5, 1.0, 2.0))
    assert changed_settings(SCALED, other) == {"scales": (0.2, 0.3, 0.6)}
    assert changed_settings(SCALED, SCALED) == {}
