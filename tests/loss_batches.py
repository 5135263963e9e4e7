"""Batches for the tests of the loss: every kind of anchor, or no object at all."""

import numpy as np
from keras import ops
from on_backend import compiled

from ssd_keras.boxes.formats import cxcywh_to_xyxy
from ssd_keras.boxes.matching import NEUTRAL
from ssd_keras.boxes.offsets import decode_offsets
from ssd_keras.models.loss import MultiBoxLoss, Targets

VARIANCES = (0.1, 0.1, 0.2, 0.2)
ANCHORS = cxcywh_to_xyxy(
    np.float32([[x, y, side, side] for side in (0.25, 0.5) for x in (0.3, 0.7) for y in (0.25, 0.5, 0.75)])
)


def loss_function(**options):
    """The loss with these settings, compiled, as a function of arrays."""
    loss = MultiBoxLoss(**options)
    return compiled(
        lambda classes, *raw: loss(Targets(classes, *raw[:2]), *raw[2:], ops.array(ANCHORS), VARIANCES)
    )


def part_function(part, batch, **options):
    """A part of the loss of `batch` as a function of the tensors of offsets and logits, for gradients."""
    loss = MultiBoxLoss(**options)

    def value(offsets, logits):
        targets = Targets(*[ops.convert_to_tensor(array) for array in batch[:3]])
        return getattr(loss(targets, offsets, logits, ops.array(ANCHORS), VARIANCES), part)

    return value


def some_batch(seed=0, batch=2, classes=4):
    """Classes, target offsets and boxes, predicted offsets and logits; all kinds of anchors occur."""
    random = np.random.default_rng(seed)
    shape = (batch, len(ANCHORS))
    kinds = random.choice([NEUTRAL, 0, 0, 0, 1, classes - 1], shape).astype(np.int32)
    target_offsets = np.where((kinds > 0)[..., None], random.normal(0, 1, (*shape, 4)), 0).astype(np.float32)
    boxes = decode_offsets(target_offsets, ANCHORS, VARIANCES)
    offsets = random.normal(0, 1.5, (*shape, 4)).astype(np.float32)
    return kinds, target_offsets, boxes, offsets, random.normal(0, 3, (*shape, classes)).astype(np.float32)


def without_objects(logits):
    classes = np.zeros(logits.shape[:2], np.int32)
    zeros = np.zeros((*classes.shape, 4), np.float32)
    return classes, zeros, np.broadcast_to(ANCHORS, zeros.shape).copy(), zeros, logits
