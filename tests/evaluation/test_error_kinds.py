"""Errors by kind on cases counted by hand, after TIDE."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_cases import (
    BIRD,
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

from ssd_keras.evaluation.error_kinds import KINDS, error_kinds
from ssd_keras.evaluation.judging import judge
from ssd_keras.evaluation.protocols import COCO_RULES, VOC_RULES
from ssd_keras.evaluation.table import gather

WHOLE = (0, 0, 9, 9)
HALF = (0, 0, 3, 9)
"""IoU .4 with `WHOLE`."""
TENTH = (0, 0, 0, 9)
"""IoU .1 with `WHOLE`."""


def errors_of(detections, truths, rules=VOC_RULES, threshold=0.0, protocol="voc10"):
    table = gather(detections, truths, CLASSES)
    return error_kinds(table, rules, judge(table, rules, 0.5), 0.5, threshold, protocol)


def kinds(detections, truths, **more):
    """Give how often each kind occurs, without those that do not."""
    return {kind: n for kind, n in errors_of(detections, truths, **more).total.items() if n}


def test_without_errors_there_are_none():
    assert kinds([], []) == {}
    assert kinds([found((CAT, 0.9, WHOLE))], [there((CAT, WHOLE))]) == {}


@pytest.mark.parametrize(
    ("label", "box", "expected"),
    [
        (CAT, HALF, {"place": 1}),
        (CAT, TENTH, {"place": 1}),
        (DOG, WHOLE, {"class": 1}),
        (DOG, HALF, {"class and place": 1, "missed": 1}),
        (CAT, (0, 0, 0, 8), {"background": 1, "missed": 1}),
        (CAT, (50, 50, 60, 60), {"background": 1, "missed": 1}),
    ],
)
def test_the_kind_of_one_error(label, box, expected):
    assert kinds([found((label, 0.9, box))], [there((CAT, WHOLE))]) == expected


def test_a_second_detection_is_a_duplicate():
    detections = [found((CAT, 0.9, WHOLE), (CAT, 0.8, WHOLE), (CAT, 0.7, WHOLE))]
    assert kinds(detections, [there((CAT, WHOLE))]) == {"duplicate": 2}


def test_place_goes_before_class_and_class_before_duplicate():
    truths = [there((CAT, WHOLE), (DOG, WHOLE))]
    seen = [(CAT, 0.9, WHOLE), (DOG, 0.8, WHOLE)]
    assert kinds([found(*seen, (CAT, 0.7, WHOLE))], truths) == {"class": 1}
    truths = [there((CAT, WHOLE), (DOG, HALF))]
    seen = [(CAT, 0.9, WHOLE), (DOG, 0.8, HALF)]
    assert kinds([found(*seen, (CAT, 0.7, HALF))], truths) == {"place": 1}


def test_what_does_not_count_is_neither_missed_nor_an_error():
    truths = [there((CAT, WHOLE), (DOG, cell(55)), difficult=[True, False], crowd=[False, True])]
    assert kinds([found()], truths) == {}
    assert kinds([found((CAT, 0.9, WHOLE))], truths) == {}
    assert kinds([found((BIRD, 0.9, WHOLE))], truths) == {"background": 1}
    assert kinds([found()], truths, rules=COCO_RULES) == {"missed": 1}


def test_only_detections_that_reach_the_threshold_are_counted():
    truths = [there((CAT, WHOLE), (DOG, cell(55)))]
    detections = [found((CAT, 0.4, WHOLE), (DOG, 0.6, cell(99)))]
    assert kinds(detections, truths, threshold=0.5) == {"background": 1, "missed": 2}
    assert kinds(detections, truths) == {"background": 1, "missed": 1}


def test_errors_are_counted_by_the_class_of_the_detection_or_of_the_missed_object():
    truths = [there((CAT, WHOLE), (BIRD, cell(99)))]
    errors = errors_of([found((DOG, 0.9, WHOLE))], truths)
    assert errors.counts[KINDS.index("class")].tolist() == [0, 1, 0]
    assert errors.counts[KINDS.index("missed")].tolist() == [0, 0, 1]
    document = json.loads(json.dumps(errors.as_json(), allow_nan=False))
    assert document["per_class"]["dog"]["class"] == 1
    assert document["total"] == errors.total


def test_what_each_kind_costs():
    # Cats: one right, then one too far off. Dogs: found as a bird. AP of cat .5, of dog 0.
    truths = [there((CAT, WHOLE), (CAT, cell(55)), (DOG, cell(99)))]
    far_off = (cell(55)[0], cell(55)[1], cell(55)[2], cell(55)[3] - 5)
    detections = [found((CAT, 0.9, WHOLE), (CAT, 0.8, far_off), (BIRD, 0.7, cell(99)))]
    gains = errors_of(detections, truths).gains
    assert gains["place"] == pytest.approx(0.25)
    assert gains["class"] == pytest.approx(0.5)
    assert [gains[kind] for kind in ("class and place", "duplicate", "background", "missed")] == [0] * 4


def test_false_positives_before_a_right_one_cost_what_dropping_them_gains():
    truths = [there((CAT, WHOLE), (CAT, cell(55)))]
    detections = [found((CAT, 0.9, cell(99)), (CAT, 0.8, WHOLE), (CAT, 0.7, WHOLE))]
    gains = errors_of(detections, truths).gains  # AP is 1/2 of 1/2
    assert gains["background"] == pytest.approx(0.5 - 0.25)
    assert gains["missed"] == pytest.approx(0.5 - 0.25)
    assert gains["duplicate"] == 0


def test_of_two_errors_that_mean_one_object_only_the_better_becomes_right():
    truths = [there((CAT, WHOLE), (CAT, cell(99)))]
    detections = [found((CAT, 0.9, HALF), (CAT, 0.8, HALF), (CAT, 0.7, cell(99)))]
    # Mended: right, dropped, right.
    errors = errors_of(detections, truths)
    assert errors.gains["place"] == pytest.approx(1 - 1 / 6)


@given(st.lists(any_images(), min_size=1, max_size=4), st.sampled_from([VOC_RULES, COCO_RULES]))
def test_every_false_positive_is_of_one_kind(drawn, rules):
    detections, truths = as_detections_and_truths(drawn)
    table = gather(detections, truths, CLASSES)
    verdicts = judge(table, rules, 0.5)
    errors = errors_of(detections, truths, rules=rules, protocol="coco")
    assert errors.counts[:-1].sum() == verdicts.false_positive.sum()
    assert errors.total["missed"] <= table.counted(rules).sum() - verdicts.true_positive.sum()
    assert all(np.isfinite(gain) for gain in errors.gains.values())


def test_to_mend_errors_never_costs():
    for seed in range(5):
        assert min(errors_of(*middling(seed)).gains.values()) >= 0
