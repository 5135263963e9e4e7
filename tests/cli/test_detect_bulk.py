"""`ssd detect --engine ray` as a user calls it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import clips
import pytest

from ssd_keras.bulk.results import read_bulk
from ssd_keras.bulk.run import BulkRun, ShardDone
from ssd_keras.inference.detector import save_detector
from ssd_keras.inference.drawing import save_picture
from ssd_keras.models.ssd import SSD

FOUND = [ShardDone(3, 0, Counter(red=2)), ShardDone(2, 1, Counter(red=1, blue=4))]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number in range(10):
        save_picture(folder / f"{number}.png", clips.frame(number))
    return folder


@pytest.fixture
def bulk(call, monkeypatch):
    """Run `ssd detect --engine ray` with shards that are given; give status, standard output and error."""
    asked = []

    def run(*words, shards=FOUND, done=0):
        def open_bulk(*arguments):
            asked.append(arguments)
            return BulkRun(None, (), None, (), done)

        def shards_of(_):
            print("what Ray prints")
            yield from shards
            if not shards:
                raise KeyboardInterrupt

        monkeypatch.setattr("ssd_keras.cli.detect_bulk.open_bulk", open_bulk)
        monkeypatch.setattr(BulkRun, "shards", shards_of)
        return *call("detect", "m.keras", "photos", "--engine", "ray", *words), asked[-1:]

    return run


def test_what_it_says(bulk):
    status, out, err, _ = bulk("--out", "found", shards=FOUND[:1], done=7)
    assert (status, err) == (0, "")
    before, summary, results = out.splitlines()
    assert before == "found: 7 images left out, as done before"
    assert summary.startswith("3 images (")
    assert summary.endswith("images/s): 2 red")
    assert results == "results: found"


def test_images_that_could_not_be_read(bulk):
    status, out, err, _ = bulk("--out", "s3://bucket/found")
    assert status == 1
    assert "4 blue, 3 red" in out
    place = "the column 'error' of the Parquet files in s3://bucket/found"
    assert err == f"ssd: 1 of 5 images could not be read: {place} says why; the rest is done\n"


def test_nothing_was_left(bulk):
    status, out, _, _ = bulk(
        "--out", "ftp://me:secret@host/found", shards=[ShardDone(0, 0, Counter())], done=3
    )
    assert status == 0
    assert out.splitlines() == [
        "ftp://me@host/found: 3 images left out, as done before",
        "no image was left to look at",
        "results: ftp://me@host/found",
    ]


def test_json_is_one_document(bulk):
    status, out, _, _ = bulk("--out", "found", "--json", shards=FOUND[:1], done=2)
    document = json.loads(out)
    assert status == 0
    assert document.pop("seconds") >= 0
    assert document.pop("images_per_second") > 0
    assert document == {
        "out": "found",
        "images": 3,
        "images_before": 2,
        "errors": 0,
        "shards": 1,
        "objects": {"red": 2},
    }


def test_stopped(bulk):
    status, out, err, _ = bulk("--out", "found", shards=[])
    assert status == 130
    assert out == ""  # nobody knows what was left
    assert "what was finished is kept" in err


def test_flags_arrive(bulk):
    words = ["--out", "found", "--threshold", 0.3, "--class-threshold", "red=0.2", "--tile", 300, "--fast"]
    *_, ((_, sources, out, finding, workforce),) = bulk(
        *words, "--batch-size", 4, "--workers", 3, "--ray-address", "auto", "--shard-size", 9
    )
    assert (sources, out) == (("photos",), "found")
    assert (finding.threshold, finding.class_threshold, finding.tile) == (0.3, ("red=0.2",), 300)
    assert (finding.fast, finding.batch_size) == (True, 4)
    assert (workforce.workers, workforce.address, workforce.shard_size) == (3, "auto", 9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "name a folder or URL for them with --out"),
        ("--out found --crops", "--crops is not for --engine ray"),
        ("--out found --format coco", "--format is not for --engine ray"),
        ("--out found --every 2", "--every is for videos and cameras"),
        ("--out found --max-frames 2", "--max-frames is for videos and cameras"),
    ],
)
def test_flags_that_are_for_other_work(bulk, words, said):
    status, out, err, _ = bulk(*words.split())
    assert (status, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--workers", "--shard-size", "--ray-address"])
def test_flags_of_ray_need_ray(call, flag):
    status, _, err = call("detect", "m.keras", "photos", flag, 2)
    assert status == 1
    assert err == f"ssd: {flag} is for --engine ray: add that, or leave {flag} out\n"


def test_a_missing_model_and_a_missing_library(call, tmp_path, photos, monkeypatch):
    words = ["detect", tmp_path / "none.keras", photos, "--engine", "ray", "--out", tmp_path / "found"]
    status, _, err = call(*words)
    assert status == 1
    assert "none.keras does not exist" in err
    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, err = call(*words)
    assert status == 1
    assert "pip install 'ssd-keras[ray]'" in err
    assert not (tmp_path / "found").exists()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector that nobody trained: it finds something everywhere, with scores of about 0.4."""
    file = tmp_path_factory.mktemp("models") / "ssd7.keras"
    save_detector(SSD.from_preset("ssd7", clips.CLASSES, image_size=(96, 128)), file)
    return file


def command(model, photos, out, *words):
    return [
        *(sys.executable, "-m", "ssd_keras", "detect", model, photos, "--engine", "ray", "--out", out),
        *("--threshold", "0.3", "--shard-size", "1", *words),
    ]


@pytest.mark.slow
def test_killed_as_a_whole_and_started_again(model, photos, tmp_path, call):
    """The one test of all that is real: nothing is lost, and all is found that is found without Ray."""
    out = tmp_path / "found"
    process = subprocess.Popen(
        command(model, photos, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 300
    while not list(out.glob("part-*")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(2)  # the workers see that they are alone
    finished = {file.name: file.stat().st_mtime_ns for file in out.glob("part-*")}
    again = subprocess.run(
        command(model, photos, out, "--json"), capture_output=True, check=True, timeout=500
    )
    document = json.loads(again.stdout)
    assert document["images_before"] == len(finished)
    assert document["images"] == 10 - len(finished)
    assert {name: (out / name).stat().st_mtime_ns for name in finished} == finished
    assert len(list(out.iterdir())) == 10
    _, printed, _ = call("detect", model, photos, "--json", "--threshold", 0.3)
    plain = {entry["image"]: entry["detections"] for entry in json.loads(printed)}
    found = {name: detections.as_json() for name, detections in read_bulk(out)}
    assert found == plain
    assert all(Path(name).is_file() for name in found)
