"""Filters and validators: edges, ties, nothing at all, and each check alone."""

import numpy as np
import pytest

from ssd_keras.data.augment.operations import BoxFilter, RandomPatch, Validator, make_operations
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

SIZE = (50, 100)
OFF = {"criterion": None, "min_side_px": None, "min_area_px": None, "clip": False}
"""All checks switched off."""


def filtered(box_filter, boxes_px, **flags):
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
    truth = GroundTruth(boxes, np.arange(len(boxes)), **flags)
    given = Sample(np.zeros((*SIZE, 3), np.uint8), truth, "photo")
    after = box_filter(given, np.random.default_rng(0))
    assert after.image is given.image
    return after.ground_truth


def kept(box_filter, boxes_px):
    return filtered(box_filter, boxes_px).labels.tolist()


ON_THE_EDGE = [
    (-10, 10, 10, 20),  # centre on the left edge
    (90, 10, 110, 20),  # on the right edge
    (10, -10, 20, 10),  # on the top
    (10, 40, 20, 60),  # on the bottom
    (-10.5, 10, 10, 20),  # just beyond, on each side
    (90, 10, 110.5, 20),
    (10, -10.5, 20, 10),
    (10, 40, 20, 60.5),
]


def test_the_word_none_is_understood():
    settings = dict.fromkeys(("criterion", "min_side_px", "min_area_px"), "none")
    assert BoxFilter(**settings) == BoxFilter(**dict.fromkeys(settings))
    (patch,) = make_operations([{"random_patch": {"keep": "none", "validator": "none"}}])
    assert patch == RandomPatch(keep=None, validator=None)
    with pytest.raises(InputError, match="criterion is 'None'"):
        BoxFilter(criterion="None")


def test_a_centre_on_the_edge_lies_inside():
    assert kept(BoxFilter(), ON_THE_EDGE) == [0, 1, 2, 3]
    assert kept(BoxFilter("centre", (0.9, 1)), ON_THE_EDGE) == [0, 1, 2, 3]


def test_the_visible_share_counts_with_its_bounds():
    boxes = [(-5, 0, 5, 10), (-7, 0, 3, 10), (-8, 0, 2, 10), (0, 0, 10, 10)]  # 0.5, 0.3, 0.2, 1
    assert kept(BoxFilter("area", (0.5, 1)), boxes) == [0, 3]
    assert kept(BoxFilter("area", (0.25, 0.5)), boxes) == [0, 1]
    assert kept(BoxFilter("area", (0, 0.2)), boxes) == [2]


def test_the_overlap_counts_with_its_bounds():
    boxes = [(0, 0, 100, 50), (0, 0, 50, 50), (0, 0, 25, 50), (-100, 0, 100, 50)]  # 1, 0.5, 0.25, 0.5
    assert kept(BoxFilter("iou", (0.5, 1)), boxes) == [0, 1, 3]
    assert kept(BoxFilter("iou", (0.25, 0.4)), boxes) == [2]


@pytest.mark.parametrize("criterion", ["iou", "area"])
def test_what_only_touches_the_image_is_not_in_it(criterion):
    boxes = [(100, 0, 120, 10), (0, 50, 10, 60), (200, 0, 220, 10), (-10, -10, 0, 0)]
    assert kept(BoxFilter(criterion, (0, 1), min_side_px=None), boxes) == []


def test_a_filter_judges_before_it_clips():
    truth = filtered(BoxFilter("area", (0.5, 1)), [(-10, 0, 10, 10), (-10, 0, 9, 10)])
    np.testing.assert_array_equal(truth.boxes_px, [(0, 0, 10, 10)])
    assert truth.labels.tolist() == [0]


