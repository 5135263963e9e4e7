"""Thresholds of single classes: what is kept, and what is refused in one line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.thresholds import Thresholds

CLASSES = ("car", "person", "a=b")


def found(*scores_and_labels):
    scores = [score for score, _ in scores_and_labels]
    labels = [label for _, label in scores_and_labels]
    return Detections(np.zeros((len(scores), 4)), scores, labels, CLASSES, (10, 20))


def test_nothing_found_stays_nothing():
    assert len(Thresholds.parse(0.5, ["car=0.3"], CLASSES).apply(found())) == 0


def test_each_class_has_its_own_or_the_default():
    thresholds = Thresholds.parse(0.5, ["car=0.3", " person = .8", "a=b=0"], CLASSES)
    kept = thresholds.apply(found((0.4, 0), (0.2, 0), (0.7, 1), (0.9, 1), (0.01, 2)))
    assert kept.scores.tolist() == pytest.approx([0.9, 0.4, 0.01])
    assert kept.labels.tolist() == [1, 0, 2]
    assert kept.size == (10, 20)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7, 1 / 3])
def test_a_score_that_is_the_threshold_is_kept(threshold):
    """As `Detections.above` does: float32(0.7) is less than 0.7."""
    detections = found((threshold, 0))
    assert len(Thresholds.parse(0.5, [f"car={threshold}"], CLASSES).apply(detections)) == 1
    assert len(Thresholds.parse(threshold, [], CLASSES).apply(detections)) == 1


def test_the_lowest_is_what_a_detector_needs_to_be_asked_for():
    assert Thresholds.parse(0.5, [], CLASSES).lowest == 0.5
    assert Thresholds.parse(0.5, ["car=0.3"], CLASSES).lowest == 0.3
    assert Thresholds.parse(0.5, ["car=0.9"], CLASSES).lowest == 0.5
    everyone = ["car=0.9", "person=0.8", "a=b=0.7"]
    assert Thresholds.parse(0.5, everyone, CLASSES).lowest == 0.7


@given(
    st.floats(0, 1),
    st.dictionaries(st.sampled_from(CLASSES), st.floats(0, 1)),
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 2)), max_size=6),
)
def test_nothing_is_lost_by_asking_for_the_lowest_first(default, own, scores):
    thresholds = Thresholds.parse(default, [f"{name}={number!r}" for name, number in own.items()], CLASSES)
    detections = found(*scores)
    np.testing.assert_array_equal(
        thresholds.apply(detections.above(thresholds.lowest)).scores, thresholds.apply(detections).scores
    )


@pytest.mark.parametrize(
    ("default", "texts", "said"),
    [
        (0.5, ["caar=0.3"], "did you mean 'car'"),
        (0.5, ["=0.3"], "not in the list of classes"),
        (0.5, ["car"], "write it as car=0.3"),
        (0.5, ["car=high"], "'high' is no number"),
        (0.5, ["car="], "is no number"),
        (0.5, ["car=1.5"], "not from 0 to 1"),
        (0.5, ["car=-0.1"], "not from 0 to 1"),
        (0.5, ["car=nan"], "not from 0 to 1"),
        (0.5, ["car=0.3", "car=0.4"], "has one already"),
        (7, [], "threshold 7 is not from 0 to 1"),
        (float("nan"), [], "not from 0 to 1"),
        (0.5, ["ca\nr=0.3"], "not in the list"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(default, texts, said):
    with pytest.raises(InputError, match=said) as error:
        Thresholds.parse(default, texts, CLASSES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("default", "own", "said"),
    [
        (0.5, {"caar": 0.3}, "did you mean 'car'"),
        (0.5, {"car": 1.5}, "of class 'car' is not from 0 to 1"),
        (float("nan"), {}, "not from 0 to 1"),
    ],
)
def test_thresholds_made_in_python_are_checked_as_well(default, own, said):
    assert Thresholds(0.5, CLASSES, {"car": 0.3}).lowest == 0.3
    with pytest.raises(InputError, match=said):
        Thresholds(default, CLASSES, own)
