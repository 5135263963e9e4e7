import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from on_backend import compiled

from ssd_keras.boxes.matching import NEGATIVE, NEUTRAL, match_anchors, match_bipartite

pytestmark = pytest.mark.backends

# Four cells of 10 × 10 in a row, and a box over all.
ANCHORS = np.array(
    [[0, 0, 10, 10], [10, 0, 20, 10], [20, 0, 30, 10], [30, 0, 40, 10], [0, 0, 40, 10]], np.float32
)

in_training = compiled(match_anchors)
with_neutral_zone = compiled(
    lambda anchors, boxes, valid: match_anchors(anchors, boxes, valid, neutral_threshold=0.3)
)
bipartite = compiled(match_bipartite)


def match(boxes, valid=None, run=in_training):
    """Match the boxes of one image."""
    boxes = np.array([boxes], np.float32)
    valid = np.ones(boxes.shape[:2], bool) if valid is None else np.array([valid])
    return run(ANCHORS, boxes, valid)[0].tolist()


def padded(iou):
    """IoU (M, A) in a batch of one, padded to one shape so that it compiles once."""
    full = np.zeros((1, 6, 8), np.float32)
    full[0, : len(iou), : len(iou[0])] = iou
    return full


def test_exact_box_takes_its_anchor():
    assert match([[10, 0, 20, 10]]) == [NEGATIVE, 0, NEGATIVE, NEGATIVE, NEGATIVE]


def test_result_is_int32():
    found = in_training(ANCHORS, np.zeros((2, 1, 4), np.float32), np.ones((2, 1), bool))
    assert found.dtype == np.int32
    assert found.shape == (2, 5)


def test_a_box_below_the_threshold_still_gets_its_best_anchor():
    assert match([[22, 2, 24, 4]]) == [NEGATIVE, NEGATIVE, 0, NEGATIVE, NEGATIVE]


def test_threshold_is_inclusive_and_one_box_takes_many_anchors():
    # 20 × 10 over two cells: IoU exactly 0.5 with each of them and with the wide anchor.
    assert match([[0, 0, 20, 10]]) == [0, 0, NEGATIVE, NEGATIVE, 0]


def test_an_anchor_takes_the_box_that_it_overlaps_best():
    # Both reach the threshold at anchor 4; box 1 with more. Box 0 then has anchor 0.
    assert match([[0, 0, 20, 10], [0, 0, 36, 10]]) == [0, 0, NEGATIVE, NEGATIVE, 1]


def test_equal_overlaps_go_to_the_first_box_and_the_lowest_anchor():
    assert match([[5, 0, 15, 10]]) == [0, NEGATIVE, NEGATIVE, NEGATIVE, NEGATIVE]
    assert match([[0, 0, 10, 10], [0, 0, 10, 10]]) == [0, NEGATIVE, NEGATIVE, NEGATIVE, 1]


def test_a_box_without_area_matches_nothing():
    assert match([[15, 5, 15, 5]]) == [NEGATIVE] * 5
    assert match([[15, 0, 15, 10], [10, 0, 20, 10]]) == [NEGATIVE, 1, NEGATIVE, NEGATIVE, NEGATIVE]


def test_a_box_that_no_anchor_overlaps_overwrites_nothing():
    assert match([[30, 0, 40, 10], [90, 90, 99, 99]]) == [NEGATIVE, NEGATIVE, NEGATIVE, 0, NEGATIVE]


def test_padding_only():
    assert match([[0, 0, 10, 10]], valid=[False]) == [NEGATIVE] * 5
    assert match([[0, 0, 10, 10]] * 3, valid=[False] * 3) == [NEGATIVE] * 5


def test_more_boxes_than_anchors():
    boxes = [[1, 1, 9, 9]] * 7
    # Only two anchors overlap these boxes; five boxes get none.
    assert match(boxes) == [0, NEGATIVE, NEGATIVE, NEGATIVE, 1]


