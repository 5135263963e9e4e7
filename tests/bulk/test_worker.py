"""What a worker makes of a shard, in this process."""

import os

import clips
import pytest

from ssd_keras.bulk.model_files import ModelFiles
from ssd_keras.bulk.results import ResultFolder, read_bulk
from ssd_keras.bulk.settings import Finding, base_seen_from
from ssd_keras.bulk.shards import Shard
from ssd_keras.bulk.worker import LOADING, Job, ShardDetector, shard_of, shard_table
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector, save_detector
from ssd_keras.inference.thresholds import Thresholds
from ssd_keras.models.ssd import SSD

MODEL = ModelFiles("m.keras", (("m.keras", b"weights"),))


def make_job(out, base, model=MODEL, **finding):
    settings = Finding(**finding)
    thresholds = Thresholds.parse(settings.threshold, settings.class_threshold, clips.CLASSES)
    return Job(
        *(model, settings, thresholds, str(out), str(base), os.environ["KERAS_BACKEND"]),
        stated_base=base_seen_from(str(out), str(base)),
    )


@pytest.fixture
def work(tmp_path, photos, monkeypatch):
    """Let a worker do a shard; give its answer and the rows of the results."""
    monkeypatch.setattr("ssd_keras.inference.detector.load_detector", lambda *_: clips.CornerDetector())
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def do(*names, out=tmp_path / "found", **finding):
        ResultFolder(str(out)).prepare()
        detector = ShardDetector(make_job(out, photos, **finding))
        (answer,) = detector(shard_table(Shard(0, tuple(map(os.fsencode, names))))).to_pylist()
        return answer, dict(read_bulk(out))

    return do


def test_a_shard_travels_as_a_table():
    for shard in (Shard(7, (b"a.jpg", b"\xff.jpg")), Shard(0, (b"a",))):
        assert shard_of(shard_table(shard)) == shard


def test_what_is_found_and_what_is_not_read(work, photos):
    (photos / os.fsdecode(b"photo\xff.png")).write_bytes((photos / "1.png").read_bytes())
    names = ["0.png", "5-bad.jpg", "none.jpg", os.fsdecode(b"photo\xff.png"), (photos / "2.png").as_uri()]
    answer, rows = work(*names, "http://[/a.jpg")
    assert answer == {"images": 6, "errors": 3, "classes": ["red"], "objects": [3], "fault": None}
    assert list(rows) == [*names[:3], "photo\\xff.png", names[4], "http://[/a.jpg"]
    assert "does not decode" in str(rows["5-bad.jpg"])
    assert "none.jpg cannot be read" in str(rows["none.jpg"])
    assert isinstance(rows["http://[/a.jpg"], InputError)
    assert rows["0.png"].size == clips.SIZE


def test_a_name_that_no_file_can_have_is_an_error_like_others(work):
    answer, rows = work("0.png", "a\0b.png")
    assert (answer["images"], answer["errors"], answer["fault"]) == (2, 1, None)
    assert "has a zero byte" in str(rows["a\0b.png"])


def test_passwords_are_in_no_row(work):
    answer, rows = work("nothing-knows-this://me:secret@host/a.jpg")
    ((name, error),) = rows.items()
    assert (answer["errors"], name) == (1, "nothing-knows-this://me@host/a.jpg")
    assert "secret" not in str(error)


def test_only_results_of_relative_paths_depend_on_where_these_begin(work, photos, tmp_path):
    folder = ResultFolder(str(tmp_path / "found"))
    work("0.png", (photos / "1.png").as_uri())
    work(str(photos / "2.png"), (photos / "1.png").as_uri())
    assert {folder.origin(name)[0].base for name in folder.finished()} == {"../photos", None}


def test_nothing_found(work):
    answer, rows = work("0.png", class_threshold=("red=1",), threshold=0.2)
    assert answer == {"images": 1, "errors": 0, "classes": [], "objects": [], "fault": None}
    assert len(rows["0.png"]) == 0


def test_tiles(work):
    _, rows = work("0.png", tile=32)
    assert rows["0.png"].size == clips.SIZE
    answer, _ = work("1.png", tile=3)
    assert "tiles of 3 pixels are too small" in answer["fault"]


def test_a_shard_whose_file_is_there_is_not_done_again(work, photos, tmp_path):
    first = work("0.png", "1.png")
    (photos / "0.png").unlink()
    again = work("0.png", "1.png")
    assert again[0] == first[0]
    assert len(again[1]["0.png"]) == 1


def test_a_shard_that_kills_its_workers_is_given_up(work, tmp_path):
    folder = ResultFolder(str(tmp_path / "found"))
    shard = Shard(0, (b"0.png", b"1.png"))
    work("9.png")
    for _ in range(4):
        folder.begin(shard.file_name)
    detector = ShardDetector(make_job(tmp_path / "found", tmp_path))
    (fault,) = detector(shard_table(shard))["fault"].to_pylist()
    assert fault.startswith("4 workers were killed at the images from 0.png to 1.png")


def test_a_model_that_kills_its_workers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr("ssd_keras.inference.detector.load_detector", lambda *_: clips.CornerDetector())
    folder = ResultFolder(str(tmp_path))
    for _ in range(4):
        folder.begin(LOADING)
    ShardDetector(make_job(tmp_path, tmp_path))  # one that loads it is enough
    assert list(tmp_path.iterdir()) == []
    for _ in range(5):
        folder.begin(LOADING)
    (answer,) = ShardDetector(make_job(tmp_path, tmp_path))(shard_table(Shard(0, (b"0.png",)))).to_pylist()
    assert answer["fault"].startswith("workers were killed while they loaded the model")


def test_a_model_that_cannot_be_loaded_and_sources_that_cannot_be_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    detector = ShardDetector(make_job(tmp_path, tmp_path))
    (answer,) = detector(shard_table(Shard(0, (b"0.png",)))).to_pylist()
    assert "m.keras is not a Keras model" in answer["fault"]
    assert answer["images"] == 0
    monkeypatch.setattr("ssd_keras.inference.detector.load_detector", lambda *_: clips.CornerDetector())
    detector = ShardDetector(make_job(tmp_path, tmp_path))
    (answer,) = detector(shard_table(InputError("row 2 names no image"))).to_pylist()
    assert answer["fault"] == "row 2 names no image"


def test_a_real_model_is_loaded_from_its_files(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    save_detector(SSD.from_preset("ssd7", clips.CLASSES, image_size=(96, 128)), tmp_path / "m.keras")
    out = tmp_path / "found"
    ResultFolder(str(out)).prepare()
    job = make_job(out, photos, ModelFiles.read(tmp_path / "m.keras"), threshold=0.3, batch_size=2)
    answer = ShardDetector(job)(shard_table(Shard(0, (b"0.png", b"1.png", b"2.png"))))
    (expected,) = load_detector(tmp_path / "m.keras").detect(str(photos / "1.png"), 0.3)
    found = dict(read_bulk(out))["1.png"]
    assert answer["images"].to_pylist() == [3]
    assert found.as_json() == expected.as_json()
    assert len(found)
