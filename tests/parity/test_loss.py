"""The loss against Caffe and the Keras port: a case worked out by hand, and random ones."""

import numpy as np
import pytest
from on_backend import compiled
from parity.caffe import multibox_loss
from parity.keras_port import ssd_loss

from ssd_keras.models.loss import MultiBoxLoss, Targets

pytestmark = pytest.mark.backends


def compiled_loss(loss):
    return compiled(lambda classes, offsets, *raw: loss(Targets(classes, offsets), *raw))


caffe_rule = compiled_loss(MultiBoxLoss())
port_rule = compiled_loss(MultiBoxLoss(negatives="batch"))

TOY_LOGITS = np.array(
    [
        [
            [3.5, 0.8, 2],
            [4.5, 3.7, -2],
            [1.9, -0.3, -0.2],
            [0.8, 0.3, 2.9],
            [1.5, 0.2, 0.9],
            [0.7, 3, -0.4],
            [0.6, -1.7, -5.1],
            [1.3, 1.7, -1.5],
        ],
        [
            [4.5, -2.9, 0.1],
            [-0.4, 3.1, 2.9],
            [0.3, 0.8, -1.8],
            [-4, -0.7, 0.3],
            [2.5, 2.4, -0.8],
            [-0.6, -2.1, -2.8],
            [-3.4, 3.9, -1],
            [-0.9, -2.5, 1.6],
        ],
    ],
    np.float32,
)


@pytest.mark.parametrize(
    ("run", "total", "confidence"), [(caffe_rule, 10.631806, 8.051806), (port_rule, 21.035488, 18.455488)]
)
def test_toy_case(run, total, confidence):
    classes = np.zeros((2, 8), np.int32)
    target_offsets, offsets = np.zeros((2, 2, 8, 4), np.float32)
    classes[0, 2] = 1
    offsets[0, 2] = [0.1, 0.3, -0.6, -0.4]
    target_offsets[0, 2] = [0.5, -0.5, 2, 0]
    parts = run(classes, target_offsets, offsets, TOY_LOGITS)
    assert float(parts.total) == pytest.approx(total, abs=1e-5)
    assert float(parts.confidence) == pytest.approx(confidence, abs=1e-5)
    assert float(parts.location) == pytest.approx(2.58, abs=1e-5)
    assert float(parts.positives) == 1


def random_batch(seed):
    """Few to many objects, with images that have none, and easy to hard predictions."""
    random = np.random.default_rng(seed)
    batch, anchors, logits = 4, 60, 5
    classes = np.where(
        random.random((batch, anchors)) < random.uniform(0, 0.3, (batch, 1)),
        random.integers(1, logits, (batch, anchors)),
        random.choice([0, 0, 0, -1], (batch, anchors)),
    )
    classes[seed % batch][classes[seed % batch] > 0] = 0
    return (
        classes.astype(np.int32),
        random.normal(0, 1.5, (batch, anchors, 4)).astype(np.float32),
        random.normal(0, 1.5, (batch, anchors, 4)).astype(np.float32),
        random.normal(0, random.uniform(0.1, 8), (batch, anchors, logits)).astype(np.float32),
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_cases(seed):
    batch = random_batch(seed)
    for run, judge in ((caffe_rule, multibox_loss), (port_rule, ssd_loss)):
        parts = run(*batch)
        confidence, location = judge(*batch)
        assert float(parts.confidence) == pytest.approx(confidence, rel=1e-5)
        assert float(parts.location) == pytest.approx(location, rel=1e-5)


@pytest.mark.parametrize("ratio", [1.0, 2.5])
def test_other_ratios(ratio):
    batch = random_batch(20)
    parts = compiled_loss(MultiBoxLoss(neg_pos_ratio=ratio))(*batch)
    assert float(parts.confidence) == pytest.approx(multibox_loss(*batch, ratio=ratio)[0], rel=1e-5)
    port = MultiBoxLoss(neg_pos_ratio=ratio, negatives="batch", min_negatives=100)
    confidence, _ = ssd_loss(*batch, ratio=ratio, min_negatives=100)
    assert float(compiled_loss(port)(*batch).confidence) == pytest.approx(confidence, rel=1e-5)
