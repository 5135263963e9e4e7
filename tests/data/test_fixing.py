"""A corrected data set: what is left out, mended, renamed, and that it is all told."""

import cv2
import numpy as np
import pytest

from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.inspection.fixing import fix_dataset
from ssd_keras.data.inspection.together import misspelt_classes
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split


def encoded(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (60, 100, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def sample_of(image_id, image=None, boxes=((10, 20, 35, 35),), labels=None, **flags):
    labels = np.zeros(len(boxes)) if labels is None else labels
    truth = GroundTruth(np.array(boxes, np.float32), labels, **flags)
    return Sample(encoded(ord(image_id)) if image is None else image, truth, image_id)


def dataset_of(names=("cat", "dog"), problems=(), **splits):
    made = {name: Split(name, tuple(samples), tuple(names)) for name, samples in splits.items()}
    return Dataset(tuple(names), made, "voc", problems)


def ids(split):
    return [sample.image_id for sample in split]


def test_what_is_right_stays_as_it_is():
    data = dataset_of(train=[sample_of("a"), sample_of("b", boxes=[])], val=[sample_of("c")])
    fixed = fix_dataset(data)
    assert fixed.changes == ()
    assert {name: ids(split) for name, split in fixed.dataset.items()} == {"train": ["a", "b"], "val": ["c"]}
    np.testing.assert_array_equal(
        fixed.dataset["train"][0].ground_truth.boxes_px, data["train"][0].ground_truth.boxes_px
    )


def test_images_that_cannot_be_used_are_left_out():
    data = dataset_of(train=[sample_of("a"), sample_of("b", b"none"), sample_of("c", encoded(1)[:-900])])
    fixed = fix_dataset(data)
    assert ids(fixed.dataset["train"]) == ["a"]
    assert [change.split(":")[0] for change in fixed.changes] == ["b", "c"]


def test_boxes_are_cut_off_dropped_and_told_once_each():
    boxes = [(10, 20, 35, 35), (10, 20, 35, 35), (90, 50, 130, 90), (200, 10, 220, 30)]
    data = dataset_of(train=[sample_of("a", boxes=boxes, labels=[0, 0, 1, 1], difficult=[0, 0, 1, 0])])
    fixed = fix_dataset(data)
    truth = fixed.dataset["train"][0].ground_truth
    assert truth.boxes_px.tolist() == [[10, 20, 35, 35], [90, 50, 100, 60]]
    assert truth.labels.tolist() == [0, 1]
    assert truth.difficult.tolist() == [False, True]
    assert [change.split(":")[1][1:6] for change in fixed.changes] == ["box 2", "box 3", "box 4"]
    assert inspect_dataset(fixed.dataset).problems == ()


def test_an_image_stays_where_it_is_evaluated_on():
    one, two, three = sample_of("a"), sample_of("b"), sample_of("c")
    twin = sample_of("t", encoded(ord("b")))
    data = dataset_of(train=[one, two, three], val=[twin], test=[three], trainval=[one, two, three, twin])
    fixed = fix_dataset(data)
    assert ids(fixed.dataset["train"]) == ["a"]
    assert ids(fixed.dataset["val"]) == ["t"]
    assert ids(fixed.dataset["test"]) == ["c"]
    assert ids(fixed.dataset["trainval"]) == ["a", "b"]
    assert inspect_dataset(fixed.dataset).problems == ()


def test_second_copies_are_left_out():
    data = dataset_of(train=[sample_of("a", encoded(1)), sample_of("b", encoded(1)), sample_of("c")])
    fixed = fix_dataset(data)
    assert ids(fixed.dataset["train"]) == ["a", "c"]
    assert len(fixed.changes) == 1
    assert "has the same bytes as a" in inspect_dataset(data).problems[0].problem


def test_misspelt_classes_are_renamed():
    cats = [sample_of(letter, boxes=[(1, 1, 9, 9)] * 1, labels=[0]) for letter in "abcdefghijk"]
    data = dataset_of(("motorbike", "dog", "motorbyke"), train=[*cats, sample_of("z", labels=[2])])
    assert "probably the same class misspelt" in inspect_dataset(data).problems[0].problem
    fixed = fix_dataset(data)
    assert fixed.dataset.class_names == ("motorbike", "dog")
    assert fixed.dataset["train"][11].ground_truth.labels.tolist() == [0]
    assert fixed.changes == ("class 'motorbyke': renamed to 'motorbike' (1 boxes)",)


@pytest.mark.parametrize(
    ("boxes", "wrong"),
    [
        ({"car": 100, "Car": 3}, {"Car": "car"}),
        ({"traffic light": 50, "traffic_light": 40}, {"traffic_light": "traffic light"}),
        ({"person": 100, "persn": 2}, {"persn": "person"}),
        ({"person": 100, "persn": 60}, {}),
        ({"class 1": 1000, "class 2": 1}, {}),
        ({"cat": 100, "car": 1}, {}),
        ({"dog": 100, "zebra": 1}, {}),
        ({"person": 100, "persn": 2, "prsn": 1}, {"persn": "person", "prsn": "person"}),
        ({}, {}),
    ],
)
def test_which_names_are_misspelt(boxes, wrong):
    assert misspelt_classes(boxes) == wrong


def test_what_the_reader_found_counts_as_a_change():
    data = dataset_of(problems=(Problem("a.xml", "box 1 has no width and is left out", "x"),), train=[])
    assert fix_dataset(data).changes == ("a.xml: box 1 has no width and is left out",)
    assert fix_dataset(data).dataset.problems == ()