def test_sides_and_areas_are_those_of_what_is_left():
    boxes = [(0, 0, 10, 10), (0, 0, 4, 40), (-96, 0, 4, 40), (0, 0, 3, 3)]
    assert kept(BoxFilter(**{**OFF, "min_side_px": 4}), boxes) == [0, 1, 2]
    assert kept(BoxFilter(**{**OFF, "min_side_px": 4.5}), boxes) == [0, 2]
    assert kept(BoxFilter(**{**OFF, "min_side_px": 4.5, "clip": True}), boxes) == [0]
    assert kept(BoxFilter(**{**OFF, "min_area_px": 160}), boxes) == [1, 2]
    assert kept(BoxFilter(**{**OFF, "min_area_px": 161}), boxes) == [2]
    assert kept(BoxFilter(**{**OFF, "min_area_px": 161, "clip": True}), boxes) == []


def test_each_check_can_be_switched_off():
    boxes = [(500, 500, 600, 600), (5, 5, 5, 9), (9, 9, 5, 5), (-10, -10, 20, 20)]
    everything = filtered(BoxFilter(**OFF), boxes)
    np.testing.assert_array_equal(everything.boxes_px, boxes)
    assert kept(BoxFilter(**{**OFF, "min_side_px": 0}), boxes) == [0, 3]
    assert kept(BoxFilter(**{**OFF, "criterion": "centre"}), boxes) == [1, 2, 3]
    np.testing.assert_array_equal(
        filtered(BoxFilter(**{**OFF, "clip": True}), boxes).boxes_px[3], (0, 0, 20, 20)
    )


@pytest.mark.parametrize("criterion", ["centre", "iou", "area", None])
def test_no_boxes(criterion):
    for settings in ({}, OFF, {"min_area_px": 16}):
        truth = filtered(BoxFilter(**{**settings, "criterion": criterion}), [])
        assert truth.boxes_px.shape == (0, 4)


def test_flags_follow_their_boxes():
    truth = filtered(
        BoxFilter(),
        [(-50, 0, 10, 10), (0, 0, 10, 10), (20, 20, 40, 40)],
        difficult=[True, False, True],
        crowd=[True, True, False],
        truncated=[False, True, False],
    )
    assert truth.labels.tolist() == [1, 2]
    assert truth.difficult.tolist() == [False, True]
    assert truth.crowd.tolist() == [True, False]
    assert truth.truncated.tolist() == [True, False]


def test_a_validator_counts_objects():
    boxes = np.array([(0, 0, 10, 10), (-9, 0, 1, 10), (20, 20, 30, 30)], float)
    for min_boxes, good in [(1, True), (2, True), (3, False), ("all", False)]:
        assert Validator("centre", min_boxes=min_boxes).accepts(boxes, SIZE) == good
    assert Validator("area", (0.1, 1), "all").accepts(boxes, SIZE)
    assert not Validator("area", (0.11, 1), "all").accepts(boxes, SIZE)
    assert not Validator("iou", (0.5, 1)).accepts(boxes, SIZE)


@pytest.mark.parametrize("min_boxes", [1, 5, "all"])
def test_an_image_without_objects_is_good(min_boxes):
    assert Validator(min_boxes=min_boxes).accepts(np.zeros((0, 4)), SIZE)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (BoxFilter, {"criterion": "center"}),
        (BoxFilter, {"bounds": (0.5, 1.1)}),
        (BoxFilter, {"bounds": (0.5, 0.1)}),
        (BoxFilter, {"min_side_px": -1}),
        (BoxFilter, {"min_area_px": "small"}),
        (BoxFilter, {"clip": "yes"}),
        (BoxFilter, {"clip": 1}),
        (Validator, {"criterion": None}),
        (Validator, {"bounds": (-1, 0)}),
        (Validator, {"min_boxes": 0}),
        (Validator, {"min_boxes": 1.5}),
        (Validator, {"min_boxes": "some"}),
        (Validator, {"min_boxes": [1]}),
    ],
)
def test_settings_out_of_bounds_are_refused_in_one_line(kind, settings):
    (name,) = settings
    with pytest.raises(InputError, match=name) as error:
        kind(**settings)
    assert "\n" not in str(error.value)
