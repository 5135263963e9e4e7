import functools

import keras
import numpy as np
import pytest
from keras import ops
from on_backend import called_once, compiled

from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.boxes.offsets import decode_offsets
from ssd_keras.models.decoding import Decoded, DecodeDetections, Decoding, decode_best_class, decode_per_class

pytestmark = pytest.mark.backends

VARIANCES = (0.1, 0.1, 0.2, 0.2)
PROCEDURES = {"per class": decode_per_class, "fast": decode_best_class}


@functools.cache
def procedure_with(procedure, settings):
    return lambda boxes, scores: PROCEDURES[procedure](boxes, scores, settings)


def decode(procedure, boxes, scores, **options):
    """Decode one image: [(label, score, box)], best first, without padding."""
    # All in one shape, so that each procedure compiles once: more anchors and classes, that find nothing.
    padded_boxes, padded_scores = np.zeros((1, 420, 4), np.float32), np.zeros((1, 420, 3), np.float32)
    padded_boxes[0, : len(boxes)] = boxes
    padded_scores[0, : len(boxes), : len(scores[0])] = scores
    found = called_once(procedure_with(procedure, Decoding(**options)), padded_boxes, padded_scores)
    assert isinstance(found, Decoded)
    assert (found.scores[0][:-1] >= found.scores[0][1:]).all()
    count = int((found.scores[0] > 0).sum())
    assert not found.scores[0, count:].any()
    return [
        (int(label), float(score), box.tolist())
        for box, score, label in zip(found.boxes[0, :count], found.scores[0], found.labels[0], strict=False)
    ]


def apart(count):
    """(count, 4) boxes that do not overlap."""
    return np.array([[i, 0, i + 1, 1] for i in range(count)], np.float32)


@pytest.mark.parametrize("procedure", PROCEDURES)
class TestBoth:
    def test_nothing_above_the_limit(self, procedure):
        assert decode(procedure, apart(4), np.full((4, 2), 0.01)) == []
        assert decode(procedure, apart(4), np.zeros((4, 2))) == []

    def test_limit_of_the_score_is_exclusive(self, procedure):
        scores = [[0.75], [np.nextafter(np.float32(0.75), np.float32(1))], [0.9]]
        found = decode(procedure, apart(3), scores, min_score=0.75)
        assert [box[0] for _, _, box in found] == [2, 1]

    def test_overlap_exactly_at_the_threshold_stays(self, procedure):
        boxes = [[0, 0, 14, 1], [5, 0, 20, 1], [40, 0, 55, 1], [45, 0, 60, 1]]
        found = decode(procedure, boxes, [[0.9], [0.8], [0.7], [0.6]])
        assert [box[0] for _, _, box in found] == [0, 5, 40]

    def test_best_comes_first(self, procedure):
        found = decode(procedure, apart(3), [[0.7, 0.1], [0.2, 0.6], [0.8, 0]])
        assert found[0] == (0, pytest.approx(0.8), [2, 0, 3, 1])
        assert found[1] == (0, pytest.approx(0.7), [0, 0, 1, 1])
        assert found[2] == (1, pytest.approx(0.6), [1, 0, 2, 1])

    def test_best_candidates_are_taken_before_the_suppression(self, procedure):
        # Three boxes in one place push out the one elsewhere, though two of them are suppressed then.
        boxes = [[0, 0, 1, 1]] * 3 + [[5, 0, 6, 1]]
        scores = [[0.9], [0.8], [0.7], [0.6]]
        assert len(decode(procedure, boxes, scores, candidates=3)) == 1
        assert len(decode(procedure, boxes, scores, candidates=4)) == 2

    def test_four_hundred_candidates(self, procedure):
        boxes = np.concatenate([np.tile([[900, 0, 901, 1]], (399, 1)), apart(2)])
        scores = np.concatenate([np.full(399, 0.9), [0.8, 0.7]])[:, None]
        found = decode(procedure, boxes, scores)
        assert [box[0] for _, _, box in found] == [900, 0]

    def test_best_two_hundred_of_the_image(self, procedure):
        scores = np.zeros((300, 2), np.float32)
        order = np.random.default_rng(0).permutation(300)
        scores[order, order % 2] = np.linspace(0.9, 0.6, 300)
        found = decode(procedure, apart(300), scores)
        assert [int(box[0]) for _, _, box in found] == order[:200].tolist()
        assert [label for label, _, _ in found] == (order[:200] % 2).tolist()

    def test_equal_boxes_with_equal_scores_leave_one(self, procedure):
        assert decode(procedure, [[0, 0, 1, 1]] * 9, [[0.6]] * 9) == [(0, pytest.approx(0.6), [0, 0, 1, 1])]

    def test_equal_scores_apart_all_stay(self, procedure):
        found = decode(procedure, apart(9), [[0.6]] * 9)
        assert sorted(box[0] for _, _, box in found) == list(range(9))

    def test_boxes_are_not_cut_off_at_the_edges(self, procedure):
        assert decode(procedure, [[-1, -0.5, 2, 1.5]], [[0.9]])[0][2] == [-1, -0.5, 2, 1.5]

    def test_types_and_shapes(self, procedure):
        run = compiled(lambda boxes, scores: PROCEDURES[procedure](boxes, scores, Decoding()))
        found = run(np.zeros((2, 300, 4), np.float32), np.zeros((2, 300, 3), np.float32))
        assert found.boxes.shape == (2, 200, 4)
        assert found.scores.shape == found.labels.shape == (2, 200)
        assert (found.boxes.dtype, found.scores.dtype, found.labels.dtype) == ("float32", "float32", "int32")


