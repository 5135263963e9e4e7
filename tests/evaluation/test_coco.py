"""COCO's twelve numbers against pycocotools itself."""

import contextlib
import dataclasses
import io
import json
import math

import numpy as np
import pytest
from coco_judge import NUMBERS
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
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ssd_keras.boxes.formats import box_area
from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.coco import evaluate_coco

SIDES = (1, 3, 9)


# --- The judge ---------------------------------------------------------------------------------------------


def boxes_as_in_files(boxes_px):
    x0, y0, x1, y1 = boxes_px.astype(np.float64).T
    return np.stack([x0, y0, x1 - x0, y1 - y0], axis=1).tolist()


def judged_by_pycocotools(detections, ground_truths, areas=None, image_ids=None):
    """The twelve numbers, and AP by class, as pycocotools counts them; NaN for its -1."""
    image_ids = image_ids or range(1, len(detections) + 1)
    images, annotations, results = [], [], []
    for index, image in enumerate(image_ids):
        truth, seen = ground_truths[index], detections[index]
        images.append({"id": image})
        for k, (x, y, width, height) in enumerate(boxes_as_in_files(truth.boxes_px)):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(truth.labels[k]) + 1,
                    "bbox": [x, y, width, height],
                    "area": width * height if areas is None else float(areas[index][k]),
                    "iscrowd": int(truth.crowd[k]),
                }
            )
        for box, label, score in zip(
            boxes_as_in_files(seen.boxes_px), seen.labels.tolist(), seen.scores.tolist(), strict=True
        ):
            results.append({"image_id": image, "category_id": label + 1, "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": k, "name": name} for k, name in enumerate(CLASSES, start=1)],
        }
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results) if results else empty_results(coco), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    per_class = [float(precision[:, :, k].mean()) for k in range(len(CLASSES))]
    return [value if value > -1 else math.nan for value in [*evaluator.stats.tolist(), *per_class]]


def empty_results(coco):
    results = COCO()
    results.dataset = {**coco.dataset, "annotations": []}
    results.createIndex()
    return results


def assert_as_pycocotools(detections, ground_truths, **more):
    ours = evaluate_coco(detections, ground_truths, CLASSES, **more)
    numbers = [*ours.numbers.values(), *ours.per_class.values()]
    if "image_ids" in more:
        more["image_ids"] = [int(name) for name in more["image_ids"]]
    expected = judged_by_pycocotools(detections, ground_truths, **more)
    np.testing.assert_allclose(numbers, expected, rtol=0, atol=1e-12)


# --- Equal to pycocotools ----------------------------------------------------------------------------------


@given(st.lists(any_images(SIDES), min_size=1, max_size=4))
@settings(max_examples=50)
def test_few_places_equal_pycocotools(drawn):
    detections, truths = as_detections_and_truths(drawn)
    truths[0] = there((CAT, BOX))  # at least one object counts
    assert_as_pycocotools(detections, truths)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("side", [40, 200])
def test_a_middling_detector_equals_pycocotools(seed, side):
    detections, truths = middling(seed, side=side)
    assert_as_pycocotools(detections, truths)
    assert 0 < evaluate_coco(detections, truths, CLASSES).mAP < 1


def test_stated_areas_decide_what_is_small():
    detections, truths = middling(3, side=60)
    rng = np.random.default_rng(0)
    areas = [rng.uniform(100, 15_000, len(truth)) for truth in truths]
    assert_as_pycocotools(detections, truths, areas=areas)
    with_areas = evaluate_coco(detections, truths, CLASSES, areas=areas)
    assert with_areas.numbers["AP_small"] != evaluate_coco(detections, truths, CLASSES).numbers["AP_small"]


def test_areas_of_the_ground_truth_count_and_where_none_is_known_that_of_the_box():
    detections, truths = middling(3, side=60)
    rng = np.random.default_rng(0)
    areas = [rng.uniform(100, 15_000, len(truth)) for truth in truths]
    stated = [dataclasses.replace(truth, areas=a) for truth, a in zip(truths, areas, strict=True)]
    numbers = evaluate_coco(detections, stated, CLASSES).numbers
    assert numbers == evaluate_coco(detections, truths, CLASSES, areas=areas).numbers
    for truth, area in zip(truths, areas, strict=True):
        known = rng.random(len(truth)) < 0.5
        area[:] = np.where(known, area, box_area(truth.boxes_px.astype(np.float64)))
    partly = [
        dataclasses.replace(t, areas=np.where(a == box_area(t.boxes_px.astype(np.float64)), np.nan, a))
        for t, a in zip(truths, areas, strict=True)
    ]
    assert np.isnan(np.concatenate([truth.areas for truth in partly])).any()
    numbers = evaluate_coco(detections, partly, CLASSES).numbers
    assert numbers == evaluate_coco(detections, truths, CLASSES, areas=areas).numbers


