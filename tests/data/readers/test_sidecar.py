"""What stands beside the labels: written, read, left out where it is damaged."""

import json

import numpy as np
import pytest
from scenes import CLASSES, sample

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.readers.csv import write_csv
from ssd_keras.data.readers.sidecar import SIDECAR, Sidecar, flags_to_state, read_sidecar, write_sidecar
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import GroundTruth


def test_what_is_written_is_read(tmp_path):
    stated = Sidecar(("car", "dog"), {"train": ["a.jpg"]}, {"a.jpg": {"difficult": [1]}})
    write_sidecar(tmp_path, stated)
    problems = []
    assert read_sidecar(tmp_path, problems) == stated
    assert stated.flags_of("a.jpg", 2) == [
        {"difficult": False, "crowd": False, "truncated": False},
        {"difficult": True, "crowd": False, "truncated": False},
    ]
    assert not any(any(flags.values()) for flags in stated.flags_of("b.jpg", 3))
    assert problems == []


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
        '{"splits": ["a"]}',
        '{"flags": {"a": [1]}}',
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
