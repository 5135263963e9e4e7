"""F1 by threshold on cases counted by hand, and against counting at every threshold."""

import json
import math
import shlex

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_cases import CAT, CLASSES, DOG, any_images, as_detections_and_truths, cell, found, there

from ssd_keras.cli import app
from ssd_keras.evaluation.curves import class_curves
from ssd_keras.evaluation.judging import judge
from ssd_keras.evaluation.protocols import VOC_RULES
from ssd_keras.evaluation.table import gather
from ssd_keras.evaluation.thresholds import (
    ALL,
    GRID,
    MOST_IN_A_FLAG,
    BestThreshold,
    ThresholdScores,
    f1_at,
    rounded_down,
    threshold_scores,
)
from ssd_keras.inference.thresholds import Thresholds


def curves_of(detections, truths):
    table = gather(detections, truths, CLASSES)
    verdicts = judge(table, VOC_RULES, 0.5)
    return class_curves(table, verdicts, table.positives(table.counted(VOC_RULES)), "voc10")


def test_the_best_threshold_of_a_class():
    truths = [there((CAT, cell(0)), (CAT, cell(1)), (CAT, cell(2)))]
    detections = [found((CAT, 0.9, cell(0)), (CAT, 0.6, cell(5)), (CAT, 0.5, cell(1)), (CAT, 0.2, cell(6)))]
    # F1 at .9: 2/4, at .6: 2/5, at .5: 4/6, at .2: 4/7
    best = threshold_scores(curves_of(detections, truths)).best["cat"]
    assert best.threshold == 0.5
    assert (best.f1, best.precision, best.recall) == pytest.approx((4 / 6, 2 / 3, 2 / 3))
    assert len(detections[0].above(best.threshold)) == 3


def test_of_thresholds_as_good_the_highest_is_given():
    truths = [there((CAT, cell(0)), (CAT, cell(1)))]
    wrong = [(CAT, 0.5, cell(4)), (CAT, 0.5, cell(5)), (CAT, 0.5, cell(6))]
    detections = [found((CAT, 0.9, cell(0)), *wrong[:2], (CAT, 0.4, cell(1)))]
    # F1 at .9: 2/3, at .5: 2/5, at .4: 4/6
    assert threshold_scores(curves_of(detections, truths)).best["cat"].threshold == np.float32(0.9)


def test_detections_of_one_score_are_taken_together():
    truths = [there((CAT, cell(0)))]
    detections = [found((CAT, 0.5, cell(0)), (CAT, 0.5, cell(1)))]
    best = threshold_scores(curves_of(detections, truths)).best["cat"]
    assert (best.threshold, best.f1) == (0.5, pytest.approx(2 / 3))


def test_a_class_that_is_never_found_has_no_threshold():
    scores = threshold_scores(
        curves_of([found((CAT, 0.9, cell(1)))], [there((CAT, cell(0)), (DOG, cell(3)))])
    )
    assert math.isnan(scores.best["cat"].threshold)
    assert scores.best["dog"].f1 == 0
    assert set(scores.best) == set(scores.f1) == {"cat", "dog"}  # there is no bird
    assert json.loads(json.dumps(scores.as_json(), allow_nan=False))["best"]["cat"]["threshold"] is None


def test_nothing_at_all_has_no_threshold():
    scores = threshold_scores(curves_of([], []))
    assert scores.best == {}
    assert math.isnan(scores.overall.threshold)


def test_each_class_has_its_own_threshold_in_one_flag():
    def scores_of(**thresholds):
        best = {name: BestThreshold(name, value, 1.0, 1.0, 1.0) for name, value in thresholds.items()}
        return ThresholdScores(GRID, {}, best, BestThreshold(ALL, 0.5, 1.0, 1.0, 1.0))

    several = scores_of(coin=0.638, **{"red key": 0.19}, leaf=math.nan)
    assert several.as_flag() == "--class-threshold coin=0.63 'red key=0.19'"
    assert scores_of(coin=0.638, leaf=math.nan).as_flag() == ""
    assert scores_of(**{f"class{k}": 0.5 for k in range(MOST_IN_A_FLAG + 1)}).as_flag() == ""


def test_the_flag_is_understood_when_pasted():
    names = ("-left", "it's", 'the "big" one', "a=b", "$HOME")
    best = {name: BestThreshold(name, 0.25, 1.0, 1.0, 1.0) for name in names}
    for chosen in (names, names[1:]):
        scores = ThresholdScores(GRID, {}, {name: best[name] for name in chosen}, best[names[0]])
        words = ["detect", "MODEL", "IMAGE", *shlex.split(scores.as_flag())]
        _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        given = bound.arguments["finding"].class_threshold
        assert Thresholds.parse(0.5, given, names).per_class == dict.fromkeys(chosen, 0.25)


@pytest.mark.parametrize(
    ("threshold", "stated"),
    [(1.0, 1.0), (0.978, 0.97), (0.1, 0.1), (0.0168, 0.016), (0.000129, 0.00012), (0.0, 0.0)],
)
def test_a_threshold_is_rounded_down_but_not_to_nothing(threshold, stated):
    assert rounded_down(threshold) == pytest.approx(stated, abs=1e-12)
    assert rounded_down(threshold) <= threshold


def test_one_threshold_for_all_classes_counts_them_together():
    truths = [there((CAT, cell(0)), (DOG, cell(1)))]
    detections = [found((CAT, 0.9, cell(0)), (CAT, 0.5, cell(5)), (DOG, 0.25, cell(1)))]
    overall = threshold_scores(curves_of(detections, truths)).overall
    # F1 at .9: 2/3, at .5: 2/4, at .25: 4/5
    assert (overall.threshold, overall.f1) == (0.25, pytest.approx(4 / 5))
    assert (overall.name, overall.recall) == ("all classes", 1)


@given(st.lists(any_images(), min_size=1, max_size=4))
def test_f1_is_that_of_counting_at_every_threshold(drawn):
    detections, truths = as_detections_and_truths(drawn)
    for curve in curves_of(detections, truths):
        if not curve.positives:
            continue
        thresholds = np.array([0, 0.1, 0.2, 0.5, 0.9, 1])
        expected = []
        for threshold in thresholds:
            taken = int((curve.scores >= np.float32(threshold)).sum())
            right = round(curve.recall[taken - 1] * curve.positives) if taken else 0
            expected.append(2 * right / (taken + curve.positives))
        np.testing.assert_allclose(f1_at(curve, thresholds), expected)
        best = threshold_scores((curve,)).best[curve.name]
        every = f1_at(curve, np.unique(curve.scores))
        assert best.f1 == pytest.approx(max(every, default=0))