def test_neutral_zone():
    # 25 × 10: IoU 0.4 with cells 0 and 1, 5 / 30 with cell 2, 25 / 40 with the wide anchor.
    box = [[0, 0, 25, 10]]
    assert match(box) == [NEGATIVE, NEGATIVE, NEGATIVE, NEGATIVE, 0]
    assert match(box, run=with_neutral_zone) == [NEUTRAL, NEUTRAL, NEGATIVE, NEGATIVE, 0]
    assert match(box, valid=[False], run=with_neutral_zone) == [NEGATIVE] * 5


def test_a_box_may_take_an_anchor_of_the_neutral_zone():
    # Box 1 wants the wide anchor too, but box 0 overlaps it better: box 1 falls back to a cell at IoU 0.4.
    boxes = [[0, 0, 40, 10], [0, 0, 25, 10]]
    assert match(boxes, run=with_neutral_zone) == [1, NEUTRAL, NEGATIVE, NEGATIVE, 0]


@given(
    raw=arrays.arrays(np.int32, (3, 4), elements=st.integers(0, 20)),
    garbage=arrays.arrays(np.float32, (3, 4), elements=st.sampled_from([-1, 0, 0.5, 10, 1e9])),
    order=st.permutations(range(6)),
)
@settings(max_examples=30)
def test_padding_changes_nothing(raw, garbage, order):
    real = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:]], axis=1).astype(np.float32)
    expected = with_neutral_zone(ANCHORS, real[None], np.ones((1, 3), bool))[0]
    # The real boxes keep their order, with padding before, between and after them.
    places = np.sort(order[:3])
    boxes, valid = np.zeros((6, 4), np.float32), np.zeros(6, bool)
    boxes[order[3:]], boxes[places], valid[places] = garbage, real, True
    found = with_neutral_zone(ANCHORS, boxes[None], valid[None])[0]
    renumbered = np.where(found >= 0, np.searchsorted(places, found), found)
    np.testing.assert_array_equal(renumbered, expected)


@pytest.mark.parametrize(
    ("iou", "expected"),
    [
        ([[0, 0, 0.8, 0.1], [0, 0, 0, 0]], [2, -1]),
        ([[0, 0.6, 0], [0, 0.55, 0]], [1, -1]),
        ([[0, 0, 0]], [-1]),
        ([[0.5, 0.5, 0.5]], [0]),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1]),
        ([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], [0, 1, -1]),
        ([[0.6, 0.5, 0], [0.7, 0.6, 0.1], [0.8, 0.7, 0.2]], [-1, 1, 0]),
        ([[0.9, 0.8, 0, 0], [0.91, 0.85, 0.8, 0], [0, 0.86, 0.81, 0.3]], [-1, 0, 1]),
        ([[1e-6], [0]], [-1, -1]),
        ([[2e-6], [0]], [0, -1]),
    ],
)
def test_bipartite(iou, expected):
    found = bipartite(padded(iou))[0].tolist()
    assert found[: len(iou)] == expected
    assert found[len(iou) :] == [-1] * (6 - len(iou))


def test_bipartite_displaces_one_box_after_the_other():
    # Each box wants the anchor of the one before it, and the best pair comes last: all are displaced in turn.
    iou = np.zeros((6, 8))
    for box in range(6):
        iou[box, : box + 1] = 0.3 + 0.05 * box - 0.01 * np.arange(box + 1)
    found = bipartite(iou.astype(np.float32)[None])[0].tolist()
    assert found == [-1, -1, -1, 2, 1, 0]


@given(arrays.arrays(np.int32, (6, 8), elements=st.integers(0, 4)))
@settings(max_examples=50)
def test_bipartite_gives_no_anchor_twice_and_leaves_no_pair_over(quarters):
    iou = (quarters / 4).astype(np.float32)
    found = bipartite(iou[None])[0]
    taken = found[found >= 0]
    assert len(set(taken.tolist())) == len(taken)
    free = np.setdiff1d(np.arange(8), taken)
    assert (iou[found < 0][:, free] == 0).all()
    for box, anchor in enumerate(found):
        if anchor >= 0:
            assert iou[box, anchor] > 0
            assert iou[box, anchor] >= iou[box, free].max(initial=0)