def test_equal_scores_stand_in_the_order_of_the_image_numbers():
    detections = [found((CAT, 0.5, BOX)), found((CAT, 0.5, BOX))]
    truths = [there((DOG, BOX)), there((CAT, BOX))]
    for image_ids, ap50 in ((["9", "10"], 0.5), (["10", "9"], 1)):
        assert_as_pycocotools(detections, truths, image_ids=image_ids)
        result = evaluate_coco(detections, truths, CLASSES, image_ids=image_ids)
        assert result.precision[0, :, CAT, 0, -1].mean() == pytest.approx(ap50)
    of_names = evaluate_coco(detections, truths, CLASSES, image_ids=["b", "a"])
    assert of_names.precision[0, :, CAT, 0, -1].mean() == pytest.approx(0.5)


def test_of_a_class_the_hundred_best_of_an_image_count():
    crowded = found(*[(CAT, 0.9 - k / 1000, cell(99)) for k in range(100)], (CAT, 0.5, cell(0)))
    truths = [there((CAT, cell(0)))]
    assert_as_pycocotools([crowded], truths)
    assert evaluate_coco([crowded], truths, CLASSES).mAP == 0


# --- What each rule does -----------------------------------------------------------------------------------


def test_nothing_detected_scores_zero():
    detections, truths = [found(), found()], [there((CAT, BOX)), GroundTruth.empty()]
    result = evaluate_coco(detections, truths, CLASSES)
    assert result.mAP == 0
    assert result.numbers["AR_100"] == 0
    assert_as_pycocotools(detections, truths)


def test_images_without_objects_or_detections_are_normal():
    detections = [found(), found((CAT, 0.9, BOX)), found((CAT, 0.8, BOX)), found()]
    truths = [GroundTruth.empty(), GroundTruth.empty(), there((CAT, BOX)), there((CAT, BOX))]
    assert_as_pycocotools(detections, truths)


def test_a_perfect_detector_scores_one_in_all_that_is_there():
    truths = [there((CAT, BOX), (DOG, cell(77)))]
    result = evaluate_coco([found((CAT, 0.9, BOX), (DOG, 0.8, cell(77)))], truths, CLASSES)
    measured = {name: value for name, value in result.numbers.items() if not math.isnan(value)}
    assert set(NUMBERS) - set(measured) == {"AP_medium", "AP_large", "AR_medium", "AR_large"}
    assert set(measured.values()) == {1}


def test_a_difficult_object_is_one_like_the_others():
    ordinary, difficult = there((CAT, BOX)), there((CAT, BOX), difficult=[True])
    for detections in ([found()], [found((CAT, 0.9, BOX))]):
        assert (
            evaluate_coco(detections, [ordinary], CLASSES).numbers["AP"]
            == evaluate_coco(detections, [difficult], CLASSES).numbers["AP"]
        )


def test_detections_inside_a_crowd_are_not_wrong_however_many():
    truths = [there((CAT, cell(0)), (CAT, (20, 20, 90, 90)), crowd=[False, True])]
    detections = [found((CAT, 0.9, (30, 30, 40, 40)), (CAT, 0.8, (50, 50, 60, 60)), (CAT, 0.7, cell(0)))]
    assert evaluate_coco(detections, truths, CLASSES).mAP == 1
    assert_as_pycocotools(detections, truths)
    assert evaluate_coco(detections, truths, CLASSES).objects == {"cat": 1, "dog": 0, "bird": 0}


@pytest.mark.parametrize("truths", [[], [GroundTruth.empty()], [there((CAT, BOX), crowd=[True])]])
def test_a_split_without_objects_is_the_users_fault(truths):
    with pytest.raises(InputError, match="no class has an object to be found"):
        evaluate_coco([found() for _ in truths], truths, CLASSES)


def test_detections_of_other_classes_are_the_users_fault():
    with pytest.raises(InputError, match="the detector knows the classes dog, the data has cat"):
        evaluate_coco([Detections([], [], [], ("dog",), (9, 9))], [there((CAT, BOX))], ("cat",))


def test_the_json_has_the_twelve_numbers_and_null_for_what_is_not_there():
    result = evaluate_coco([found((CAT, 0.9, BOX))], [there((CAT, BOX), (DOG, BOX))], CLASSES)
    document = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert document["protocol"] == "coco"
    assert document["mAP"] == document["AP"] == 0.5
    assert document["AP_large"] is None
    assert document["per_class"] == {"cat": 1, "dog": 0, "bird": None}
    assert tuple(result.numbers) == NUMBERS
    assert set(NUMBERS) <= document.keys()
