"""How well anchors cover boxes, and better ones."""

import itertools

import numpy as np
import pytest

from ssd_keras.boxes import coverage
from ssd_keras.boxes.anchors import PaperAnchors, ScaledAnchors
from ssd_keras.boxes.coverage import changed_settings, measure_coverage, suggest_anchors
from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.boxes.size_ranges import coverage_by_size

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


@each_kind
@pytest.mark.parametrize("spread", [1.0, 1.02, 3.0])
def test_suggested_sizes_rise_and_cover_no_fewer_boxes(anchors, spread):
    rng = np.random.default_rng(1)
    sides = rng.uniform(0.07, 0.07 * spread, (200, 1)) * [0.5, 1]
    corners = rng.random((200, 2)) * (1 - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1)
    better = suggest_anchors(anchors, SIZE, FEATURES, boxes)
    sizes = np.array(better.scales if isinstance(better, ScaledAnchors) else better.min_sizes)
    assert (sizes[1:] >= 1.1 * sizes[:-1]).all()
    before, after = (measure_coverage(one, SIZE, FEATURES, boxes) for one in (anchors, better))
    share, overlap = after.gain_over(before)
    assert share >= 0
    assert share + overlap > 0.01 or (better is anchors and spread == 3)


def test_what_fits_a_sample_of_the_boxes_but_covers_fewer_of_all_is_not_suggested(monkeypatch):
    boxes = np.concatenate([boxes_of(10, 10, 600), boxes_of(50, 50, 600)])
    small_only = ScaledAnchors((0.08, 0.1, 0.12), (0.5, 1.0, 2.0))
    monkeypatch.setattr(coverage, "_candidates", lambda *arguments: iter([small_only]))
    monkeypatch.setattr(np.random, "default_rng", lambda seed: FirstOnes())
    assert suggest_anchors(SCALED, SIZE, FEATURES, boxes[:600]) is small_only
    assert suggest_anchors(SCALED, SIZE, FEATURES, boxes) is SCALED


class FirstOnes:
    """Random numbers that leave the order as it is."""

    def permutation(self, count):
        return np.arange(count)


class TestSizeRanges:
    def test_every_box_is_in_the_range_of_its_size(self):
        boxes = np.concatenate([boxes_of(25, 18), boxes_of(3, 4, 50), boxes_of(150, 80, 20)])
        measured = measure_coverage(SCALED, SIZE, FEATURES, boxes)
        ranges = coverage_by_size(measured, SIZE, boxes)
        assert sum(one.boxes for one in ranges) == len(boxes)
        assert sum(one.covered for one in ranges) == (measured.overlaps >= 0.5).sum()
        px = boxes * [SIZE[1], SIZE[0], SIZE[1], SIZE[0]]
        sides = np.sqrt((px[:, 2] - px[:, 0]) * (px[:, 3] - px[:, 1]))
        for one, following in itertools.pairwise(ranges):
            assert one.high_px == following.low_px
            assert one.high_px == pytest.approx(one.low_px * 2**0.5)
            assert one.boxes == ((sides >= one.low_px) & (sides < one.high_px)).sum()

    def test_the_layers_named_have_anchors_of_such_a_size(self):
        boxes = boxes_of(25, 18)
        ranges = coverage_by_size(measure_coverage(PAPER, SIZE, FEATURES, boxes), SIZE, boxes)
        assert {layer for one in ranges for layer in one.layers} == {0, 1}
        for one in ranges:
            assert (0 in one.layers) == (one.low_px <= 300**0.5 and one.high_px > 10)

    def test_without_boxes_there_is_none(self):
        assert coverage_by_size(measure_coverage(PAPER, SIZE, FEATURES, NOTHING), SIZE, NOTHING) == ()

    def test_a_box_smaller_than_a_pixel_is_in_the_first(self):
        boxes = np.array([[0.5, 0.5, 0.501, 0.501]])
        ranges = coverage_by_size(measure_coverage(PAPER, SIZE, FEATURES, boxes), SIZE, boxes)
        assert ranges[0].boxes == 1
