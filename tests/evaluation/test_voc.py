"""The VOC evaluation against a plain transcription of the devkit's rules, and the faults of an older port."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_cases import (
    BIRD,
    BOX,
    CAT,
    CLASSES,
    DOG,
    SIZE,
    any_images,
    as_detections_and_truths,
    cell,
    found,
    middling,
    there,
)

from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation import table
from ssd_keras.evaluation.curves import average_precision_11_point, average_precision_area
from ssd_keras.evaluation.voc import evaluate_voc

PROTOCOLS = ("voc07", "voc10")


# --- The judge: VOCevaldet.m, loop by loop, one class at a time --------------------------------------------


def devkit_ap(detections, ground_truths, label, protocol, threshold):
    """Average precision of one class; NaN if it has no object that counts."""
    positives = 0
    taken = []
    for truth in ground_truths:
        taken.append([False] * len(truth))
        for j in range(len(truth)):
            if truth.labels[j] == label and not truth.difficult[j] and not truth.crowd[j]:
                positives += 1
    if positives == 0:
        return math.nan

    found = []
    for image, one in enumerate(detections):
        for k in range(len(one)):
            if one.labels[k] == label:
                found.append((float(one.scores[k]), image, [float(side) for side in one.boxes_px[k]]))
    found.sort(key=lambda detection: -detection[0])  # Python's sort is stable

    tp, fp = [], []
    for _, image, box in found:
        best, best_object = -math.inf, None
        for j, other in enumerate(ground_truths[image].boxes_px.tolist()):
            if ground_truths[image].labels[j] != label:
                continue
            overlap = devkit_overlap(box, other)
            if overlap is not None and overlap > best:
                best, best_object = overlap, j
        true, false = 0, 0
        if best >= threshold:
            truth = ground_truths[image]
            if not truth.difficult[best_object] and not truth.crowd[best_object]:
                if not taken[image][best_object]:
                    true = 1
                    taken[image][best_object] = True
                else:
                    false = 1
        else:
            false = 1
        tp.append(true)
        fp.append(false)

    # An ignored detection leaves both sums as they are. Before the first one that counts precision is 0/0,
    # which MATLAB's max passes over, as does the 0 written here.
    tp_sum, fp_sum, curve = 0, 0, []
    for true, false in zip(tp, fp, strict=True):
        tp_sum, fp_sum = tp_sum + true, fp_sum + false
        precision = Fraction(tp_sum, tp_sum + fp_sum) if tp_sum + fp_sum else Fraction(0)
        curve.append((Fraction(tp_sum, positives), precision))
    return float(devkit_11_point(curve) if protocol == "voc07" else devkit_area(curve))


def devkit_overlap(a, b):
    """IoU with inclusive pixels, or None where the boxes share nothing."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return None
    area_a = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
    area_b = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return width * height / (area_a + area_b - width * height)


def devkit_11_point(curve):
    total = Fraction(0)
    for j in range(11):
        total += max((precision for recall, precision in curve if recall >= Fraction(j, 10)), default=0)
    return total / 11


def devkit_area(curve):
    recall = [Fraction(0), *(point[0] for point in curve), Fraction(1)]
    precision = [Fraction(0), *(point[1] for point in curve), Fraction(0)]
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    area = Fraction(0)
    for i in range(1, len(recall)):
        if recall[i] != recall[i - 1]:
            area += (recall[i] - recall[i - 1]) * precision[i]
    return area


def assert_as_devkit(detections, ground_truths, threshold=0.5):
    for protocol in PROTOCOLS:
        ours = evaluate_voc(detections, ground_truths, CLASSES, protocol, threshold)
        for label, curve in enumerate(ours.classes):
            expected = devkit_ap(detections, ground_truths, label, protocol, threshold)
            assert curve.ap == pytest.approx(expected, abs=1e-9, nan_ok=True), (protocol, curve.name)


# --- Short ways to write a case ----------------------------------------------------------------------------


def aps(detections, ground_truths, threshold=0.5):
    """Average precision of the class cat by both protocols."""
    return [
        evaluate_voc(detections, ground_truths, CLASSES, protocol, threshold).per_class["cat"]
        for protocol in PROTOCOLS
    ]


# --- Equal to the devkit -----------------------------------------------------------------------------------


@given(st.lists(any_images(), min_size=1, max_size=5), st.sampled_from([0.25, 0.5, 0.7, 1.0]))
def test_few_places_equal_the_devkit(drawn, threshold):
    detections, truths = as_detections_and_truths(drawn)
    truths[0] = there((CAT, BOX))  # at least one object counts
    assert_as_devkit(detections, truths, threshold)


