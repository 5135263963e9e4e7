import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops

from ssd_keras.boxes.formats import (
    box_area,
    clip_to_image,
    cxcywh_to_xyxy,
    px_to_relative,
    relative_to_px,
    xyxy_to_cxcywh,
)

pytestmark = pytest.mark.backends

BOX = np.array([[10, 20, 50, 100]], np.float32)

boxes = arrays.arrays(np.float32, (5, 4), elements=st.floats(-2, 2, width=32))


def test_corners_to_centre_and_size():
    assert xyxy_to_cxcywh(BOX).tolist() == [[30, 60, 40, 80]]
    assert cxcywh_to_xyxy(np.array([[30, 60, 40, 80]], np.float32)).tolist() == BOX.tolist()


def test_sizes_are_height_then_width():
    relative = px_to_relative(BOX, (200, 100))
    np.testing.assert_allclose(relative, [[0.1, 0.1, 0.5, 0.5]])
    np.testing.assert_allclose(relative_to_px(relative, (200, 100)), BOX)


def test_clipping_to_the_image():
    assert clip_to_image(np.array([-0.5, 0.25, 1.5, 1.0], np.float32)).tolist() == [0, 0.25, 1, 1]


@pytest.mark.parametrize(
    ("box", "border", "area"),
    [
        ([1, 2, 4, 6], 0, 12),
        ([1, 2, 4, 6], 1, 20),
        ([3, 3, 3, 3], 0, 0),
        ([3, 3, 3, 3], 1, 1),
        ([4, 2, 1, 6], 0, 0),
        ([4, 6, 1, 2], 0, 0),
    ],
)
def test_area(box, border, area):
    assert box_area(np.array(box, np.float32), border) == area


def test_no_boxes():
    empty = np.zeros((0, 4), np.float32)
    assert xyxy_to_cxcywh(empty).shape == cxcywh_to_xyxy(empty).shape == (0, 4)
    assert px_to_relative(empty, (10, 20)).shape == relative_to_px(empty, (10, 20)).shape == (0, 4)
    assert box_area(empty).shape == (0,)


def test_leading_axes_are_kept():
    many = np.broadcast_to(BOX, (2, 3, 1, 4))
    assert xyxy_to_cxcywh(many).shape == (2, 3, 1, 4)
    assert box_area(many).shape == (2, 3, 1)


@given(boxes)
def test_the_two_formats_undo_each_other(xyxy):
    np.testing.assert_allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(xyxy)), xyxy, atol=1e-6)


@given(boxes, st.integers(1, 5000), st.integers(1, 5000))
def test_pixels_and_relative_undo_each_other(relative, height, width):
    size = (height, width)
    np.testing.assert_allclose(px_to_relative(relative_to_px(relative, size), size), relative, rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        xyxy_to_cxcywh,
        cxcywh_to_xyxy,
        clip_to_image,
        box_area,
        lambda boxes: px_to_relative(boxes, (30, 40)),
        lambda boxes: relative_to_px(boxes, (30, 40)),
    ],
)
def test_arrays_and_tensors_give_the_same(function):
    some = np.random.default_rng(0).uniform(-1, 2, (7, 4)).astype(np.float32)
    on_arrays = function(some)
    on_tensors = function(ops.convert_to_tensor(some))
    assert isinstance(on_arrays, np.ndarray)
    assert ops.is_tensor(on_tensors)
    assert on_arrays.dtype == np.float32
    np.testing.assert_allclose(ops.convert_to_numpy(on_tensors), on_arrays, rtol=1e-6)
