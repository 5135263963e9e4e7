"""`ssd evaluate --detections` on results of bulk detection."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ssd_keras.bulk.results import ResultFolder, make_table
from ssd_keras.bulk.settings import Origin
from ssd_keras.data.samples import GroundTruth, Sample, Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.results import read_detections

CLASSES = ("car", "person")
FOUND = Detections([[1.5, 2, 30, 40], [5, 6, 7, 8]], [0.25, 0.75], [1, 0], CLASSES, (50, 60))


@pytest.fixture
def results(tmp_path):
    origin = Origin("m.keras", "a" * 32, CLASSES, (0.5, 0.5), False, None, 0.0, "float32")
    folder = ResultFolder(str(tmp_path / "found"))
    folder.prepare()
    folder.write("part-0.parquet", make_table([("s3://bucket/a.jpg", FOUND)], origin))
    bad = InputError("b.jpg does not decode")
    nothing = Detections([], [], [], CLASSES, (50, 60))
    folder.write("part-1.parquet", make_table([("b.jpg", bad), ("c.jpg", nothing)], origin))
    return tmp_path / "found"


@pytest.fixture
def split(tmp_path):
    names = ("a.jpg", "b.jpg", "c.jpg")
    return Split("test", tuple(Sample(tmp_path / name, GroundTruth.empty(), name) for name in names), CLASSES)


def test_a_folder_of_results(results, split):
    a, *others = read_detections(results, split)
    np.testing.assert_array_equal(a.boxes_px, FOUND.boxes_px)
    np.testing.assert_array_equal(a.scores, FOUND.scores)
    np.testing.assert_array_equal(a.labels, FOUND.labels)
    assert a.size == (50, 60)
    assert [len(one) for one in others] == [0, 0]


def test_one_file_of_results(results, split):
    assert len(read_detections(results / "part-0.parquet", split)[0]) == 2
    with pytest.raises(InputError, match="knows no image"):
        read_detections(results / "part-0.parquet", Split("test", split.samples[1:], CLASSES))


@pytest.mark.parametrize("content", [b"", b"PAR1 nothing PAR1", {"path": ["a.jpg"]}])
def test_parquet_of_others(tmp_path, split, content):
    file = tmp_path / "list.parquet"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        parquet.write_table(pa.table(content), file)
    with pytest.raises(InputError, match=r"list.parquet is not of 'ssd detect --engine ray'"):
        read_detections(file, split)
