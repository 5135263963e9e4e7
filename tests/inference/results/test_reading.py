"""Detections as JSON: what is written is read again, and foreign files are refused."""

import json

import numpy as np
import pytest

from ssd_keras.data.samples import GroundTruth, Sample, Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.results import open_results, read_detections

CLASSES = ("car", "person")


def written(folder, found):
    with open_results("json", folder, CLASSES) as results:
        for name, detections in found.items():
            results.add(name, detections)
    return results.paths[0]


def split_of(folder, *names):
    return Split("test", tuple(Sample(folder / name, GroundTruth.empty(), name) for name in names), CLASSES)


def test_what_is_written_is_read_again_by_file_name(tmp_path):
    found = Detections([[1.5, 2, 30, 40], [5, 6, 7, 8]], [0.25, 0.75], [1, 0], CLASSES, (50, 60))
    nothing = Detections([], [], [], CLASSES, (50, 60))
    file = written(tmp_path, {"elsewhere/a.jpg": found, "elsewhere/b.jpg": nothing})
    a, b, unknown = read_detections(file, split_of(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    np.testing.assert_array_equal(a.boxes_px, found.boxes_px)
    np.testing.assert_array_equal(a.scores, found.scores)
    np.testing.assert_array_equal(a.labels, found.labels)
    assert (len(b), len(unknown)) == (0, 0)


@pytest.mark.parametrize("to", ["hdf5", "lmdb"])
def test_images_of_a_pack_are_matched_by_the_files_they_were_in(tmp_path, to):
    from ssd_keras.data.conversion import convert_dataset
    from ssd_keras.data.formats import open_dataset
    from ssd_keras.data.samples import Dataset
    from ssd_keras.inference.drawing import save_picture

    save_picture(tmp_path / "photo.png", np.zeros((20, 20, 3), np.uint8))
    truth = GroundTruth([[1, 2, 3, 4]], [0])
    samples = (
        Sample(tmp_path / "photo.png", truth, "7"),
        Sample(np.zeros((9, 9, 3), np.uint8), truth, "8.png"),
    )
    convert_dataset(
        Dataset(CLASSES, {"test": Split("test", samples, CLASSES)}, "made"), tmp_path / "pack", to
    )
    found = Detections([[1, 2, 3, 4]], [0.5], [0], CLASSES, (20, 20))
    file = written(tmp_path, {"elsewhere/photo.png": found, "8.png": found, "7": found})
    split = open_dataset(tmp_path / "pack")["test"]
    assert [len(one) for one in read_detections(file, split)] == [1, 1]
    written(tmp_path, {"7": found})
    with pytest.raises(InputError, match="knows no image"):
        read_detections(file, split)


def test_an_empty_list_is_nothing_found(tmp_path):
    (tmp_path / "found.json").write_text("[]")
    assert [
        len(found) for found in read_detections(tmp_path / "found.json", split_of(tmp_path, "a.jpg"))
    ] == [0]


def entry(**changes):
    detection = {"label": "car", "score": 0.5, "box": [1, 2, 3, 4]}
    return {"image": "a.jpg", "size": [5, 6], "detections": [{**detection, **changes}]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "holds no list"),
        ([{}], "is no entry"),
        ([entry(box=[1, 2, 3])], "is no entry"),
        ([entry(score="high")], "is no entry"),
        ([entry(label="caar")], "did you mean 'car'"),
        ([entry(), entry()], "occurs twice"),
        ([{**entry(), "image": "z.jpg"}], "knows no image"),
    ],
)
def test_a_foreign_file_is_refused_in_one_line(tmp_path, document, said):
    file = tmp_path / "found.json"
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=said) as error:
        read_detections(file, split_of(tmp_path, "a.jpg"))
    assert "\n" not in str(error.value)


def test_a_missing_file_and_one_that_is_not_json_are_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_detections(tmp_path / "missing.json", split_of(tmp_path, "a.jpg"))
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_detections(tmp_path / "x.json", split_of(tmp_path, "a.jpg"))


def test_images_of_one_name_are_not_given_the_same_detections(tmp_path):
    (tmp_path / "found.json").write_text(json.dumps(entry()))
    with pytest.raises(InputError, match=r"several images of split 'test' are called a\.jpg"):
        read_detections(tmp_path / "found.json", split_of(tmp_path, "left/a.jpg", "right/a.jpg"))


def test_classes_that_the_data_lack_are_left_out_where_asked(tmp_path):
    document = entry()
    document["detections"].append({"label": "bus", "score": 0.9, "box": [1, 2, 3, 4]})
    (tmp_path / "found.json").write_text(json.dumps(document))
    (found,) = read_detections(
        tmp_path / "found.json", split_of(tmp_path, "a.jpg"), ignore_other_classes=True
    )
    assert [one.label for one in found] == ["car"]
