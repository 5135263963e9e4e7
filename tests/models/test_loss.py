import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops
from on_backend import compiled, gradients

from ssd_keras.boxes.matching import NEUTRAL
from ssd_keras.boxes.offsets import encode_offsets
from ssd_keras.models.loss import LossParts, MultiBoxLoss, Targets, hardest, make_targets, smooth_l1

pytestmark = pytest.mark.backends

VARIANCES = (0.1, 0.1, 0.2, 0.2)
ANCHORS = np.array(
    [[0, 0, 0.25, 1], [0.25, 0, 0.5, 1], [0.5, 0, 0.75, 1], [0.75, 0, 1, 1], [0, 0, 1, 1]], np.float32
)


def loss_function(**options):
    """The loss with these settings, compiled, as a function of arrays."""
    loss = MultiBoxLoss(**options)
    return compiled(lambda classes, offsets, *raw: loss(Targets(classes, offsets), *raw))


image_loss = loss_function()
batch_loss = loss_function(negatives="batch")


def total_of(offsets, logits, classes, **options):
    """The total loss as a function of tensors, for gradients; all target offsets are 0."""
    targets = Targets(ops.convert_to_tensor(classes), ops.zeros((*classes.shape, 4)))
    return MultiBoxLoss(**options)(targets, offsets, logits).total


def no_offsets(classes):
    return np.zeros((*classes.shape, 4), np.float32)


def some_batch(seed=0, batch=2, anchors=12, classes=4):
    """Classes, target offsets, offsets and logits at random; all kinds of anchors occur."""
    random = np.random.default_rng(seed)
    return (
        random.choice([NEUTRAL, 0, 0, 0, 1, classes - 1], (batch, anchors)).astype(np.int32),
        random.normal(0, 2, (batch, anchors, 4)).astype(np.float32),
        random.normal(0, 2, (batch, anchors, 4)).astype(np.float32),
        random.normal(0, 3, (batch, anchors, classes)).astype(np.float32),
    )


# Batches without objects come first: they are normal.


def test_no_objects_and_no_loss():
    classes = np.zeros((2, 6), np.int32)
    parts = image_loss(classes, no_offsets(classes), no_offsets(classes), np.ones((2, 6, 3), np.float32))
    assert [float(part) for part in parts] == [0, 0, 0, 0]


def test_no_objects_and_no_gradient():
    classes = np.zeros((2, 6), np.int32)
    logits = np.random.default_rng(1).normal(size=(2, 6, 3)).astype(np.float32)
    for gradient in gradients(lambda *raw: total_of(*raw, classes), [no_offsets(classes), logits]):
        np.testing.assert_array_equal(gradient, 0)


def test_no_objects_but_some_negatives_on_demand():
    classes = np.zeros((2, 3), np.int32)
    logits = np.zeros((2, 3, 2), np.float32)
    logits[0, 1, 1], logits[1, 2, 1] = 4, 3
    run = loss_function(negatives="batch", min_negatives=2)
    parts = run(classes, no_offsets(classes), no_offsets(classes), logits)
    expected = np.log1p(np.exp(4)) + np.log1p(np.exp(3))
    assert float(parts.confidence) == pytest.approx(expected, rel=1e-6)
    assert float(parts.location) == 0
    (gradient,) = gradients(
        lambda raw: total_of(ops.zeros((2, 3, 4)), raw, classes, negatives="batch", min_negatives=2), [logits]
    )
    assert np.isfinite(gradient).all()
    assert np.flatnonzero(gradient.any(axis=-1)).tolist() == [1, 5]


def test_all_ignored():
    classes = np.full((1, 4), NEUTRAL, np.int32)
    parts = image_loss(classes, no_offsets(classes), no_offsets(classes), np.ones((1, 4, 3), np.float32))
    assert [float(part) for part in parts] == [0, 0, 0, 0]


def test_nothing_but_objects():
    classes = np.ones((1, 4), np.int32)
    parts = image_loss(classes, no_offsets(classes), no_offsets(classes), np.zeros((1, 4, 2), np.float32))
    assert float(parts.confidence) == pytest.approx(np.log(2))
    assert float(parts.positives) == 4


# The parts


def test_parts_add_up():
    classes, target_offsets, offsets, logits = some_batch()
    parts = loss_function(location_weight=0.5)(classes, target_offsets, offsets, logits)
    assert isinstance(parts, LossParts)
    assert all(part.shape == () and part.dtype == np.float32 for part in parts)
    assert float(parts.positives) == (classes > 0).sum()
    assert float(parts.total) == pytest.approx(
        float(parts.confidence) + 0.5 * float(parts.location), rel=1e-6
    )
    plain = image_loss(classes, target_offsets, offsets, logits)
    assert float(parts.confidence) == pytest.approx(float(plain.confidence), rel=1e-6)
    assert float(parts.location) == pytest.approx(float(plain.location), rel=1e-6)


