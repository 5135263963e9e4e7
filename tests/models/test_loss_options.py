"""Focal loss, label smoothing, and the settings of the loss; the original stays the default."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from loss_batches import ANCHORS, loss_function, part_function, some_batch, without_objects
from on_backend import compiled, gradients

from ssd_keras.boxes.matching import NEUTRAL
from ssd_keras.errors import InputError
from ssd_keras.models.loss import MultiBoxLoss, hardest, smooth_l1

pytestmark = pytest.mark.backends


def log_softmax(logits):
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def focal_by_hand(classes, logits, gamma, alpha, smoothing=0.0):
    """Anchor by anchor, in float64."""
    total = 0.0
    for target, log_p in zip(classes.ravel(), log_softmax(logits).reshape(-1, logits.shape[-1]), strict=True):
        if target != NEUTRAL:
            weight = 1.0 if alpha is None else (alpha if target > 0 else 1 - alpha)
            wanted = np.full(len(log_p), smoothing / len(log_p))
            wanted[target] += 1 - smoothing
            total += weight * (1 - np.exp(log_p[target])) ** gamma * -(wanted * log_p).sum()
    return total / max(1, (classes > 0).sum())


# Without objects: the first case


def test_no_objects_and_no_loss():
    batch = without_objects(np.ones((2, len(ANCHORS), 3), np.float32))
    assert [float(part) for part in loss_function(label_smoothing=0.1)(*batch)] == [0, 0, 0, 0]


def test_no_objects_leave_the_focal_loss_of_background():
    batch = without_objects(np.random.default_rng(0).normal(size=(2, len(ANCHORS), 3)).astype(np.float32))
    parts = loss_function(classification="focal")(*batch)
    assert float(parts.confidence) == pytest.approx(focal_by_hand(batch[0], batch[-1], 2, 0.25), rel=1e-5)
    assert (float(parts.location), float(parts.positives)) == (0, 0)


# The original


def test_default_is_the_original_to_the_last_bit():
    def original(classes, target_offsets, boxes, offsets, logits):
        positive = classes > 0
        picked = ops.take_along_axis(ops.log_softmax(logits), ops.maximum(classes, 0)[..., None], axis=-1)
        count = 3.0 * ops.sum(ops.cast(positive, "float32"), axis=1)
        counted = positive | hardest(-picked[..., 0], classes == 0, count)
        divisor = ops.maximum(ops.sum(ops.cast(positive, "float32")), 1.0)
        confidence = ops.sum(ops.where(counted, -picked[..., 0], 0.0)) / divisor
        distance = ops.where(positive[..., None], smooth_l1(target_offsets - offsets), 0.0)
        return confidence, ops.sum(distance) / divisor

    batch = some_batch(1)
    explicit = loss_function(classification="softmax", location="smooth_l1", label_smoothing=0)
    confidence, location = compiled(original)(*batch)
    for run in (loss_function(), explicit):
        parts = run(*batch)
        assert (float(parts.confidence), float(parts.location)) == (float(confidence), float(location))


def test_settings_of_an_older_model_make_the_original_loss():
    older = {"neg_pos_ratio": 2.5, "location_weight": 0.5, "negatives": "batch", "min_negatives": 7}
    loss = MultiBoxLoss(**older)
    assert (loss.classification, loss.location, loss.label_smoothing) == ("softmax", "smooth_l1", 0)
    assert dataclasses.asdict(loss) == {**dataclasses.asdict(MultiBoxLoss()), **older}


def test_config_makes_the_same_loss_again():
    loss = MultiBoxLoss(
        classification="focal", focal_gamma=1.5, focal_alpha=None, label_smoothing=0.1, location="ciou"
    )
    assert MultiBoxLoss(**loss.get_config()) == loss


# Focal loss


@pytest.mark.parametrize(("gamma", "alpha"), [(0, None), (2, 0.25), (2, None), (0.5, 0.6), (5, 0.1)])
def test_focal_equals_the_formula(gamma, alpha):
    run = loss_function(classification="focal", focal_gamma=gamma, focal_alpha=alpha)
    for seed in range(3):
        batch = some_batch(seed)
        expected = focal_by_hand(batch[0], batch[-1], gamma, alpha)
        assert float(run(*batch).confidence) == pytest.approx(expected, rel=1e-5)


def test_focal_of_one_object_and_one_background():
    # Both of probability 1/2: 0.25 · 0.5² · ln 2 + 0.75 · 0.5² · ln 2.
    batch = list(without_objects(np.zeros((1, len(ANCHORS), 2), np.float32)))
    batch[0][:] = NEUTRAL
    batch[0][0, :2] = (1, 0)
    parts = loss_function(classification="focal")(*batch)
    assert float(parts.confidence) == pytest.approx(0.25 * np.log(2), rel=1e-6)


def test_focal_with_gamma_0_is_the_cross_entropy_of_all_anchors():
    batch = some_batch(4)
    focal = loss_function(classification="focal", focal_gamma=0, focal_alpha=None)(*batch)
    mined = loss_function(neg_pos_ratio=1000, negatives="batch")(*batch)
    assert float(focal.confidence) == pytest.approx(float(mined.confidence), rel=1e-6)
    assert float(focal.location) == float(mined.location)


def test_focal_gradient_equals_finite_differences():
    batch = some_batch(5, batch=1)
    classes, logits = batch[0], batch[-1]
    _, found = gradients(part_function("total", batch, classification="focal"), batch[-2:])
    for index in np.ndindex(logits.shape):
        step = np.zeros(logits.shape)
        step[index] = 1e-6
        after, before = (focal_by_hand(classes, logits + sign * step, 2, 0.25) for sign in (1, -1))
        assert found[index] == pytest.approx((after - before) / 2e-6, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sure_predictions_have_finite_losses_and_gradients(gamma, smoothing):
    options = {"classification": "focal", "focal_gamma": gamma, "label_smoothing": smoothing}
    classes, target_offsets, boxes, offsets, logits = batch = some_batch(6)
    run, loss = loss_function(**options), part_function("total", batch, **options)
    right = 1e4 * np.eye(logits.shape[-1], dtype=np.float32)[np.maximum(classes, 0)]
    for sure in (right, -right, 1e4 * np.sign(logits), np.zeros_like(right)):
        assert np.isfinite(run(classes, target_offsets, boxes, offsets, sure).total)
        for gradient in gradients(loss, [offsets, sure]):
            assert np.isfinite(gradient).all()


smaller, larger = (
    loss_function(classification="focal", focal_gamma=gamma, focal_alpha=None) for gamma in (1, 3)
)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_a_larger_gamma_weighs_less(seed):
    batch = some_batch(seed)
    assert float(larger(*batch).confidence) <= float(smaller(*batch).confidence) * (1 + 1e-6)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_the_order_of_anchors_and_a_constant_in_the_logits_change_nothing(seed):
    classes, *others, logits = some_batch(seed)
    order = np.random.default_rng(seed).permutation(classes.shape[1])
    before = smaller(classes, *others, logits)
    after = smaller(classes[:, order], *others, (logits + np.float32(2))[:, order])
    assert float(after.confidence) == pytest.approx(float(before.confidence), rel=1e-4)


# Label smoothing


def test_label_smoothing_of_counted_anchors():
    classes, *others, logits = some_batch(7)
    found = loss_function(label_smoothing=0.2, neg_pos_ratio=0)(classes, *others, logits)
    log_p = log_softmax(logits)[classes > 0]
    right = log_p[np.arange(len(log_p)), classes[classes > 0]]
    expected = -(0.8 * right + 0.2 * log_p.mean(axis=-1)).mean()
    assert float(found.confidence) == pytest.approx(expected, rel=1e-5)


def test_label_smoothing_of_the_focal_loss():
    batch = some_batch(8)
    found = loss_function(classification="focal", label_smoothing=0.1)(*batch)
    assert float(found.confidence) == pytest.approx(
        focal_by_hand(batch[0], batch[-1], 2, 0.25, 0.1), rel=1e-5
    )


def test_smoothing_makes_no_sure_background_a_hard_negative():
    # One object; three of the negatives are doubtful, the others so sure that smoothing costs them more.
    classes, *others = without_objects(np.zeros((1, len(ANCHORS), 2), np.float32))[:4]
    classes[0, 0] = 1
    logits = np.zeros((1, len(ANCHORS), 2), np.float32)
    logits[0, 4:, 0] = 100
    found = loss_function(label_smoothing=0.1)(classes, *others, logits)
    assert float(found.confidence) == pytest.approx(4 * np.log(2), rel=1e-5)


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classification": "sigmoid"}, "classification is 'sigmoid': choose one of softmax, focal"),
        ({"location": "iou"}, "location is 'iou': choose one of smooth_l1, giou, diou, ciou"),
        ({"negatives": "all"}, "negatives is 'all': choose one of image, batch"),
        ({"focal_gamma": -1}, "focal_gamma is -1: give a number from 0"),
        ({"focal_gamma": "2"}, "focal_gamma is '2': give a number from 0"),
        ({"focal_alpha": 1.0}, "focal_alpha is 1.0: give a number from 0 to below 1"),
        ({"label_smoothing": 1}, "label_smoothing is 1: give a number from 0 to below 1"),
        ({"label_smoothing": float("nan")}, "label_smoothing is nan"),
        ({"neg_pos_ratio": float("inf")}, "neg_pos_ratio is inf"),
        ({"location_weight": -0.5}, "location_weight is -0.5"),
        ({"min_negatives": -3}, "min_negatives is -3"),
        ({"min_negatives": True}, "min_negatives is True"),
    ],
)
def test_settings_out_of_bounds(settings, message):
    with pytest.raises(InputError, match=f"^loss: {message}"):
        MultiBoxLoss(**settings)