@pytest.mark.parametrize("seed", range(10))
def test_a_middling_detector_equals_the_devkit(seed):
    detections, truths = middling(seed)
    assert_as_devkit(detections, truths)
    assert 0 < evaluate_voc(detections, truths, CLASSES).mAP < 1


@given(st.lists(any_images(), min_size=2, max_size=4), st.sampled_from([0.25, 0.5]))
def test_many_detections_of_one_score_equal_the_devkit(drawn, threshold):
    detections, truths = as_detections_and_truths(
        [([(CAT, 0.5, box) for _, _, box in rows], objects) for rows, objects in drawn]
    )
    truths[0] = there((CAT, BOX))
    assert_as_devkit(detections, truths, threshold)


@pytest.mark.parametrize("pairs", [1, 7])
def test_in_small_steps_equal_the_devkit(monkeypatch, pairs):
    monkeypatch.setattr(table, "PAIRS_AT_ONCE", pairs)
    assert_as_devkit(*middling(11))


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 20))
def test_average_precision_is_that_of_the_exact_curve(true_positive, missed):
    positives = sum(true_positive) + missed
    flags = np.array(true_positive, bool)
    if positives == 0:
        assert math.isnan(average_precision_11_point(flags, 0))
        assert math.isnan(average_precision_area(flags, 0))
        return
    curve = [
        (Fraction(sum(true_positive[:k]), positives), Fraction(sum(true_positive[:k]), k))
        for k in range(1, len(true_positive) + 1)
    ]
    assert average_precision_11_point(flags, positives) == pytest.approx(
        float(devkit_11_point(curve)), abs=1e-9
    )
    assert average_precision_area(flags, positives) == pytest.approx(float(devkit_area(curve)), abs=1e-9)


# --- What each rule does -----------------------------------------------------------------------------------


def test_nothing_detected_scores_zero():
    assert aps([found()], [there((CAT, BOX))]) == [0, 0]


def test_images_without_objects_or_detections_are_normal():
    detections = [found(), found((CAT, 0.9, BOX)), found((CAT, 0.8, BOX)), found()]
    truths = [GroundTruth.empty(), GroundTruth.empty(), there((CAT, BOX)), there((CAT, BOX))]
    assert aps(detections, truths) == pytest.approx([6 / 11 * 0.5, 0.25])  # recall .5 at precision .5
    assert_as_devkit(detections, truths)


def test_a_second_detection_of_an_object_is_a_false_positive():
    truths = [there((CAT, cell(0)), (CAT, cell(1)))]
    detections = [found((CAT, 0.9, cell(0)), (CAT, 0.8, cell(0)), (CAT, 0.7, cell(1)))]
    curve = evaluate_voc(detections, truths, CLASSES).classes[CAT]
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.recall, [1 / 2, 1 / 2, 1])
    assert curve.ap == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert_as_devkit(detections, truths)


def test_a_detection_does_not_fall_back_on_its_second_best_object():
    # Both detections overlap the first object best; the second one also overlaps the other enough.
    truths = [there((CAT, (0, 0, 9, 9)), (CAT, (0, 0, 9, 12)))]
    detections = [found((CAT, 0.9, (0, 0, 9, 9)), (CAT, 0.8, (0, 0, 9, 10)))]
    curve = evaluate_voc(detections, truths, CLASSES).classes[CAT]
    np.testing.assert_allclose(curve.precision, [1, 1 / 2])
    assert_as_devkit(detections, truths)


def test_of_two_equal_objects_the_first_is_looked_at():
    detections = [found((CAT, 0.9, BOX), (CAT, 0.8, BOX))]
    only_first_counts = there((CAT, BOX), (CAT, BOX), difficult=[False, True])
    only_second_counts = there((CAT, BOX), (CAT, BOX), difficult=[True, False])
    assert len(evaluate_voc(detections, [only_first_counts], CLASSES).classes[CAT].scores) == 2
    assert len(evaluate_voc(detections, [only_second_counts], CLASSES).classes[CAT].scores) == 0
    for truth in (only_first_counts, only_second_counts):
        assert_as_devkit(detections, [truth])


