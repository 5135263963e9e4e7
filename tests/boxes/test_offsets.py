import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops

from ssd_keras.boxes.formats import cxcywh_to_xyxy
from ssd_keras.boxes.offsets import decode_offsets, encode_offsets

pytestmark = pytest.mark.backends

VARIANCES = (0.1, 0.1, 0.2, 0.2)

boxes = st.builds(
    lambda centres, sides: cxcywh_to_xyxy(np.concatenate([centres, sides], axis=1)),
    arrays.arrays(np.float32, (5, 2), elements=st.floats(0, 1, width=32)),
    arrays.arrays(np.float32, (5, 2), elements=st.floats(0.015625, 2, width=32)),
)


def test_a_box_has_no_offset_from_itself():
    box = np.array([[0.1, 0.2, 0.4, 0.8]], np.float32)
    np.testing.assert_allclose(encode_offsets(box, box, VARIANCES), [[0, 0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(decode_offsets(np.zeros((1, 4), np.float32), box, VARIANCES), box)


def test_each_offset_has_its_side_and_its_variance():
    anchor = np.array([[0, 0, 2, 4]], np.float32)
    box = cxcywh_to_xyxy(np.array([[1 + 2 * 0.3, 2 + 4 * 0.5, 2 * np.e, 4 * np.e**2]], np.float32))
    offsets = encode_offsets(box, anchor, (0.1, 0.2, 0.5, 4.0))
    np.testing.assert_allclose(offsets, [[3, 2.5, 2, 0.5]], rtol=1e-5)


def test_decoded_boxes_are_not_cut_off_at_the_edges():
    anchor = np.array([[0.8, 0.8, 1.0, 1.0]], np.float32)
    moved = decode_offsets(np.array([[10, 10, 0, 0]], np.float32), anchor, VARIANCES)
    np.testing.assert_allclose(moved, [[1.0, 1.0, 1.2, 1.2]], rtol=1e-6)


@given(boxes, boxes)
def test_decoding_undoes_encoding(some, anchors):
    offsets = encode_offsets(some, anchors, VARIANCES)
    assert offsets.dtype == np.float32
    np.testing.assert_allclose(decode_offsets(offsets, anchors, VARIANCES), some, atol=1e-5)


@given(boxes, boxes)
@settings(max_examples=20)
def test_decoding_undoes_encoding_in_tensors(some, anchors):
    some_tensor, anchors_tensor = ops.convert_to_tensor(some), ops.convert_to_tensor(anchors)
    offsets = encode_offsets(some_tensor, anchors_tensor, VARIANCES)
    again = ops.convert_to_numpy(decode_offsets(offsets, anchors_tensor, VARIANCES))
    np.testing.assert_allclose(again, some, atol=1e-5)


@given(arrays.arrays(np.float32, (5, 4), elements=st.floats(-10, 10, width=32)), boxes)
def test_encoding_undoes_decoding(offsets, anchors):
    again = encode_offsets(decode_offsets(offsets, anchors, VARIANCES), anchors, VARIANCES)
    np.testing.assert_allclose(again, offsets, atol=2e-2)


def test_arrays_and_tensors_give_the_same():
    random = np.random.default_rng(2)
    anchors = np.array([[0.1, 0.2, 0.3, 0.7]], np.float32)
    offsets = random.normal(0, 2, (2, 6, 4)).astype(np.float32)
    decoded = decode_offsets(offsets, anchors, VARIANCES)
    tensors = ops.convert_to_tensor(offsets), ops.convert_to_tensor(anchors)
    np.testing.assert_allclose(
        ops.convert_to_numpy(decode_offsets(*tensors, VARIANCES)), decoded, rtol=1e-5, atol=1e-6
    )
    encoded = encode_offsets(ops.convert_to_tensor(decoded), tensors[1], VARIANCES)
    np.testing.assert_allclose(ops.convert_to_numpy(encoded), offsets, rtol=1e-4, atol=1e-4)
