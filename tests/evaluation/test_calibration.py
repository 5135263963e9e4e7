"""Calibration on cases counted by hand."""

import json

import numpy as np
import pytest

from ssd_keras.evaluation.calibration import calibration


def test_bins_count_score_and_precision():
    scores = np.array([0.05, 0.0, 0.95, 1.0, 0.9375], np.float32)
    found = calibration(scores, np.array([0, 0, 1, 1, 0], bool))
    assert found.count.tolist() == [2, *[0] * 8, 3]
    assert found.precision[[0, -1]] == pytest.approx([0, 2 / 3])
    assert found.score[[0, -1]] == pytest.approx([0.025, 2.8875 / 3])
    assert np.isnan(found.score[1:-1]).all()
    assert found.expected_error == pytest.approx(2 / 5 * 0.025 + 3 / 5 * (2.8875 - 2) / 3)


def test_scores_that_are_probabilities_have_no_error():
    scores = np.repeat([0.25, 0.75], 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)
    assert calibration(scores, right).expected_error == pytest.approx(0)
    assert calibration(scores, ~right).expected_error == pytest.approx(0.5)


@pytest.mark.parametrize(("score", "place"), [(0, 0), (0.5, 1), (0.49, 0), (1, 1)])
def test_a_score_on_an_edge_belongs_to_the_bin_above(score, place):
    assert calibration(np.array([score]), np.array([True]), bins=2).count.argmax() == place


def test_without_detections_there_is_no_error():
    found = calibration(np.zeros(0, np.float32), np.zeros(0, bool))
    assert found.expected_error == 0
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert document["precision"] == [None] * 10
    assert len(document["edges"]) == 11
