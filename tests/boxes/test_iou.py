import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops

from ssd_keras.boxes.iou import pairwise_intersection, pairwise_iou

pytestmark = pytest.mark.backends


def iou(a, b, border=0.0):
    return pairwise_iou(np.array([a], np.float32), np.array([b], np.float32), border).item()


whole_pixels = arrays.arrays(np.int32, (4, 4), elements=st.integers(0, 9)).map(
    lambda raw: np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:]], axis=1).astype(np.float32)
)
any_boxes = arrays.arrays(np.float32, (4, 4), elements=st.floats(-1, 2, width=32))


def pixels(box, border):
    x0, y0, x1, y1 = box.astype(int)
    return {(x, y) for x in range(x0, x1 + border) for y in range(y0, y1 + border)}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1),
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7),
        ([0, 0, 4, 4], [1, 1, 3, 3], 1 / 4),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0),
        ([0, 0, 2, 2], [5, 5, 6, 6], 0),
    ],
)
def test_iou(a, b, expected):
    assert iou(a, b) == pytest.approx(expected)


@pytest.mark.parametrize("box", [[1, 1, 1, 1], [1, 1, 1, 5], [5, 5, 1, 1]])
def test_boxes_without_area_have_no_overlap_even_with_themselves(box):
    assert iou(box, box) == 0
    assert iou(box, [0, 0, 9, 9]) == 0


def test_last_pixel_inside():
    assert iou([3, 3, 3, 3], [3, 3, 3, 3], border=1) == 1
    assert iou([0, 0, 9, 9], [10, 0, 19, 9], border=1) == 0
    assert iou([0, 0, 9, 9], [9, 0, 18, 9], border=1) == pytest.approx(10 / 190)


def test_shapes():
    a, b = np.zeros((2, 3, 4), np.float32), np.zeros((2, 5, 4), np.float32)
    assert pairwise_iou(a, b).shape == (2, 3, 5)
    assert pairwise_iou(a, b[0]).shape == (2, 3, 5)
    assert pairwise_iou(a[0, :0], b[0]).shape == (0, 5)
    assert pairwise_iou(a[0], b[0, :0]).shape == (3, 0)


@pytest.mark.parametrize("border", [0, 1])
@given(a=whole_pixels, b=whole_pixels)
def test_iou_counts_pixels(border, a, b):
    found = pairwise_iou(a, b, border)
    for i, j in np.ndindex(found.shape):
        one, other = pixels(a[i], border), pixels(b[j], border)
        expected = len(one & other) / max(1, len(one | other))
        assert found[i, j] == pytest.approx(expected, rel=1e-6)
        assert pairwise_intersection(a, b, border)[i, j] == len(one & other)


@given(any_boxes, any_boxes)
def test_symmetric_and_bounded(a, b):
    found = pairwise_iou(a, b)
    np.testing.assert_array_equal(found, pairwise_iou(b, a).T)
    assert (found >= 0).all()
    assert (found <= 1 + 1e-6).all()


@given(whole_pixels, whole_pixels, st.integers(-50, 50), st.integers(-50, 50))
def test_moving_both_changes_nothing(a, b, dx, dy):
    move = np.array([dx, dy, dx, dy], np.float32)
    np.testing.assert_array_equal(pairwise_iou(a + move, b + move), pairwise_iou(a, b))


@given(whole_pixels, whole_pixels, st.sampled_from([2**-12, 0.25, 8]))
def test_the_unit_changes_nothing(a, b, scale):
    unit = np.float32(scale)
    np.testing.assert_array_equal(pairwise_iou(a * unit, b * unit), pairwise_iou(a, b))


@pytest.mark.parametrize("border", [0.0, 1.0])
def test_arrays_and_tensors_give_the_same(border):
    random = np.random.default_rng(1)
    a = random.uniform(0, 10, (2, 6, 4)).astype(np.float32)
    b = random.uniform(0, 10, (2, 5, 4)).astype(np.float32)
    on_arrays = pairwise_iou(a, b, border)
    on_tensors = pairwise_iou(ops.convert_to_tensor(a), ops.convert_to_tensor(b), border)
    assert isinstance(on_arrays, np.ndarray)
    assert ops.is_tensor(on_tensors)
    assert (on_arrays > 0).any()
    np.testing.assert_allclose(ops.convert_to_numpy(on_tensors), on_arrays, rtol=1e-6)
