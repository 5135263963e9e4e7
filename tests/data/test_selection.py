"""Data sets out of data sets."""

from pathlib import Path

import numpy as np
import pytest

from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split
from ssd_keras.data.selection import merge_datasets, only_classes, without_marked
from ssd_keras.errors import InputError

PIXELS = np.zeros((4, 4, 3), np.uint8)
BOXES = [[0, 0, 1, 1], [1, 1, 2, 2], [2, 2, 3, 3]]


def dataset(names, labels, split="train", problems=(), category_ids=None, **flags):
    truth = GroundTruth(np.array(BOXES[: len(labels)]).reshape(-1, 4), labels, **flags)
    samples = (Sample(PIXELS, truth, "one"),)
    return Dataset(tuple(names), {split: Split(split, samples, tuple(names))}, "voc", problems, category_ids)


def test_only_some_classes_in_the_order_given():
    found = only_classes(dataset("abc", [0, 1, 2], category_ids=(1, 5, 9)), ["c", "a"])
    assert found.class_names == ("c", "a")
    assert found["train"].class_names == ("c", "a")
    assert found.category_ids == (9, 1)
    truth = found["train"][0].ground_truth
    assert truth.labels.tolist() == [1, 0]
    assert truth.boxes_px.tolist() == [BOXES[0], BOXES[2]]


def test_images_whose_objects_are_gone_stay():
    found = only_classes(dataset("abc", [0]), ["b"])
    assert len(found["train"]) == 1
    assert len(found["train"][0].ground_truth) == 0


def test_unknown_classes_are_named():
    with pytest.raises(InputError, match="'d' is not in the list"):
        only_classes(dataset("abc", [0]), ["d"])


def test_marked_objects_are_left_out():
    marked = dataset("ab", [0, 1, 0], difficult=[1, 0, 0], truncated=[0, 1, 0])
    assert without_marked(marked) is marked
    assert without_marked(marked, difficult=True)["train"][0].ground_truth.labels.tolist() == [1, 0]
    assert without_marked(marked, truncated=True)["train"][0].ground_truth.labels.tolist() == [0, 0]
    assert len(without_marked(marked, True, True)["train"][0].ground_truth) == 1


def test_a_sample_of_two_splits_stays_one_sample():
    sample = dataset("ab", [0], difficult=[1])["train"][0]
    both = {name: Split(name, (sample,), ("a", "b")) for name in ("train", "trainval")}
    found = without_marked(Dataset(("a", "b"), both, "voc"), difficult=True)
    assert found["train"][0] is found["trainval"][0]


def test_data_sets_are_taken_together_split_by_split():
    problem = Problem("a.xml", "is no XML", "correct it")
    one = dataset("bd", [0, 1], problems=(problem,))
    other = dataset("ad", [0, 1])
    test = dataset("d", [0], split="test")
    merged = merge_datasets([one, other, test])
    assert merged.class_names == ("a", "b", "d")
    assert [sample.ground_truth.labels.tolist() for sample in merged["train"]] == [[1, 2], [0, 2]]
    assert merged["test"][0].ground_truth.labels.tolist() == [2]
    assert merged.problems == (problem,)
    assert merge_datasets([one]) is one


def file_dataset(image, boxes=1, split="train"):
    truth = GroundTruth(np.array(BOXES[:boxes]), np.zeros(boxes))
    return Dataset(("a",), {split: Split(split, (Sample(image, truth, "one"),), ("a",))}, "voc")


def test_a_file_in_two_data_sets_is_taken_once_and_told(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    image = tmp_path / "a.jpg"
    merged = merge_datasets([file_dataset(image), file_dataset(Path("x/../a.jpg"))])
    assert len(merged["train"]) == 1
    (problem,) = merged.problems
    assert str(problem).endswith("with the same objects and is taken once: name each data set once")


def test_what_only_looks_like_a_file_in_two_data_sets_stays(tmp_path):
    image = tmp_path / "a.jpg"
    for other in (file_dataset(image, 2), file_dataset(tmp_path / "b.jpg"), file_dataset(image, split="val")):
        merged = merge_datasets([file_dataset(image), other])
        assert sum(map(len, merged.values())) == 2
        assert merged.problems == ()
    assert len(merge_datasets([dataset("a", [0]), dataset("a", [0])])["train"]) == 2  # pixels


def test_a_sample_that_one_data_set_has_in_two_splits_stays_in_both(tmp_path):
    sample = file_dataset(tmp_path / "a.jpg")["train"][0]
    both = {name: Split(name, (sample,), ("a",)) for name in ("train", "trainval")}
    other = file_dataset(tmp_path / "b.jpg")
    merged = merge_datasets([Dataset(("a",), both, "voc"), other])
    assert {name: len(split) for name, split in merged.items()} == {"train": 2, "trainval": 1}


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [
        ((1, 90), (90, 5), (1, 90, 5)),
        ((1, 90), None, None),
        (None, None, None),
        ((1, 90), (91, 5), None),  # class b has two numbers
        ((1, 90), (90, 1), None),  # number 1 has two classes
    ],
)
def test_numbers_of_classes_are_joined_unless_they_contradict(one, other, joined):
    datasets = [dataset("ab", [0], category_ids=one), dataset("bc", [0], category_ids=other)]
    assert merge_datasets(datasets).category_ids == joined


def test_numbers_of_one_data_set_do_for_another_with_the_same_classes():
    datasets = [dataset("ab", [0]), dataset("ab", [0], category_ids=(3, 4))]
    assert merge_datasets(datasets).category_ids == (3, 4)


def test_the_order_of_the_first_counts_where_classes_are_not_sorted():
    assert merge_datasets([dataset("db", [0]), dataset("ad", [0])]).class_names == ("d", "b", "a")