@pytest.mark.parametrize("flag", ["difficult", "crowd"])
def test_a_difficult_or_crowd_object_taken_twice_changes_nothing(flag):
    truths = [there((CAT, cell(0)), (CAT, cell(1)), **{flag: [True, False]})]
    detections = [found((CAT, 0.9, cell(0)), (CAT, 0.8, cell(0)), (CAT, 0.7, cell(1)))]
    curve = evaluate_voc(detections, truths, CLASSES).classes[CAT]
    assert curve.positives == 1
    np.testing.assert_allclose(curve.scores, [0.7])
    assert curve.ap == 1
    assert_as_devkit(detections, truths)


def test_a_detection_far_from_a_difficult_object_is_a_false_positive():
    truths = [there((CAT, cell(0)), (CAT, cell(1)), difficult=[True, False])]
    detections = [found((CAT, 0.9, cell(2)), (CAT, 0.8, cell(1)))]
    assert aps(detections, truths) == [0.5, 0.5]


@pytest.mark.parametrize(("right", "ap"), [(9, 1), (4, 1), (3.99, 0)])
def test_an_iou_exactly_at_the_threshold_meets(right, ap):
    detections, truths = [found((CAT, 0.9, (0, 0, right, 9)))], [there((CAT, (0, 0, 9, 9)))]
    assert aps(detections, truths) == [ap, ap]
    assert_as_devkit(detections, truths)


@pytest.mark.parametrize("tenths", range(1, 11))
def test_thresholds_of_a_tenth_are_met_exactly(tenths):
    detections, truths = [found((CAT, 0.9, (0, 0, tenths - 1, 9)))], [there((CAT, (0, 0, 9, 9)))]
    assert aps(detections, truths, threshold=tenths / 10) == [1, 1]
    if tenths < 10:
        assert aps(detections, truths, threshold=tenths / 10 + 1e-9) == [0, 0]


def test_identical_boxes_of_two_classes_do_not_take_each_other():
    truths = [there((CAT, BOX), (DOG, BOX))]
    detections = [found((DOG, 0.9, BOX), (CAT, 0.8, BOX))]
    assert evaluate_voc(detections, truths, CLASSES).mAP == 1
    only_dogs = [found((DOG, 0.9, BOX), (DOG, 0.8, BOX))]
    assert evaluate_voc(only_dogs, truths, CLASSES).per_class["cat"] == 0
    assert_as_devkit(only_dogs, truths)


def test_a_class_is_judged_by_its_own_objects_where_another_class_overlaps_more():
    truths = [there((DOG, (0, 0, 9, 9)), (CAT, (0, 0, 9, 7)))]
    assert aps([found((CAT, 0.9, (0, 0, 9, 9)))], truths) == [1, 1]


def test_an_object_is_only_taken_in_its_own_image():
    detections = [found((CAT, 0.9, BOX)), found((CAT, 0.8, BOX))]
    assert aps(detections, [there((CAT, BOX)), there((CAT, BOX))]) == [1, 1]
    assert aps(detections, [there((DOG, BOX)), there((CAT, BOX))]) == [0.5, 0.5]


def test_an_unknown_protocol_is_the_users_fault():
    with pytest.raises(InputError, match=r"'voc12' is unknown: choose one of voc07, voc10$"):
        evaluate_voc([found()], [there((CAT, BOX))], CLASSES, "voc12")


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, math.nan])
def test_a_threshold_out_of_range_is_the_users_fault(threshold):
    with pytest.raises(InputError, match="above 0 and at most 1"):
        evaluate_voc([found()], [there((CAT, BOX))], CLASSES, iou_threshold=threshold)


@pytest.mark.parametrize(
    "truths", [[], [GroundTruth.empty()], [there((CAT, BOX), (DOG, BOX), difficult=[1, 0], crowd=[0, 1])]]
)
def test_a_split_without_objects_is_the_users_fault(truths):
    with pytest.raises(InputError, match="no class has an object to be found"):
        evaluate_voc([found() for _ in truths], truths, CLASSES)


def test_detections_of_other_classes_are_the_users_fault():
    with pytest.raises(
        InputError, match="image 1: the detector knows the classes dog, cat, the data has cat, dog"
    ):
        evaluate_voc(
            [Detections([], [], [], ("cat", "dog"), SIZE), Detections([], [], [], ("dog", "cat"), SIZE)],
            [there((CAT, BOX)), GroundTruth.empty()],
            ("cat", "dog"),
        )


def test_as_many_detections_as_ground_truths_are_needed():
    with pytest.raises(ValueError, match="detections of 1 images, ground truth of 2"):
        evaluate_voc([found()], [there((CAT, BOX)), there((CAT, BOX))], CLASSES)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_needs_a_class_name(label):
    with pytest.raises(ValueError, match="image 0: a label"):
        evaluate_voc([found()], [there((CAT, BOX), (label, BOX))], CLASSES)


