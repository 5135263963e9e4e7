import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from on_backend import compiled
from parity.caffe import apply_nms

from ssd_keras.boxes.suppression import TILE, suppress

pytestmark = pytest.mark.backends

K = 24

run = compiled(lambda boxes, valid: suppress(boxes, valid, 0.45))
run_half = compiled(lambda boxes, valid: suppress(boxes, valid, 0.5))


def keeps(boxes, valid=None, run=run):
    boxes = np.array(boxes, np.float32)
    valid = np.ones(len(boxes), bool) if valid is None else np.array(valid)
    return run(boxes, valid).tolist()


def one_by_one(boxes, valid, threshold):
    """The same by going through the boxes one after the other."""
    indices = np.flatnonzero(valid)
    keep = np.zeros(len(boxes), bool)
    keep[indices[apply_nms(boxes[indices], threshold)]] = True
    return keep.tolist()


def test_one_box():
    assert keeps([[0, 0, 1, 1]]) == [True]
    assert keeps([[0, 0, 1, 1]], [False]) == [False]


def test_nothing_valid():
    assert keeps(np.zeros((K, 4)), [False] * K) == [False] * K


def test_all_equal_leaves_the_first():
    assert keeps([[1, 1, 5, 5]] * K) == [True] + [False] * (K - 1)


def test_all_apart_stay():
    assert keeps([[i, 0, i + 1, 1] for i in range(K)]) == [True] * K


def test_padding_suppresses_nothing():
    valid = [False, True] * (K // 2)
    assert keeps([[1, 1, 5, 5]] * K, valid) == [False, True] + [False] * (K - 2)


def test_boxes_without_area_suppress_nothing():
    assert keeps([[3, 3, 3, 3]] * K) == [True] * K


def test_overlap_exactly_at_the_threshold_stays():
    # 9 of 20: IoU 0.45. 10 of 20: IoU 0.5.
    boxes = [[0, 0, 14, 1], [5, 0, 20, 1]]
    assert keeps(boxes) == [True, True]
    assert keeps([[0, 0, 15, 1], [5, 0, 20, 1]]) == [True, False]
    assert keeps([[0, 0, 15, 1], [5, 0, 20, 1]], run=run_half) == [True, True]


def test_overlaps_reach_over_tiles():
    between = [[100 + i, 0, 101 + i, 1] for i in range(TILE)]
    assert keeps([[0, 0, 14, 1], *between, [5, 0, 20, 1]]) == [True] * (TILE + 2)
    assert keeps([[0, 0, 15, 1], *between, [5, 0, 20, 1]]) == [True] * (TILE + 1) + [False]


def test_a_suppressed_box_suppresses_nothing():
    boxes = [[0, 0, 10, 1], [3, 0, 13, 1], [6, 0, 16, 1]]
    assert keeps(boxes) == [True, False, True]


@pytest.mark.parametrize("length", [K, TILE, 2 * TILE + 1])
def test_a_chain_of_overlaps_as_long_as_there_are_boxes(length):
    # Each box overlaps only its neighbours, so that each decision depends on all before it.
    chain = [[3 * i, 0, 3 * i + 10, 1] for i in range(length)]
    assert keeps(chain) == [i % 2 == 0 for i in range(length)]


def test_leading_axes():
    random = np.random.default_rng(3)
    corners = random.integers(0, 12, (2, 3, K, 2))
    sides = random.integers(1, 12, (2, 3, K, 2))
    boxes = np.concatenate([corners, corners + sides], axis=-1).astype(np.float32)
    valid = random.random((2, 3, K)) < 0.8
    found = run(boxes, valid)
    assert found.shape == (2, 3, K)
    for image, label in np.ndindex(2, 3):
        expected = one_by_one(boxes[image, label], valid[image, label], 0.45)
        assert found[image, label].tolist() == expected


@given(
    raw=arrays.arrays(np.int32, (K, 4), elements=st.integers(0, 8)),
    valid=arrays.arrays(bool, K, elements=st.booleans()),
)
@settings(max_examples=60)
def test_equals_going_one_by_one(raw, valid):
    boxes = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:]], axis=1).astype(np.float32)
    assert keeps(boxes, valid) == one_by_one(boxes, valid, 0.45)
    assert keeps(boxes, valid, run_half) == one_by_one(boxes, valid, 0.5)


def test_many_overlapping_boxes():
    random = np.random.default_rng(4)
    count = 2 * TILE + 1
    centres, sides = random.uniform(0, 1, (count, 2)), random.uniform(0.1, 0.4, (count, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)
    valid = random.random(count) < 0.9
    expected = one_by_one(boxes, valid, 0.45)
    assert 20 < sum(expected) < count - 20
    assert keeps(boxes, valid) == expected
