"""Real data sets read as their makers counted them. The folder comes from SSD_KERAS_TEST_DATA."""

import os
from pathlib import Path

import numpy as np
import pytest

from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.images import encoded_bytes
from ssd_keras.data.inspection import inspect_dataset


@pytest.fixture(scope="module")
def folder():
    if "SSD_KERAS_TEST_DATA" not in os.environ:
        pytest.skip("SSD_KERAS_TEST_DATA is not set: there are no real data sets to read")
    return Path(os.environ["SSD_KERAS_TEST_DATA"])


def boxes_of(split):
    return sum(len(sample.ground_truth) for sample in split)


def test_bccd(folder):
    data = open_dataset(folder / "bccd")
    assert data.format == "voc"
    assert data.class_names == ("Platelets", "RBC", "WBC")
    assert {name: len(data[name]) for name in ("train", "val", "test")} == {
        "train": 205,
        "val": 87,
        "test": 72,
    }
    assert len(data["trainval"]) == 292

    found = inspect_dataset(data)
    assert found.images == 364
    assert found.boxes == 4888 - 2
    assert found.classes == {"Platelets": 361, "RBC": 4155 - 2, "WBC": 372}
    assert found.image_sizes == {(480, 640): 364}
    assert sorted(Path(problem.file).stem for problem in found.problems) == [
        "BloodImage_00338",
        "BloodImage_00343",
    ]
    assert all("has no width" in problem.problem for problem in found.problems)


def test_bccd_as_a_table_holds_the_same_boxes(folder):
    voc = open_dataset(folder / "bccd")
    table = open_dataset(folder / "bccd" / "test.csv")
    assert table.format == "csv"
    assert table.class_names == voc.class_names
    assert len(table.problems) == 2

    truths = {s.image_id: s.ground_truth for name in ("train", "val", "test") for s in voc[name]}
    (every,) = table.values()
    assert {sample.image_id for sample in every} == truths.keys()
    for sample in every:
        np.testing.assert_array_equal(sample.ground_truth.boxes_px, truths[sample.image_id].boxes_px)
        np.testing.assert_array_equal(sample.ground_truth.labels, truths[sample.image_id].labels)


def test_voc2007_mini(folder):
    data = open_dataset(folder / "voc2007-mini")
    assert data.format == "voc"
    assert len(data.class_names) == 20
    assert list(data) == ["test"]
    assert len(data["test"]) == 230
    assert boxes_of(data["test"]) == 725  # with the parts of persons they would be more
    assert sum(int(sample.ground_truth.difficult.sum()) for sample in data["test"]) == 157
    assert inspect_dataset(data).problems == ()


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_a_round_trip_loses_nothing(known, folder, tmp_path):
    data = open_dataset(folder / "voc2007-mini")
    known.write(tmp_path / "out", data, data.class_names)
    again = open_dataset(tmp_path / "out")
    assert again.class_names == data.class_names
    assert again.problems == ()
    for read, written in zip(again["test"], data["test"], strict=True):
        assert read.image_id.zfill(6) == written.image_id  # COCO knows numbers only
        assert encoded_bytes(read.image) == encoded_bytes(written.image)
        columns = written.ground_truth.columns()
        assert np.isnan(columns.pop("areas")).all()  # COCO's files state those of the boxes
        for name, values in columns.items():
            np.testing.assert_allclose(getattr(read.ground_truth, name), values, atol=1e-3)