def test_a_perfect_prediction_costs_nothing():
    classes, target_offsets, _, _ = some_batch(1)
    logits = 50 * np.eye(4, dtype=np.float32)[np.maximum(classes, 0)]
    parts = image_loss(classes, target_offsets, target_offsets, logits)
    assert float(parts.total) == pytest.approx(0, abs=1e-6)


def test_only_matched_anchors_have_a_location():
    classes, target_offsets, offsets, logits = some_batch(2)
    before = image_loss(classes, target_offsets, offsets, logits)
    moved = np.where((classes > 0)[..., None], offsets, 99).astype(np.float32)
    after = image_loss(classes, target_offsets, moved, logits)
    assert float(before.total) == float(after.total)


def test_neutral_anchors_take_no_part():
    classes, target_offsets, offsets, logits = some_batch(3)
    assert (classes == NEUTRAL).any()
    for run in (image_loss, batch_loss):
        before = run(classes, target_offsets, offsets, logits)
        wild = np.where((classes == NEUTRAL)[..., None], 30 * logits[..., ::-1], logits).astype(np.float32)
        after = run(classes, target_offsets, offsets, wild)
        assert float(before.total) == float(after.total)
    offset_gradient, logit_gradient = gradients(lambda *raw: total_of(*raw, classes), [offsets, logits])
    assert not offset_gradient[classes <= 0].any()
    assert not logit_gradient[classes == NEUTRAL].any()


def test_negatives_are_mined_in_each_image_or_in_the_batch():
    # One object in image 0, whose negatives are easy; those of image 1 are hard.
    classes = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.int32)
    logits = np.zeros((2, 5, 2), np.float32)
    logits[1, :, 1] = 5
    easy, hard = np.log(2), np.log1p(np.exp(5))
    arguments = classes, no_offsets(classes), no_offsets(classes), logits
    assert float(image_loss(*arguments).confidence) == pytest.approx(4 * easy, rel=1e-6)
    assert float(batch_loss(*arguments).confidence) == pytest.approx(easy + 3 * hard, rel=1e-6)


@pytest.mark.parametrize(("ratio", "negatives"), [(0, 0), (1, 2), (1.3, 2), (2.5, 5), (3, 6), (9, 8)])
def test_ratio_is_rounded_down_and_bounded_by_what_there_is(ratio, negatives):
    classes = np.array([[1, 2] + [0] * 8], np.int32)
    logits = np.zeros((1, 10, 3), np.float32)
    run = loss_function(neg_pos_ratio=ratio)
    parts = run(classes, no_offsets(classes), no_offsets(classes), logits)
    assert float(parts.confidence) == pytest.approx((2 + negatives) * np.log(3) / 2, rel=1e-6)


def test_config_makes_the_same_loss_again():
    loss = MultiBoxLoss(2.5, 0.5, "batch", 7)
    assert MultiBoxLoss(**loss.get_config()) == loss


# Numbers


def test_gradient_runs_through_counted_anchors_only():
    classes = np.array([[1, 0, 0, 0, 0, 0]], np.int32)
    logits = np.array([[[0, 0], [0, 1], [0, 5], [0, 4], [0, 2], [0, 3]]], np.float32)
    (gradient,) = gradients(lambda raw: total_of(ops.zeros((1, 6, 4)), raw, classes), [logits])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = probabilities - np.eye(2)[classes]
    expected[0, [1, 4]] = 0  # the two easiest of five negatives
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("negatives", ["image", "batch"])
def test_gradients_are_finite(negatives):
    classes, _, offsets, logits = some_batch(6)
    for gradient in gradients(lambda *raw: total_of(*raw, classes, negatives=negatives), [offsets, logits]):
        assert np.isfinite(gradient).all()
        assert gradient.any()


@pytest.mark.parametrize("negatives", ["image", "batch"])
def test_extreme_predictions_stay_finite(negatives):
    classes, target_offsets, offsets, logits = some_batch(4)
    extreme = (np.sign(offsets) * 1e4).astype(np.float32), (np.sign(logits) * 1e4).astype(np.float32)
    parts = loss_function(negatives=negatives)(classes, target_offsets, *extreme)
    assert all(np.isfinite(part) for part in parts)
    assert float(parts.confidence) > 1000
    for gradient in gradients(lambda *raw: total_of(*raw, classes, negatives=negatives), extreme):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_computed_in_float32(dtype):
    classes, target_offsets, offsets, logits = some_batch(5)

    def rounded(array):
        return ops.cast(ops.convert_to_tensor(array), dtype)

    targets = Targets(ops.convert_to_tensor(classes), ops.convert_to_tensor(target_offsets))
    low = MultiBoxLoss()(targets, rounded(offsets), rounded(logits))
    full = MultiBoxLoss()(
        targets, ops.cast(rounded(offsets), "float32"), ops.cast(rounded(logits), "float32")
    )
    for part, expected in zip(low, full, strict=True):
        assert ops.dtype(part) == "float32"
        assert float(part) == float(expected)


