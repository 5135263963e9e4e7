"""Files of results: written whole, read again as they were, by us and by others."""

import json

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyarrow import dataset, parquet

from ssd_keras.bulk.results import (
    ResultFolder,
    count_errors,
    count_objects,
    done_images,
    make_table,
    read_bulk,
)
from ssd_keras.bulk.settings import Origin
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError

CLASSES = ("car", "light")
ORIGIN = Origin("ssd7.keras", "a" * 32, CLASSES, (0.5, 0.3), False, None, 0.0, "float32")


def detections(count=2):
    boxes = np.arange(4 * count, dtype=np.float32).reshape(-1, 4) + 0.1
    return Detections(boxes, np.linspace(0.9, 0.5, count), np.arange(count) % 2, CLASSES, (48, 64))


ROWS = [
    ("a.jpg", detections()),
    ("none.jpg", detections(0)),
    ("bad.jpg", InputError("bad.jpg does not decode as an image: replace it")),
]


@pytest.fixture(params=["path", "file URL", "object store"])
def folder(request, tmp_path):
    if request.param == "object store":
        yield ResultFolder("memory://bucket/found")
        fsspec.filesystem("memory").rm("/bucket", recursive=True)
    else:
        url = tmp_path / "found"
        yield ResultFolder(str(url) if request.param == "path" else url.as_uri())


def assert_same(found, expected):
    if isinstance(expected, InputError):
        assert isinstance(found, InputError)
        assert str(found) == str(expected)
        return
    assert (found.class_names, found.size) == (expected.class_names, expected.size)
    for name in ("boxes_px", "scores", "labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_no_results(folder):
    assert folder.finished() == []
    folder.prepare()
    assert folder.finished() == []
    assert folder.read("part-0.parquet") is None
    with pytest.raises(InputError, match="holds no results"):
        next(read_bulk(folder.url))


def test_rows_come_back_as_they_were(folder):
    folder.prepare()
    folder.write("part-1.parquet", make_table(ROWS, ORIGIN))
    folder.write("part-0.parquet", make_table([("z.jpg", detections(1))], ORIGIN))
    assert folder.finished() == ["part-0.parquet", "part-1.parquet"]
    assert [folder.origin(name) for name in folder.finished()] == [(ORIGIN, 1), (ORIGIN, 3)]
    expected = [("z.jpg", detections(1)), *ROWS]
    found = list(read_bulk(folder.url))
    assert [name for name, _ in found] == [name for name, _ in expected]
    for one, other in zip(found, expected, strict=True):
        assert_same(one[1], other[1])
    assert list(done_images(folder, folder.finished())) == [["z.jpg"], ["a.jpg", "none.jpg", "bad.jpg"]]


@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(0, 4), st.just(4)), elements=st.floats(-1e6, 1e6, width=32)
    )
)
def test_numbers_are_exact(boxes):
    expected = Detections(boxes, np.full(len(boxes), 0.7), np.zeros(len(boxes)), CLASSES, (10, 20))
    folder = ResultFolder("memory://exact")
    folder.write("part-0.parquet", make_table([("a", expected)], ORIGIN))
    ((_, found),) = read_bulk(folder.url)
    assert_same(found, expected)


def test_counts():
    table = make_table(ROWS, ORIGIN)
    assert count_objects(table) == {"car": 1, "light": 1}
    assert count_errors(table) == 1
    for rows in ([], ROWS[2:], ROWS[1:2]):
        assert count_objects(make_table(rows, ORIGIN)) == {}


def test_others_read_what_the_command_line_prints(tmp_path):
    ResultFolder(str(tmp_path)).write("part-0.parquet", make_table(ROWS, ORIGIN))
    frame = pd.read_parquet(tmp_path)
    assert list(frame.columns) == ["image", "height", "width", "detections", "error"]
    printed = [
        {
            "label": one["label"],
            "score": round(float(one["score"]), 6),
            "box": np.round(one["box"], 2).tolist(),
        }
        for one in frame.detections[0]
    ]
    assert json.dumps(printed) == json.dumps(
        [{**one, "box": np.float32(one["box"]).round(2).tolist()} for one in detections().as_json()]
    )
    objects = frame.explode("detections").dropna(subset="detections")
    assert pd.json_normalize(objects.detections).label.tolist() == ["car", "light"]
    assert dataset.dataset(tmp_path).count_rows() == 3