def test_the_json_has_null_for_a_class_without_objects():
    result = evaluate_voc([found((CAT, 0.9, BOX))], [there((CAT, BOX), (DOG, BOX))], CLASSES, "voc07")
    assert json.loads(json.dumps(result.as_json(), allow_nan=False)) == {
        "protocol": "voc07",
        "iou_threshold": 0.5,
        "mAP": 0.5,
        "per_class": {"cat": 1.0, "dog": 0.0, "bird": None},
    }


def test_curves_are_float64_and_empty_ones_have_no_points():
    result = evaluate_voc(
        [found((CAT, 0.9, BOX), (BIRD, 0.8, BOX))], [there((CAT, BOX), (DOG, BOX))], CLASSES
    )
    assert [curve.name for curve in result.classes] == list(CLASSES)
    assert [curve.positives for curve in result.classes] == [1, 1, 0]
    assert [len(curve.scores) for curve in result.classes] == [1, 0, 1]
    assert np.isnan(result.classes[BIRD].recall).all()
    assert result.classes[BIRD].precision.tolist() == [0]
    for curve in result.classes:
        assert curve.scores.dtype == curve.recall.dtype == curve.precision.dtype == np.float64
        assert len(curve.scores) == len(curve.recall) == len(curve.precision)


# --- Faults of the Evaluator of the 2018 port, none of which is here ---------------------------------------


def test_fault_only_the_first_prediction_is_matched():
    truths = [there((CAT, cell(k))) for k in range(10)]
    detections = [found((CAT, 0.9 - k / 100, cell(k))) for k in range(10)]
    assert aps(detections, truths) == [1, 1]


def test_fault_a_class_without_predictions_shifts_the_classes_after_it():
    truths = [there((CAT, cell(0)), (DOG, cell(1)), (BIRD, cell(2)))]
    result = evaluate_voc([found((CAT, 0.9, cell(0)), (BIRD, 0.8, cell(2)))], truths, CLASSES)
    assert result.per_class == {"cat": 1, "dog": 0, "bird": 1}
    assert result.mAP == pytest.approx(2 / 3)


@pytest.mark.parametrize("objects", [1, 2, 3, 7, 10, 49])
def test_fault_the_area_of_a_perfect_detector_is_below_one(objects):
    truths = [there(*[(CAT, cell(k)) for k in range(objects)])]
    detections = [found(*[(CAT, 0.9, cell(k)) for k in range(objects)])]
    assert aps(detections, truths) == [1, 1]


@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_fault_small_perfect_boxes_are_missed(pixels):
    truths = [there((CAT, cell(5, pixels)))]
    detections = [found((CAT, 0.9, cell(5, pixels)))]
    assert aps(detections, truths, threshold=1.0) == [1, 1]
    assert_as_devkit(detections, truths)


def test_fault_a_class_without_ground_truth_spoils_the_mean():
    result = evaluate_voc([found((CAT, 0.9, BOX), (DOG, 0.8, BOX))], [there((CAT, BOX))], CLASSES)
    assert math.isnan(result.per_class["dog"])
    assert math.isnan(result.per_class["bird"])
    assert result.mAP == 1


@pytest.mark.parametrize("found_of_10", range(11))
def test_fault_a_recall_of_exactly_some_tenths_does_not_count(found_of_10):
    truths = [there(*[(CAT, cell(k)) for k in range(10)])]
    detections = [found(*[(CAT, 0.9, cell(k)) for k in range(found_of_10)])]
    levels = found_of_10 + 1 if found_of_10 else 0
    assert aps(detections, truths)[0] == pytest.approx(levels / 11)


@pytest.mark.parametrize(("order", "ap"), [((CAT, DOG), 1), ((DOG, CAT), 0.5)])
def test_fault_equal_scores_change_places(order, ap):
    # Many images with the same score: the sort has to keep their order.
    detections = [found((CAT, 0.5, BOX)) for _ in range(100)]
    truths = [there((order[0], BOX))] * 50 + [there((order[1], BOX))] * 50
    assert aps(detections, truths) == pytest.approx([ap, ap])
    assert_as_devkit(detections, truths)


def test_fault_boxes_are_rounded_before_they_are_matched():
    # Rounded to one decimal the box would end at 4.0, with an IoU of exactly .5.
    assert aps([found((CAT, 0.9, (0, 0, 3.96, 9)))], [there((CAT, (0, 0, 9, 9)))]) == [0, 0]
