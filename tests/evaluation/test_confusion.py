"""The confusion matrix on cases counted by hand."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from judged_cases import (
    BIRD,
    BOX,
    CAT,
    CLASSES,
    DOG,
    any_images,
    as_detections_and_truths,
    cell,
    found,
    middling,
    there,
)

from ssd_keras.evaluation.confusion import confusion_matrix
from ssd_keras.evaluation.protocols import COCO_RULES, VOC_RULES
from ssd_keras.evaluation.table import gather

BACKGROUND = 3


def counts(detections, truths, rules=VOC_RULES, threshold=0.5):
    """Give the cells that are not 0: {(what it is, what it was found as): how often}."""
    matrix = confusion_matrix(gather(detections, truths, CLASSES), rules, 0.5, threshold).counts
    return {(int(i), int(j)): int(matrix[i, j]) for i, j in zip(*np.nonzero(matrix), strict=True)}


def test_of_nothing_is_nothing():
    assert counts([], []) == {}
    assert counts([found()], [there()]) == {}


def test_right_wrong_missed_and_made_up():
    truths = [there((CAT, cell(0)), (CAT, cell(1)), (DOG, cell(2)))]
    detections = [found((CAT, 0.9, cell(0)), (BIRD, 0.8, cell(1)), (BIRD, 0.7, cell(5)))]
    assert counts(detections, truths) == {
        (CAT, CAT): 1,
        (CAT, BIRD): 1,
        (DOG, BACKGROUND): 1,
        (BACKGROUND, BIRD): 1,
    }


def test_what_scores_below_the_threshold_is_not_there():
    truths = [there((CAT, BOX))]
    detections = [found((CAT, 0.5, BOX), (DOG, 0.49, BOX))]
    assert counts(detections, truths) == {(CAT, CAT): 1}
    assert counts(detections, truths, threshold=0.51) == {(CAT, BACKGROUND): 1}
    assert counts(detections, truths, threshold=0) == {(CAT, CAT): 1, (BACKGROUND, DOG): 1}


def test_of_two_that_overlap_alike_the_right_class_is_taken():
    detections = [found((DOG, 0.9, BOX), (CAT, 0.6, BOX))]
    assert counts(detections, [there((CAT, BOX))]) == {(CAT, CAT): 1, (BACKGROUND, DOG): 1}


def test_what_overlaps_more_is_taken_whatever_its_class_and_score():
    detections = [found((CAT, 0.9, (10, 10, 29, 33)), (DOG, 0.6, BOX))]
    assert counts(detections, [there((CAT, BOX))]) == {(CAT, DOG): 1, (BACKGROUND, CAT): 1}


def test_of_two_alike_the_better_score_is_taken_and_the_other_is_made_up():
    detections = [found((DOG, 0.9, BOX), (BIRD, 0.8, BOX))]
    assert counts(detections, [there((CAT, BOX))]) == {(CAT, DOG): 1, (BACKGROUND, BIRD): 1}


def test_a_detection_of_what_does_not_count_is_passed_over():
    truths = [there((CAT, cell(0)), (DOG, cell(1)), difficult=[True, False], crowd=[False, True])]
    detections = [found((CAT, 0.9, cell(0)), (BIRD, 0.8, cell(0)), (CAT, 0.7, cell(1)))]
    assert counts(detections, truths) == {}
    assert counts(detections, truths, COCO_RULES) == {(CAT, CAT): 1, (BACKGROUND, BIRD): 1}


def test_images_are_kept_apart():
    detections = [found((CAT, 0.9, BOX)), found()]
    assert counts(detections, [there(), there((CAT, BOX))]) == {(BACKGROUND, CAT): 1, (CAT, BACKGROUND): 1}


@given(st.lists(any_images(), min_size=1, max_size=4), st.sampled_from([VOC_RULES, COCO_RULES]))
def test_rows_are_objects_and_columns_are_detections(drawn, rules):
    table = gather(*as_detections_and_truths(drawn), CLASSES)
    matrix = confusion_matrix(table, rules, 0.5, 0.25).counts
    np.testing.assert_array_equal(matrix[:-1].sum(axis=1), table.positives(table.counted(rules)))
    seen = np.bincount(table.labels[table.scores >= 0.25], minlength=len(CLASSES))
    assert (matrix[:, :-1].sum(axis=0) <= seen).all()
    if table.counted(rules).all():
        np.testing.assert_array_equal(matrix[:, :-1].sum(axis=0), seen)
    assert matrix[-1, -1] == 0


def test_the_json_names_background_last():
    document = confusion_matrix(gather(*middling(0), CLASSES), VOC_RULES, 0.5, 0.25).as_json()
    assert json.loads(json.dumps(document)) == document
    assert document["names"] == [*CLASSES, "background"]
    assert (document["score_threshold"], document["iou_threshold"]) == (0.25, 0.5)
    assert np.shape(document["counts"]) == (4, 4)
