"""The location loss of decoded boxes: GIoU, DIoU, CIoU; and training with every loss there is."""

import keras
import numpy as np
import pytest
from keras import ops
from loss_batches import ANCHORS, VARIANCES, loss_function, part_function, some_batch, without_objects
from on_backend import compiled, gradients
from overlap_judge import judged, weight_of_proportions
from scenes import SIZE, sample

from ssd_keras.boxes.formats import px_to_relative
from ssd_keras.boxes.offsets import decode_offsets, encode_offsets
from ssd_keras.models.loss import MultiBoxLoss, Targets, make_targets
from ssd_keras.models.ssd import SSD

pytestmark = pytest.mark.backends

IOU_LOSSES = ("giou", "diou", "ciou")
every_iou_loss = pytest.mark.parametrize("location", IOU_LOSSES)

# Without objects: the first case


@every_iou_loss
def test_no_objects_and_no_loss(location):
    batch = without_objects(np.ones((2, len(ANCHORS), 3), np.float32))
    assert [float(part) for part in loss_function(location=location)(*batch)] == [0, 0, 0, 0]


@every_iou_loss
def test_no_objects_and_no_gradient_of_the_boxes(location):
    batch = without_objects(np.ones((1, len(ANCHORS), 3), np.float32))
    for gradient in gradients(part_function("total", batch, location=location), batch[-2:]):
        np.testing.assert_array_equal(gradient, 0)


# Values


@every_iou_loss
def test_boxes_that_are_found_cost_nothing(location):
    classes, target_offsets, boxes, _, logits = some_batch(9)
    parts = loss_function(location=location)(classes, target_offsets, boxes, target_offsets, logits)
    assert float(parts.location) == pytest.approx(0, abs=1e-4)


def test_giou_of_a_decoded_box():
    # The anchor (0.175–0.425, 0.125–0.375) for an object one anchor's width to the right: they touch.
    classes, target_offsets, boxes, offsets, logits = without_objects(
        np.zeros((1, len(ANCHORS), 2), np.float32)
    )
    classes[0, 0] = 1
    boxes[0, 0] += np.float32([0.25, 0, 0.25, 0])
    run = loss_function(location="giou", location_weight=3.0)
    parts = run(classes, target_offsets, boxes, offsets, logits)
    assert float(parts.location) == pytest.approx(1, abs=1e-5)
    assert float(parts.total) == pytest.approx(float(parts.confidence) + 3, rel=1e-5)
    offsets[0, 0, 0] = 10 / 2  # half of the way
    expected = 1 - (0.5 / 1.5)
    assert float(run(classes, target_offsets, boxes, offsets, logits).location) == pytest.approx(
        expected, rel=1e-5
    )


@every_iou_loss
def test_only_matched_anchors_have_a_location(location):
    classes, target_offsets, boxes, offsets, logits = some_batch(10)
    run = loss_function(location=location)
    before = run(classes, target_offsets, boxes, offsets, logits)
    wild = np.where((classes > 0)[..., None], offsets, 1e30).astype(np.float32)
    after = run(classes, target_offsets, boxes, wild, logits)
    assert float(before.location) == float(after.location) > 0
    loss = part_function("total", (classes, target_offsets, boxes), location=location)
    gradient, _ = gradients(loss, [wild, logits])
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient.any(axis=-1), classes > 0)


@every_iou_loss
def test_gradient_equals_finite_differences(location):
    """Through the decoder, in float64."""
    classes, _, boxes, offsets, logits = batch = some_batch(11, batch=1)
    found, _ = gradients(part_function("total", batch, location=location), [offsets, logits])
    matched = np.flatnonzero(classes[0] > 0)
    assert len(matched) > 2
    for number in matched:
        wide, anchor = offsets[0, number].astype(float), ANCHORS[number].astype(float)
        truth = boxes[0, number].astype(float)
        alpha = weight_of_proportions(decode_offsets(wide, anchor, VARIANCES), truth)
        for part in range(4):
            step = 1e-6 * np.eye(4)[part]
            after, before = (
                1 - judged(location, decode_offsets(wide + sign * step, anchor, VARIANCES), truth, alpha)
                for sign in (1, -1)
            )
            expected = (after - before) / 2e-6 / len(matched)
            assert found[0, number, part] == pytest.approx(expected, rel=1e-3, abs=1e-5)


@every_iou_loss
@pytest.mark.parametrize("size", [100, 1e4, 1e30])
def test_wild_offsets_stay_finite(location, size):
    classes, target_offsets, boxes, offsets, logits = some_batch(12)
    wild = (size * np.sign(offsets)).astype(np.float32)
    parts = loss_function(location=location)(classes, target_offsets, boxes, wild, logits)
    assert 0.5 < float(parts.location) < 3
    loss = part_function("total", (classes, target_offsets, boxes), location=location)
    gradient, _ = gradients(loss, [wild, logits])
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_computed_in_float32(dtype):
    classes, target_offsets, boxes, *raw = some_batch(13)
    targets = Targets(*[ops.convert_to_tensor(one) for one in (classes, target_offsets, boxes)])
    low = [ops.cast(ops.convert_to_tensor(one), dtype) for one in raw]
    loss, anchors = MultiBoxLoss(classification="focal", location="ciou"), ops.array(ANCHORS)
    found = loss(targets, *low, anchors, VARIANCES)
    expected = loss(targets, *[ops.cast(one, "float32") for one in low], anchors, VARIANCES)
    for part, same in zip(found, expected, strict=True):
        assert ops.dtype(part) == "float32"
        assert float(part) == float(same)


def test_boxes_need_anchors():
    targets = Targets(ops.zeros((1, 1), "int32"), ops.zeros((1, 1, 4)))
    with pytest.raises(ValueError, match="needs anchors"):
        MultiBoxLoss(location="giou")(targets, ops.zeros((1, 1, 4)), ops.zeros((1, 1, 2)))


def test_targets_hold_the_box_of_each_anchor():
    truth = np.float32([[[0.2, 0.1, 0.4, 0.4], [0, 0, 0, 0]]])
    run = compiled(lambda *arrays: make_targets(*arrays, VARIANCES))
    targets = run(ANCHORS, truth, np.int32([[2, -1]]))
    matched = targets.classes[0] > 0
    assert matched.tolist() == [True] + [False] * (len(ANCHORS) - 1)
    np.testing.assert_array_equal(targets.boxes[0, 0], truth[0, 0])
    np.testing.assert_array_equal(targets.boxes[0, 1:], ANCHORS[1:])
    expected = encode_offsets(targets.boxes[0], ANCHORS, VARIANCES)
    np.testing.assert_allclose(targets.offsets[0], expected, atol=1e-5)


# Training


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"classification": "focal", "location": "ciou"}, marks=pytest.mark.slow),
        {"location": "giou", "label_smoothing": 0.05},
    ],
    ids=str,
)
def test_training_lowers_the_loss(options, tmp_path):
    keras.utils.set_random_seed(1)
    model = SSD.from_preset("ssd7", ["blue", "red"], image_size=SIZE, loss=MultiBoxLoss(**options))
    samples = [sample(number) for number in range(4)]
    truth = {
        "boxes": np.stack([px_to_relative(one.ground_truth.boxes_px, SIZE) for one in samples]),
        "labels": np.stack([one.ground_truth.labels for one in samples]),
    }
    images = np.stack([one.image for one in samples])
    model.compile(keras.optimizers.Adam(3e-3))
    history = model.fit(images, truth, batch_size=4, epochs=12, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").multibox_loss == model.multibox_loss