def test_smooth_l1_is_a_parabola_then_a_line():
    difference = np.array([0, 0.5, -0.5, 1, 1.5, -1.5, -3], np.float32)
    found = ops.convert_to_numpy(smooth_l1(ops.convert_to_tensor(difference)))
    np.testing.assert_allclose(found, [0, 0.125, 0.125, 0.5, 1, 1, 2.5])


# The hardest negatives

choose = compiled(hardest)


@given(
    halves=arrays.arrays(np.int32, (3, 9), elements=st.integers(0, 5)),
    eligible=arrays.arrays(bool, (3, 9), elements=st.booleans()),
    count=arrays.arrays(np.int32, 3, elements=st.integers(0, 12)),
)
@settings(max_examples=50)
def test_hardest_equals_a_plain_sort(halves, eligible, count):
    difficulty = (halves / 2).astype(np.float32)
    found = choose(difficulty, eligible, count.astype(np.float32))
    for row in range(3):
        candidates = np.flatnonzero(eligible[row])
        order = candidates[np.argsort(-difficulty[row, candidates], kind="stable")]
        assert np.flatnonzero(found[row]).tolist() == sorted(order[: count[row]].tolist())


def test_hardest_of_nothing():
    difficulty, eligible = np.ones((1, 4), np.float32), np.zeros((1, 4), bool)
    assert not choose(difficulty, eligible, np.array([3], np.float32)).any()
    assert not choose(difficulty, ~eligible, np.array([0], np.float32)).any()
    assert choose(difficulty, ~eligible, np.array([4], np.float32)).all()


def test_hardest_of_as_many_equal_ones_as_there_are_anchors():
    found = choose(np.zeros((1, 8732), np.float32), np.ones((1, 8732), bool), np.array([5000], np.float32))
    assert np.flatnonzero(found).tolist() == list(range(5000))


# Targets

targets_of = compiled(lambda anchors, boxes, labels: make_targets(anchors, boxes, labels, VARIANCES))
neutral_targets_of = compiled(
    lambda anchors, boxes, labels: make_targets(anchors, boxes, labels, VARIANCES, neutral_threshold=0.3)
)


def test_targets_of_padding_only():
    targets = targets_of(ANCHORS, np.zeros((2, 3, 4), np.float32), np.full((2, 3), -1, np.int32))
    assert isinstance(targets, Targets)
    assert targets.classes.dtype == np.int32
    assert targets.offsets.dtype == np.float32
    np.testing.assert_array_equal(targets.classes, np.zeros((2, 5)))
    np.testing.assert_array_equal(targets.offsets, np.zeros((2, 5, 4)))


def test_label_0_is_not_background():
    boxes = np.array([[[0.25, 0, 0.5, 1], [0.75, 0, 1, 1], [0, 0, 0, 0]]], np.float32)
    targets = targets_of(ANCHORS, boxes, np.array([[0, 4, -1]], np.int32))
    assert targets.classes.tolist() == [[0, 1, 0, 5, 0]]


def test_matched_anchors_encode_their_box_and_the_others_nothing():
    boxes = np.array([[[0.3, 0.1, 0.5, 0.9], [0, 0, 0, 0], [0, 0, 0, 0]]], np.float32)
    targets = targets_of(ANCHORS, boxes, np.array([[2, -1, -1]], np.int32))
    assert targets.classes.tolist() == [[0, 3, 0, 0, 0]]
    expected = np.zeros((1, 5, 4), np.float32)
    expected[0, 1] = encode_offsets(boxes[0, 0], ANCHORS[1], VARIANCES)
    np.testing.assert_allclose(targets.offsets, expected, rtol=1e-5)


def test_targets_of_boxes_without_area_are_finite():
    boxes = np.array([[[0.3, 0.1, 0.3, 0.9], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0]]], np.float32)
    targets = targets_of(ANCHORS, boxes, np.array([[0, 1, -1]], np.int32))
    assert not targets.classes.any()
    assert not targets.offsets.any()


def test_neutral_anchors_are_ignored():
    # 0.625 of the width: IoU 0.4 with the two first anchors, 0.625 with the whole image.
    boxes = np.array([[[0, 0, 0.625, 1], [0, 0, 0, 0], [0, 0, 0, 0]]], np.float32)
    labels = np.array([[1, -1, -1]], np.int32)
    targets = neutral_targets_of(ANCHORS, boxes, labels)
    assert targets.classes.tolist() == [[NEUTRAL, NEUTRAL, 0, 0, 2]]
    assert not targets.offsets[0, :4].any()
    assert targets_of(ANCHORS, boxes, labels).classes.tolist() == [[0, 0, 0, 0, 2]]