def test_an_anchor_may_yield_several_classes():
    found = decode("per class", [[0, 0, 1, 1]], [[0.3, 0.5, 0.01]])
    assert [(label, score) for label, score, _ in found] == [(1, 0.5), (0, pytest.approx(0.3))]


def test_classes_do_not_suppress_each_other():
    boxes = [[0, 0, 10, 1], [0, 0, 10, 1]]
    scores = [[0.9, 0.0], [0.0, 0.8]]
    assert [label for label, _, _ in decode("per class", boxes, scores)] == [0, 1]
    assert [label for label, _, _ in decode("fast", boxes, scores)] == [0]


def test_fast_gives_each_anchor_its_best_class_unless_that_is_background():
    scores = [[0.3, 0.5], [0.3, 0.25], [0.2, 0.41]]  # background: 0.2, 0.45, 0.39
    found = decode("fast", apart(3), scores)
    assert [(label, box[0]) for label, _, box in found] == [(1, 0), (1, 2)]


def test_scores_that_all_round_to_one_still_give_a_greedy_result():
    # A well trained network gives many scores of exactly 1, and backends sort equal scores differently.
    random = np.random.default_rng(8)
    corners = random.integers(0, 30, (200, 2))
    boxes = np.concatenate([corners, corners + random.integers(3, 8, (200, 2))], axis=1).astype(np.float32)
    scores = random.choice([1.0, 1.0, 0.5], (200, 1))
    found = decode("per class", boxes, scores)
    kept = np.array([box for _, _, box in found], np.float32)
    kept_scores = np.array([score for _, score, _ in found])
    overlaps = pairwise_iou(kept, kept)
    assert (overlaps[~np.eye(len(kept), dtype=bool)] <= np.float32(0.45)).all()
    suppressed_by = (pairwise_iou(boxes, kept) > np.float32(0.45)) & (kept_scores >= scores)
    is_kept = (boxes[:, None] == kept).all(axis=-1)
    assert (suppressed_by | is_kept).any(axis=1).all()


def test_fewer_boxes_than_detections_to_give():
    found = decode_per_class(ops.zeros((1, 3, 4)), ops.zeros((1, 3, 2)), Decoding())
    assert found.scores.shape == (1, 6)
    assert found.boxes.shape == (1, 6, 4)


def raw_batch():
    """Offsets, logits and anchors as a network gives them."""
    random = np.random.default_rng(7)
    anchors = np.sort(random.uniform(0, 1, (20, 2, 2)), axis=1).reshape(20, 4).astype(np.float32)
    offsets = random.normal(0, 1, (2, 20, 4)).astype(np.float32)
    logits = random.normal(0, 2, (2, 20, 4)).astype(np.float32)
    return offsets, logits, anchors


@pytest.mark.parametrize("fast", [False, True])
def test_raw_predictions_become_boxes_and_scores(fast):
    offsets, logits, anchors = raw_batch()
    settings = Decoding(fast=fast)
    found = called_once(lambda *raw: settings(*raw, VARIANCES), offsets, logits, anchors)
    scores = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    boxes = decode_offsets(offsets, anchors, VARIANCES)
    procedure = decode_best_class if fast else decode_per_class
    expected = called_once(lambda *batch: procedure(*batch, settings), boxes, scores[..., 1:])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert (found.scores > 0).any()


def test_low_precision_is_decoded_in_float32():
    offsets, logits, anchors = raw_batch()

    def decode_rounded(offsets, logits, anchors):
        low = ops.cast(offsets, "bfloat16"), ops.cast(logits, "bfloat16")
        full = [ops.cast(value, "float32") for value in low]
        return [Decoding()(*raw, anchors, VARIANCES) for raw in (low, full)]

    low, full = called_once(decode_rounded, offsets, logits, anchors)
    assert low.scores.dtype == low.boxes.dtype == np.float32
    for one, other in zip(low, full, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("fast", [False, True])
def test_layer_gives_what_the_settings_give(fast):
    offsets, logits, anchors = raw_batch()
    settings = Decoding(max_detections=5, fast=fast)
    layer = DecodeDetections(anchors, VARIANCES, settings)
    found = called_once(
        lambda *raw: layer(dict(zip(("offsets", "logits"), raw, strict=True))), offsets, logits
    )
    expected = called_once(lambda *raw: settings(*raw, VARIANCES), offsets, logits, anchors)
    assert set(found) == {"boxes", "scores", "labels"}
    for name, value in found.items():
        np.testing.assert_allclose(value, getattr(expected, name), atol=1e-6)

    raw = {"offsets": keras.Input((20, 4)), "logits": keras.Input((20, 4))}
    for name, tensor in layer(raw).items():
        assert tensor.shape == (None, *found[name].shape[1:])
        assert tensor.dtype == str(found[name].dtype)
