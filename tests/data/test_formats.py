"""Opening a data set of any format: recognised by content, or one clear line."""

import cv2
import numpy as np
import pytest

from ssd_keras.data.formats import FORMATS, data_sets_taken_together, open_dataset
from ssd_keras.data.readers.coco import write_coco
from ssd_keras.data.readers.csv import write_csv
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

JPEG = cv2.imencode(".jpg", np.full((60, 100, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture
def samples():
    truth = GroundTruth(np.float32([[1, 2, 30, 40], [5, 6, 7, 8]]), np.array([1, 0]))
    return [Sample(JPEG, truth, "a"), Sample(JPEG, GroundTruth.empty(), "b")]


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_what_a_format_writes_is_recognised_and_read(known, samples, tmp_path):
    known.write(tmp_path / "out", {"train": samples, "val": samples[:1]}, ["dog", "cat"])
    for path in (tmp_path / "out", str(tmp_path / "out")):
        data = open_dataset(path, ["dog", "cat"])
        assert data.format == known.name
        assert {name: len(split) for name, split in data.items()} == {"train": 2, "val": 1}
        np.testing.assert_array_equal(
            data["train"][0].ground_truth.boxes_px, samples[0].ground_truth.boxes_px
        )
        assert data["train"][0].ground_truth.labels.tolist() == [1, 0]


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_class_names_that_do_not_fit_are_an_error(known, samples, tmp_path):
    known.write(tmp_path / "out", {"train": samples}, ["dog", "cat"])
    with pytest.raises(InputError, match="class 'cat' is not in the list"):
        open_dataset(tmp_path / "out", ["dog"])


def one_line_about(path):
    with pytest.raises(InputError) as error:
        open_dataset(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_missing_path(tmp_path):
    assert "does not exist" in one_line_about(tmp_path / "missing")


def test_an_empty_folder(tmp_path):
    assert "is an empty folder" in one_line_about(tmp_path)


def test_images_without_labels(tmp_path):
    (tmp_path / "a.jpg").write_bytes(JPEG)
    assert "has images but no labels" in one_line_about(tmp_path)


def test_an_unknown_format(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert "is in no known format: give VOC (Annotations/*.xml" in one_line_about(tmp_path)
    assert "is no data set: give" in one_line_about(tmp_path / "a.txt")


@pytest.mark.parametrize("part", ["Annotations", "JPEGImages", "JPEGImages/a.jpg", "ImageSets/Main"])
def test_a_part_of_a_data_set(samples, tmp_path, part):
    whole = tmp_path / "whole"
    write_voc(whole, {"train": samples}, ["dog", "cat"])
    assert one_line_about(whole / part).endswith(f"is a part of a data set: give the whole of it, {whole}")


def test_what_lies_beside_a_data_set_is_no_part_of_it(samples, tmp_path):
    write_voc(tmp_path / "whole", {"train": samples}, ["dog", "cat"])
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.txt").write_text("")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.jpg").write_bytes(JPEG)
    assert "has images but no labels" in one_line_about(tmp_path / "notes")


def test_several_data_sets_in_a_folder(samples, tmp_path):
    for name, write in (("a", write_voc), ("b", write_voc), ("c", write_csv)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, {"train": samples}, ["dog", "cat"])
    found = open_dataset(tmp_path)
    assert [problem.file for problem in found.problems] == [str(tmp_path / "c")]
    assert "is not read with the others" in found.problems[0].problem
    assert [place.name for place in data_sets_taken_together(tmp_path, found)] == ["a", "b"]


def test_a_data_set_further_down_is_named(samples, tmp_path):
    write_coco(tmp_path / "one", {"train": samples}, ["dog", "cat"])
    assert f"has one in a folder: give {tmp_path / 'one'}" in one_line_about(tmp_path)


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_the_folders_of_a_data_set_are_no_data_sets_of_their_own(known, samples, tmp_path):
    known.write(tmp_path / "out", {"train": samples, "val": samples[:1]}, ["dog", "cat"])
    found = open_dataset(tmp_path / "out")
    assert found.problems == ()
    assert data_sets_taken_together(tmp_path / "out", found) == []


@pytest.mark.parametrize("name", ["train.record", "a.tfrecord", "coco_train.record-00000-of-00010"])
def test_records_of_tensorflow_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert "holds TFRecords, which are not read" in one_line_about(tmp_path)
    assert "holds TFRecords, which are not read" in one_line_about(tmp_path / name)


def test_labels_without_any_image(tmp_path):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation/>")
    assert "no image that can be used" in one_line_about(tmp_path)
