"""The analysis as a whole: parts agree with the official numbers, nothing is normal, the document is JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_cases import (
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

from ssd_keras.errors import InputError
from ssd_keras.evaluation.analysis import analyse
from ssd_keras.evaluation.coco import SIZES, evaluate_coco
from ssd_keras.evaluation.voc import evaluate_voc

PROTOCOLS = ("voc07", "voc10", "coco")


@pytest.mark.parametrize("protocol", ["voc07", "voc10"])
def test_the_curves_of_voc_are_those_of_its_evaluation(protocol):
    detections, truths = middling(0)
    official = evaluate_voc(detections, truths, CLASSES, protocol, 0.4)
    analysis = analyse(detections, truths, CLASSES, protocol, 0.4)
    assert [curve.ap for curve in analysis.curves] == list(official.per_class.values())


def assert_as_coco(detections, truths):
    official = evaluate_coco(detections, truths, CLASSES)
    analysis = analyse(detections, truths, CLASSES, "coco")
    ap50 = official.precision[0, :, :, :, -1].mean(axis=0)  # (classes, sizes)
    np.testing.assert_allclose([curve.ap for curve in analysis.curves], ap50[:, 0], atol=1e-12)
    for score in analysis.sizes:
        expected = ap50[:, SIZES.index(score.size)]
        np.testing.assert_allclose(list(score.per_class.values()), expected, atol=1e-12)


@given(st.lists(any_images(sides=(1, 3, 9)), min_size=1, max_size=4))
@settings(max_examples=50)
def test_the_curves_and_sizes_of_coco_are_those_of_its_evaluation(drawn):
    detections, truths = as_detections_and_truths(drawn)
    truths[0] = there((CAT, BOX))
    assert_as_coco(detections, truths)


@pytest.mark.parametrize("side", [40, 120, 200])
def test_objects_of_all_sizes_score_as_in_coco(side):
    assert_as_coco(*middling(1, side=side))


def test_small_objects_alone_are_scored_as_if_there_were_no_others():
    small, large = (0, 0, 20, 20), (0, 0, 99, 99)
    truths = [there((CAT, small), (CAT, large))]
    detections = [found((CAT, 0.9, large), (CAT, 0.8, (50, 50, 99, 99)), (CAT, 0.7, small))]
    of_size = {score.size: score for score in analyse(detections, truths, CLASSES).sizes}
    assert (of_size["small"].objects, of_size["small"].mAP) == (1, 1)
    assert (of_size["large"].objects, of_size["large"].mAP) == (1, 1)
    assert of_size["medium"].objects == 0
    assert math.isnan(of_size["medium"].mAP)
    assert of_size["medium"].as_json()["mAP"] is None


def test_a_difficult_object_counts_in_coco_only():
    truths = [there((CAT, BOX), difficult=[True])]
    assert analyse([found()], truths, CLASSES, "voc10").curves[CAT].positives == 0
    assert analyse([found()], truths, CLASSES, "coco").curves[CAT].positives == 1


def test_images_by_what_went_wrong_in_them():
    truths = [there((CAT, BOX)), there((CAT, cell(0)), (DOG, cell(1))), there(), there((CAT, BOX))]
    detections = [
        found((CAT, 0.9, BOX), (CAT, 0.2, cell(9))),
        found((DOG, 0.9, cell(0)), (DOG, 0.8, cell(1))),
        found(),
        found(),
    ]
    images = analyse(detections, truths, CLASSES).images
    assert images.found.tolist() == [1, 1, 0, 0]
    assert images.wrong.tolist() == [0, 1, 0, 0]
    assert images.missed.tolist() == [0, 1, 0, 1]
    assert images.f1 == pytest.approx([1, 0.5, 1, 0])
    assert images.worst(2) == [1, 3]
    assert images.best(9) == [0, 2, 3, 1]


def test_calibration_leaves_out_what_is_ignored():
    truths = [there((CAT, cell(0)), (CAT, cell(1)), difficult=[True, False])]
    detections = [found((CAT, 0.9, cell(0)), (CAT, 0.8, cell(1)), (CAT, 0.3, cell(5)))]
    reliability = analyse(detections, truths, CLASSES).calibration
    assert reliability.count.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    assert reliability.precision[[3, 8]].tolist() == [0, 1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("detections", "truths"),
    [
        ([], []),
        ([found()], [there()]),
        ([found((CAT, 0.9, BOX))], [there()]),
        ([found()], [there((CAT, BOX))]),
        ([found((CAT, 0.9, BOX))], [there((CAT, BOX), crowd=[True])]),
        middling(2),
    ],
)
def test_the_document_is_json_whatever_there_is(protocol, detections, truths):
    analysis = analyse(detections, truths, CLASSES, protocol, seconds={"matching": 0.5})
    document = json.loads(json.dumps(analysis.as_json(), allow_nan=False))
    assert document["protocol"] == protocol
    assert document["seconds"] == {"matching": 0.5}
    assert [curve["class"] for curve in document["curves"]] == list(CLASSES)
    assert {"thresholds", "confusion", "errors", "sizes", "calibration"} <= document.keys()


def test_a_curve_in_the_document_has_a_point_for_each_percent_of_recall():
    truths = [there((CAT, cell(0)), (CAT, cell(1)))]
    detections = [found((CAT, 0.75, cell(0)), (CAT, 0.5, cell(5)))]
    curve = analyse(detections, truths, CLASSES).as_json()["curves"][CAT]
    assert curve["precision_at_recall_percent"] == [1.0] * 51  # recall ends at a half
    assert curve["score_at_recall_percent"] == [0.75] * 51
    assert (curve["objects"], curve["ap"]) == (2, 0.5)


def test_an_unknown_protocol_and_a_threshold_out_of_range_are_the_users_fault():
    with pytest.raises(InputError, match="'voc12' is unknown: choose one of voc07, voc10, coco"):
        analyse([], [], CLASSES, "voc12")
    with pytest.raises(InputError, match="above 0 and at most 1"):
        analyse([], [], CLASSES, iou_threshold=0)
