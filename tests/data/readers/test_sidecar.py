"""What stands beside the labels: written, read, left out where it is damaged."""

import json
import math

import numpy as np
import pytest
from scenes import CLASSES, sample

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.readers import sidecar
from ssd_keras.data.readers.csv import write_csv
from ssd_keras.data.readers.sidecar import (
    SIDECAR,
    Marks,
    Sidecar,
    areas_to_state,
    flags_to_state,
    read_sidecar,
    write_sidecar,
)
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import GroundTruth


def test_what_is_written_is_read(tmp_path):
    stated = Sidecar(
        ("car", "dog"),
        {"train": ["a.jpg"]},
        {"a.jpg": {"difficult": [1]}},
        (3, 18),
        {"a.jpg": 2},
        {"a.jpg": [702.5, 31]},
    )
    write_sidecar(tmp_path, stated)
    problems = []
    assert read_sidecar(tmp_path, problems) == stated
    assert problems == []


def test_flags_hold_while_the_image_has_as_many_boxes_as_it_had():
    stated = Sidecar(flags={"a.jpg": {"difficult": [1]}, "b.jpg": {"crowd": [0]}}, box_counts={"a.jpg": 2})
    marks, fault = stated.marks_of("a.jpg", 2)
    assert marks.of(1)[:3] == (True, False, False)
    assert marks.of(0)[:3] == (False, False, False)
    assert fault is None
    marks, fault = stated.marks_of("a.jpg", 1)
    assert marks == Marks()
    assert "has 1 box and had 2 when" in fault
    marks, fault = stated.marks_of("b.jpg", 7)  # of an older file, without counts
    assert marks.of(0)[:3] == (False, True, False)
    assert stated.marks_of("c.jpg", 0) == (Marks(), None)


def test_areas_hold_while_the_image_has_as_many_boxes_as_it_had():
    stated = Sidecar(areas={"a.jpg": [702.5, None]})
    marks, fault = stated.marks_of("a.jpg", 2)
    assert marks.of(0) == (False, False, False, 702.5)
    assert math.isnan(marks.of(1)[3])
    assert fault is None
    marks, fault = stated.marks_of("a.jpg", 3)
    assert marks == Marks()
    assert "has 3 boxes and had 2 when" in fault
    counted = Sidecar(areas={"a.jpg": [702.5]}, box_counts={"a.jpg": 3})  # the two contradict
    assert counted.marks_of("a.jpg", 3)[0] == Marks()
    assert math.isnan(Marks().of(5)[3])


def test_only_areas_that_are_not_those_of_the_boxes_are_stated():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 20], [0, 0, 4, 4]]
    assert areas_to_state(GroundTruth(boxes, [0] * 3, areas=[100, 150.123456789, np.nan])) == [
        None,
        150.1235,
        None,
    ]
    assert areas_to_state(GroundTruth(boxes, [0] * 3, areas=[100, 200, 16])) == []
    assert areas_to_state(GroundTruth(boxes, [0] * 3)) == []
    assert areas_to_state(GroundTruth.empty()) == []


def test_without_areas_a_file_that_would_be_too_large_is_still_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "LARGEST", 4000)
    write_sidecar(tmp_path, Sidecar(("car",), areas={"a.jpg": [1.5] * 1000}))
    assert read_sidecar(tmp_path, []) == Sidecar(("car",))


def test_numbers_of_classes_are_given_where_all_have_one():
    stated = Sidecar(("car", "dog"), category_ids=(3, 18))
    assert stated.category_ids_of(("dog", "car")) == (18, 3)
    assert stated.category_ids_of(("dog", "cat")) is None
    assert Sidecar(("car",)).category_ids_of(("car",)) is None


def test_nothing_to_say_leaves_no_file(tmp_path):
    write_sidecar(tmp_path, Sidecar())
    assert list(tmp_path.iterdir()) == []
    assert read_sidecar(tmp_path, []) == Sidecar()


def test_flags_of_a_ground_truth():
    truth = GroundTruth(np.zeros((3, 4)), [0, 1, 0], difficult=[True, False, True])
    assert flags_to_state(truth) == {"difficult": [0, 2]}
    assert flags_to_state(GroundTruth.empty()) == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"class_names": "car"}',
        '{"class_names": [1]}',
        '{"category_ids": [1]}',
        '{"class_names": ["a", "b"], "category_ids": [1, 1]}',
        '{"class_names": ["a"], "category_ids": ["x"]}',
        '{"boxes": {"a": "x"}}',
        '{"splits": ["a"]}',
        '{"flags": {"a": [1]}}',
        '{"areas": {"a": 1}}',
        '{"areas": {"a": ["x"]}}',
        '{"flags": {"a": {"difficult": ["x"]}}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_a_problem_and_states_nothing(tmp_path, content):
    (tmp_path / SIDECAR).write_text(content)
    problems = []
    assert read_sidecar(tmp_path, problems) == Sidecar()
    assert len(problems) == 1


@pytest.mark.parametrize("write", [write_voc, write_csv])
def test_the_order_of_classes_and_classes_without_a_box_come_back(tmp_path, write):
    names = ("zebra", *CLASSES)
    truth = sample(1).ground_truth
    moved = GroundTruth(truth.boxes_px, truth.labels + 1)
    write(tmp_path / "set", {"train": [type(sample(1))(sample(1).image, moved, "one")]}, names)
    again = open_dataset(tmp_path / "set")
    assert again.class_names == names
    np.testing.assert_array_equal(again["train"][0].ground_truth.labels, moved.labels)


def test_names_in_use_count_where_the_file_does_not_know_them(tmp_path):
    write_csv(tmp_path / "set", {"train": [sample(1), sample(2)]}, CLASSES)
    (tmp_path / "set" / SIDECAR).write_text(json.dumps({"class_names": ["other"]}))
    assert set(open_dataset(tmp_path / "set").class_names) <= set(CLASSES)