def test_a_file_is_there_whole_or_not_at_all(folder, monkeypatch):
    folder.prepare()

    def half(table, opened, **_):
        opened.write(b"PAR1")
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet, "write_table", half)
    with pytest.raises(KeyboardInterrupt):
        folder.write("part-0.parquet", make_table(ROWS, ORIGIN))
    assert folder.finished() == []
    monkeypatch.undo()
    folder.write("part-0.parquet", make_table(ROWS, ORIGIN))
    assert folder.finished() == ["part-0.parquet"]


def test_unfinished_files_are_passed_over_by_readers_and_removed(tmp_path):
    folder = ResultFolder(str(tmp_path))
    folder.write("part-0.parquet", make_table(ROWS, ORIGIN))
    (tmp_path / "_unfinished-1a-part-1.parquet").write_bytes(b"PAR1")
    assert folder.finished() == ["part-0.parquet"]
    assert len(pd.read_parquet(tmp_path)) == 3
    (tmp_path / "kept.txt").touch()
    folder.prepare()
    assert {file.name for file in tmp_path.iterdir()} == {"part-0.parquet", "kept.txt"}


def test_marks_of_what_was_begun_are_counted_and_go_with_the_finished_file(folder):
    folder.prepare()
    assert [folder.begin("part-0.parquet") for _ in range(3)] == [0, 1, 2]
    assert folder.begin("part-1.parquet") == 0
    assert folder.finished() == []
    folder.write("part-0.parquet", make_table(ROWS, ORIGIN))
    assert [folder.begin(name) for name in ("part-0.parquet", "part-1.parquet")] == [0, 1]
    folder.prepare()
    assert folder.begin("part-1.parquet") == 0


def test_the_own_mark_goes_even_if_others_ended_meanwhile(tmp_path):
    first, second = (ResultFolder(str(tmp_path)) for _ in range(2))
    assert [folder.begin("model") for folder in (first, second)] == [0, 1]
    (mark,) = tmp_path.glob("*-0-model*")
    mark.unlink()  # as `first.end` does if it looks before the second one has written its own
    second.end("model")
    first.end("model")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_ours(tmp_path):
    folder = ResultFolder(str(tmp_path))
    parquet.write_table(pa.table({"path": ["a.jpg"]}), tmp_path / "list.parquet")
    with pytest.raises(InputError, match="is no file of 'ssd detect --engine ray'"):
        folder.origin("list.parquet")
    (tmp_path / "list.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="remove it, and its images are done again"):
        folder.origin("list.parquet")
    with pytest.raises(InputError, match="remove it, and its images are done again"):
        folder.read("list.parquet")


def test_a_store_with_errors_of_its_own(monkeypatch):
    folder = ResultFolder("memory://me:secret@bucket/found")

    def fail(*_, **__):
        raise RuntimeError("Unable to locate credentials")

    for method in ("ls", "makedirs", "open", "pipe_file"):
        monkeypatch.setattr(folder._files, method, fail)
    for work, said in [
        (folder.finished, "memory://me@bucket/found cannot be reached"),
        (folder.prepare, "memory://me@bucket/found cannot be written"),
        (lambda: folder.begin("part-0.parquet"), "cannot be written"),
        (lambda: folder.write("part-0.parquet", make_table(ROWS, ORIGIN)), "cannot be written"),
        (lambda: folder.read("part-0.parquet"), "cannot be read"),
        (lambda: folder.origin("part-0.parquet"), "cannot be read"),
    ]:
        with pytest.raises(InputError, match=rf"{said} .Unable to locate credentials."):
            work()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    folder = ResultFolder(str(tmp_path / "file" / "found"))
    with pytest.raises(InputError, match="cannot be written"):
        folder.prepare()
    with pytest.raises(InputError, match="cannot be written"):
        folder.write("part-0.parquet", make_table(ROWS, ORIGIN))
