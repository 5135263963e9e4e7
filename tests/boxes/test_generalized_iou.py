"""GIoU, DIoU and CIoU: values by hand and in float64, gradients by finite differences, never NaN."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops
from on_backend import compiled, gradients
from overlap_judge import judged, weight_of_proportions

from ssd_keras.boxes.formats import cxcywh_to_xyxy
from ssd_keras.boxes.generalized_iou import FARTHEST, bounded_offsets, ciou, diou, giou, iou
from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.boxes.offsets import decode_offsets

pytestmark = pytest.mark.backends

VARIANCES = (0.1, 0.1, 0.2, 0.2)
MEASURES = {"iou": iou, "giou": giou, "diou": diou, "ciou": ciou}
every_measure = pytest.mark.parametrize("name", MEASURES)
run = {name: compiled(measure) for name, measure in MEASURES.items()}

UNIT = (0.0, 0.0, 2.0, 2.0)


def pairs_at_random(seed, count=40):
    """Boxes of all proportions; about half of the pairs overlap."""
    random = np.random.default_rng(seed)
    boxes = np.concatenate(
        [random.uniform(0.2, 0.8, (2, count, 2)), random.uniform(0.05, 0.7, (2, count, 2))], -1
    )
    return cxcywh_to_xyxy(boxes.astype(np.float32))


sane_boxes = st.builds(
    lambda centres, sides: cxcywh_to_xyxy(np.concatenate([centres, sides], axis=1)),
    arrays.arrays(np.float32, (5, 2), elements=st.floats(0, 1, width=32)),
    arrays.arrays(np.float32, (5, 2), elements=st.floats(0.015625, 1, width=32)),
)
any_boxes = arrays.arrays(np.float32, (5, 4), elements=st.floats(-2, 3, width=32))


@every_measure
def test_no_boxes(name):
    assert MEASURES[name](ops.zeros((0, 4)), ops.zeros((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("b", "expected"),
    [
        (UNIT, {"iou": 1, "giou": 1, "diou": 1, "ciou": 1}),
        # A quarter of the other, in its middle: nothing around both but the other.
        ((0.5, 0.5, 1.5, 1.5), {"iou": 1 / 4, "giou": 1 / 4, "diou": 1 / 4, "ciou": 1 / 4}),
        ((1, 1, 3, 3), {"iou": 1 / 7, "giou": 1 / 7 - 2 / 9, "diou": 1 / 7 - 2 / 18, "ciou": 1 / 7 - 2 / 18}),
        # They touch; then a box's width of nothing between them.
        ((2, 0, 4, 2), {"iou": 0, "giou": 0, "diou": -4 / 20, "ciou": -4 / 20}),
        ((4, 0, 6, 2), {"iou": 0, "giou": -1 / 3, "diou": -16 / 40, "ciou": -16 / 40}),
    ],
)
def test_values(b, expected):
    found = {name: float(run[name](np.float32([UNIT]), np.float32([b]))[0]) for name in MEASURES}
    assert found == pytest.approx(expected, abs=1e-6)


def test_proportions():
    # A square and a box of the same centre, half as wide: v = 4/π² (π/4 − arctan ½)².
    v = 4 / math.pi**2 * (math.pi / 4 - math.atan(0.5)) ** 2
    found = run["ciou"](np.float32([UNIT]), np.float32([(0.5, 0, 1.5, 2)]))
    assert float(found[0]) == pytest.approx(0.5 - v * v / (0.5 + v), rel=1e-5)


@every_measure
def test_equal_to_the_formulas_in_double_precision(name):
    for seed in range(3):
        a, b = pairs_at_random(seed)
        expected = [judged(name, *pair) for pair in zip(a.astype(float), b.astype(float), strict=True)]
        np.testing.assert_allclose(run[name](a, b), expected, atol=2e-6)


def test_iou_is_that_of_the_pairs():
    a, b = pairs_at_random(5)
    np.testing.assert_allclose(run["iou"](a, b), np.diagonal(pairwise_iou(a, b)), rtol=1e-6)


@every_measure
def test_gradients_equal_finite_differences(name):
    a, b = pairs_at_random(6)
    weights = np.random.default_rng(7).normal(size=len(a)).astype(np.float32)
    found, of_other = gradients(
        lambda x, y: ops.sum(MEASURES[name](x, y) * ops.convert_to_tensor(weights)), [a, b]
    )
    for index, weight in enumerate(weights):
        one, other = a[index].astype(float), b[index].astype(float)
        alpha = weight_of_proportions(one, other)  # a constant to the gradient
        for corner in range(4):
            step = 1e-6 * np.eye(4)[corner]
            by_one = judged(name, one + step, other, alpha) - judged(name, one - step, other, alpha)
            by_other = judged(name, one, other + step, alpha) - judged(name, one, other - step, alpha)
            assert found[index, corner] == pytest.approx(weight * by_one / 2e-6, rel=1e-3, abs=1e-4)
            assert of_other[index, corner] == pytest.approx(weight * by_other / 2e-6, rel=1e-3, abs=1e-4)


@given(any_boxes, any_boxes)
@settings(max_examples=40)
def test_finite_and_bounded_for_any_boxes(a, b):
    assert ((run["iou"](a, b) >= 0) & (run["iou"](a, b) <= 1 + 1e-5)).all()
    for name, least in (("giou", -2), ("diou", -np.inf), ("ciou", -np.inf)):
        found = run[name](a, b)
        assert np.isfinite(found).all()
        assert ((found >= least - 1e-5) & (found <= 1 + 1e-5)).all()


@given(sane_boxes, sane_boxes)
@settings(max_examples=40)
def test_order_and_symmetry(a, b):
    found = {name: measure(a, b) for name, measure in run.items()}
    assert (found["giou"] <= found["iou"] + 1e-5).all()
    assert (found["diou"] <= found["iou"] + 1e-5).all()
    assert (found["ciou"] <= found["diou"] + 1e-5).all()
    assert (found["giou"] >= -1 - 1e-5).all()
    assert (found["diou"] >= -1 - 1e-5).all()
    for name, measure in run.items():
        np.testing.assert_allclose(measure(b, a), found[name], atol=1e-5)
        np.testing.assert_allclose(measure(a, a), 1, atol=1e-4)


@given(sane_boxes, sane_boxes, st.sampled_from([0.25, 8]), st.sampled_from([0.5, 4]))
@settings(max_examples=30)
def test_the_unit_changes_nothing(a, b, wide, high):
    unit = np.float32([wide, wide, wide, wide])
    for name, measure in run.items():
        np.testing.assert_allclose(measure(a * unit, b * unit), measure(a, b), atol=1e-5, err_msg=name)
    of_each_axis = np.float32([wide, high, wide, high])
    np.testing.assert_allclose(run["giou"](a * of_each_axis, b * of_each_axis), run["giou"](a, b), atol=1e-5)


@given(sane_boxes, sane_boxes, st.sampled_from([-4, 0.5, 3]))
@settings(max_examples=30)
def test_moving_both_changes_nothing(a, b, distance):
    for name, measure in run.items():
        moved = measure(a + np.float32(distance), b + np.float32(distance))
        np.testing.assert_allclose(moved, measure(a, b), atol=2e-4, err_msg=name)


@every_measure
def test_gradients_are_finite_where_boxes_have_no_area_or_no_overlap(name):
    peculiar = np.float32(
        [
            *([0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5], [0.2, 0.1, 0.2, 0.9], [0.1, 0.2, 0.9, 0.2]),
            *([0.9, 0.9, 0.1, 0.1], [0.2, 0.2, 0.4, 0.4], [0.4, 0.4, 0.6, 0.6], [0, 0, 1e-10, 1e-10]),
            *([5, 5, 6, 6], [-60, -60, 60, 60], [0.2, 0.2, 0.2000001, 0.9]),
        ]
    )
    a, b = (side.reshape(-1, 4) for side in np.broadcast_arrays(peculiar[:, None], peculiar[None]))
    assert np.isfinite(run[name](a, b)).all()
    for gradient in gradients(lambda x, y: ops.sum(MEASURES[name](x, y)), [a.copy(), b.copy()]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["giou", "diou", "ciou"])
def test_disjoint_boxes_are_drawn_to_each_other(name):
    a, b = np.float32([[0.1, 0.1, 0.2, 0.2]]), np.float32([[0.6, 0.7, 0.8, 0.8]])
    (gradient,) = gradients(lambda x: ops.sum(MEASURES[name](x, ops.convert_to_tensor(b))), [a])
    assert run[name](a + 1e-3 * gradient, b)[0] > run[name](a, b)[0]
    centre = gradient[0, :2] + gradient[0, 2:]
    assert (centre > 0).all()


# Offsets of any size


def test_usual_offsets_stay_as_they_are():
    offsets = np.random.default_rng(0).normal(0, 5, (2, 7, 4)).astype(np.float32)
    found = compiled(lambda raw: bounded_offsets(raw, VARIANCES))(offsets)
    np.testing.assert_array_equal(found, offsets)


@pytest.mark.parametrize("size", [30.0, 1e4, 1e30])
def test_wild_offsets_are_drawn_back_and_keep_their_direction(size):
    offsets = size * np.float32([[1, -1, 1, 1], [-1, 1, -1, -1]])
    anchor = np.float32([0.4, 0.4, 0.6, 0.5])
    decode = compiled(
        lambda raw: decode_offsets(bounded_offsets(raw, VARIANCES), ops.array(anchor), VARIANCES)
    )
    boxes = decode(offsets)
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides[0] / [0.2, 0.1], FARTHEST, rtol=1e-4)
    np.testing.assert_allclose(sides[1] * FARTHEST, [0.2, 0.1], rtol=1e-2)
    moved = (boxes[:, :2] + boxes[:, 2:]) / 2 - (0.5, 0.45)
    np.testing.assert_array_equal(np.sign(moved), np.sign(offsets[:, :2]))
    assert (np.abs(moved) <= FARTHEST * np.float32([0.2, 0.1]) * 1.001).all()


@pytest.mark.parametrize("name", ["giou", "diou", "ciou"])
@pytest.mark.parametrize("size", [30.0, 1e4, 1e30])
def test_wild_offsets_have_finite_gradients_that_lead_back(name, size):
    anchor, truth = ops.array([0.4, 0.4, 0.6, 0.5]), ops.array([0.45, 0.42, 0.6, 0.5])

    def loss(raw):
        boxes = decode_offsets(bounded_offsets(raw, VARIANCES), anchor, VARIANCES)
        return ops.sum(1 - MEASURES[name](boxes, truth))

    offsets = size * np.float32([[1, 1, 0, 0], [0, 0, 1, 1]])
    (gradient,) = gradients(loss, [offsets])
    assert np.isfinite(gradient).all()
    # Against the gradient is inwards, unless the sizes are so wild that float32 has no number for the pull.
    inwards = (gradient * offsets).sum(axis=1)
    assert (inwards > 0).all() if size < 1e30 else (inwards >= 0).all()
