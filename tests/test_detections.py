import json
import sys

import numpy as np
import pytest

from ssd_keras.detections import Detection, Detections
from ssd_keras.errors import InputError

NAMES = ("car", "truck")


def some() -> Detections:
    return Detections(
        boxes_px=[[10, 20, 30, 40], [0, 0, 5, 5], [1.25, 2.004, 3, 4]],
        scores=[0.25, 0.75, 0.5],
        labels=[0, 1, 0],
        class_names=NAMES,
        size=(100, 200),
    )


def test_nothing_found_is_normal():
    nothing = Detections([], [], [], NAMES, (10, 20))
    assert len(nothing) == 0
    assert list(nothing) == []
    assert nothing.boxes_px.shape == (0, 4)
    assert str(nothing) == "nothing found"
    assert nothing.as_json() == []
    assert len(nothing.above(0.0)) == 0


def test_best_score_comes_first():
    found = some()
    assert found.scores.tolist() == [0.75, 0.5, 0.25]
    assert found.labels.tolist() == [1, 0, 0]
    assert found.boxes_px[0].tolist() == [0, 0, 5, 5]


def test_equal_scores_keep_their_order():
    found = Detections(np.arange(12).reshape(3, 4), [0.5, 0.5, 0.5], [0, 1, 0], NAMES, (9, 9))
    assert found.boxes_px.tolist() == np.arange(12).reshape(3, 4).tolist()


def test_types():
    found = some()
    assert (found.boxes_px.dtype, found.scores.dtype, found.labels.dtype) == ("float32", "float32", "int32")
    assert found.class_names == NAMES
    assert found.size == (100, 200)


def test_iterating_names_each_object():
    assert next(iter(some())) == Detection("truck", 0.75, (0.0, 0.0, 5.0, 5.0))
    assert len(list(some())) == len(some()) == 3


def test_reads_as_a_line_of_text():
    assert str(some()).split("; ")[2] == "car 0.25 at (10, 20)-(30, 40)"


def test_threshold_is_inclusive():
    assert some().above(0.5).scores.tolist() == [0.75, 0.5]
    assert len(some().above(0.76)) == 0
    assert some().above(0.5).size == (100, 200)


def test_json_holds_label_score_and_box():
    assert some().as_json()[1] == {"label": "car", "score": 0.5, "box": [1.25, 2.004, 3.0, 4.0]}


def test_json_gives_the_same_numbers_again():
    rng = np.random.default_rng(0)
    boxes, scores = rng.uniform(0, 5000, (50, 4)).astype(np.float32), rng.random(50, np.float32)
    found = Detections(boxes, scores, [0] * 50, NAMES, (5000, 5000))
    read = json.loads(json.dumps(found.as_json()))
    np.testing.assert_array_equal(np.float32([one["box"] for one in read]), found.boxes_px)
    np.testing.assert_array_equal(np.float32([one["score"] for one in read]), found.scores)
    assert len(str(read[0]["box"][0])) < 11


def test_input_is_not_changed():
    scores = np.array([0.1, 0.9], np.float32)
    Detections(np.zeros((2, 4)), scores, [0, 1], NAMES, (1, 1))
    assert scores.tolist() == pytest.approx([0.1, 0.9])


@pytest.mark.parametrize(
    ("boxes", "scores", "labels"),
    [
        (np.zeros((2, 4)), [0.5], [0]),
        (np.zeros((1, 4)), [0.5, 0.5], [0, 0]),
        (np.zeros((1, 4)), [0.5], []),
        (np.zeros((1, 4)), [np.nan], [0]),
        ([[0, 0, np.inf, 1]], [0.5], [0]),
        (np.zeros((1, 4)), [0.5], [2]),
        (np.zeros((1, 4)), [0.5], [-1]),
    ],
)
def test_what_does_not_agree_is_refused(boxes, scores, labels):
    with pytest.raises(ValueError):
        Detections(boxes, scores, labels, NAMES, (10, 10))


def test_the_summary_counts_by_class_and_gives_the_scores():
    scores = [0.9, 0.8, 0.7, 0.65, 0.6]
    found = Detections([(0, 0, 9, 9)] * 5, scores, [1, 0, 1, 1, 1], ("car", "dog"), (20, 20))
    assert found.summary() == "4 dog (0.90 to 0.60), 1 car (0.80)"
    assert Detections([], [], [], ("car",), (20, 20)).summary() == "nothing found"


def test_counts_are_by_class_in_the_order_of_the_classes():
    assert some().counts() == {"car": 2, "truck": 1}
    assert list(some().counts()) == ["car", "truck"]
    assert some().above(0.7).counts() == {"truck": 1}
    assert Detections([], [], [], NAMES, (9, 9)).counts() == {}


def test_a_mask_selects():
    chosen = some().select(np.array([True, False, True]))
    assert chosen.scores.tolist() == [0.75, 0.25]
    assert (chosen.class_names, chosen.size) == (NAMES, (100, 200))


def test_supervision_gets_the_same_boxes_scores_and_names():
    supervision = pytest.importorskip("supervision")
    given = some().to_supervision()
    assert isinstance(given, supervision.Detections)
    np.testing.assert_array_equal(given.xyxy, some().boxes_px)
    np.testing.assert_array_equal(given.confidence, some().scores)
    assert given.class_id.tolist() == [1, 0, 0]
    assert given.data["class_name"].tolist() == ["truck", "car", "car"]
    assert given["class_name"].tolist() == ["truck", "car", "car"]
    assert len(given[given.confidence > 0.4]) == 2


def test_supervision_understands_that_nothing_was_found():
    supervision = pytest.importorskip("supervision")
    nothing = Detections([], [], [], NAMES, (10, 20)).to_supervision()
    assert len(nothing) == 0
    assert nothing.is_empty()
    annotated = supervision.BoxAnnotator().annotate(np.zeros((10, 20, 3), np.uint8), nothing)
    assert not annotated.any()


def test_an_annotator_of_supervision_draws_the_boxes():
    supervision = pytest.importorskip("supervision")
    annotated = supervision.BoxAnnotator().annotate(
        np.zeros((100, 200, 3), np.uint8), some().to_supervision()
    )
    assert annotated[20, 10:30].any(axis=-1).all()


def test_a_missing_supervision_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match="pip install supervision") as error:
        some().to_supervision()
    assert "\n" not in str(error.value)
