"""`ssd detect` as a user calls it: with a small real detector, and with one that finds what is known."""

import csv
import io
import json
import os
import re
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np
import pytest
from clips import CLASSES, SIZE, CornerDetector, cut, frame, write_video

from ssd_keras.cli import main
from ssd_keras.data.formats import open_dataset
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import save_detector
from ssd_keras.inference.drawing import save_picture
from ssd_keras.inference.sources.videos import video_length
from ssd_keras.models.ssd import SSD
from ssd_keras.runtimes.artefact import Artefact

INPUT_SIZE = (96, 128)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector that nobody trained: it finds something everywhere, with scores of about 0.4."""
    file = tmp_path_factory.mktemp("models") / "ssd7.keras"
    save_detector(SSD.from_preset("ssd7", CLASSES, image_size=INPUT_SIZE), file)
    return file


@pytest.fixture
def detect(monkeypatch, tmp_path, capsys):
    """Run `ssd detect` with a stand-in detector; give exit status, standard output and standard error."""
    monkeypatch.setattr("ssd_keras.cli.detect.model_file", lambda path: path)
    monkeypatch.setattr("ssd_keras.cli.detect.load_detector", lambda *_: CornerDetector())

    def run(*words):
        capsys.readouterr()
        status = main(["detect", "stand-in", *map(str, words)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def fails(detect):
    """Run `ssd detect`, expect status 1 and one line of error, and give that line."""

    def run(*words):
        status, _, err = detect(*words)
        assert status == 1
        (line,) = err.splitlines()
        return line

    return run


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("a.png", "b.png", "deep/a.png"):
        save_picture(folder / name, frame(0))
    save_picture(folder / "none.png", np.full((*SIZE, 3), 90, np.uint8))
    return folder


def test_a_real_detector_on_images_and_a_video(model, photos, tmp_path, capsys):
    clip = write_video(tmp_path / "clip.mp4", frames=5)
    out = tmp_path / "out"
    words = ["detect", model, photos, clip, "--threshold", 0.3, "--out", out, "--json", "--crops"]
    assert main([str(word) for word in words]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [entry["image"] for entry in printed] == [
        *(str(photos / name) for name in ("a.png", "b.png", "none.png", "deep/a.png")),
        *[str(clip)] * 5,
    ]
    assert [entry.get("frame") for entry in printed] == [None] * 4 + list(range(5))
    boxes = np.array([found["box"] for entry in printed for found in entry["detections"]])
    assert len(boxes)
    assert boxes.min() >= 0
    assert (boxes[:, 2:].max(axis=0) <= SIZE[::-1]).all()
    assert json.loads((out / "detections.json").read_text()) == printed
    assert {file.name for file in out.iterdir()} == {
        *("a.jpg", "b.jpg", "none.jpg", "a-2.jpg", "clip.mp4", "detections.json", "crops")
    }
    assert video_length(out / "clip.mp4") == 5
    assert (out / "crops" / "red").is_dir()


def test_lines_tell_what_was_found_and_count_it(detect, photos):
    status, out, err = detect(photos)
    *lines, summary = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == f"{photos / 'a.png'}: 1 red (0.75)"
    assert lines[2] == f"{photos / 'none.png'}: nothing found"
    assert re.fullmatch(r"4 images \([\d.]+ images/s\): 3 red", summary)


def test_of_a_video_changes_are_told(detect, tmp_path):
    status, out, _ = detect(write_video(tmp_path / "clip.mp4"), "--every", 2)
    first, summary = out.splitlines()
    assert status == 0
    assert "clip.mp4, frame 0 (0.00 s): 1 red" in first
    assert re.fullmatch(r"10 frames \(.* frames/s\): 10 red", summary)


def test_json_lines_come_on_standard_output(detect, photos, tmp_path):
    clip = write_video(tmp_path / "clip.mp4", frames=3)
    status, out, err = detect(photos / "a.png", clip, "--format", "jsonl")
    entries = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [entry["image"] for entry in entries] == [str(photos / "a.png"), *[str(clip)] * 3]
    assert entries[0].keys() == {"image", "size", "detections"}
    assert (entries[2]["frame"], entries[2]["time"]) == (1, 0.1)
    assert "1 image and 3 frames" in err


@pytest.mark.parametrize(
    ("format", "file"),
    [
        ("json", "detections.json"),
        ("jsonl", "detections.jsonl"),
        ("csv", "detections.csv"),
        ("coco", None),
        ("voc", None),
        ("yolo", None),
    ],
)
def test_every_format_is_written(detect, photos, tmp_path, format, file):
    out = tmp_path / "out"
    status, _, err = detect(photos, "--out", out, "--format", format, "--no-pictures")
    assert (status, err) == (0, "")
    assert not list(out.glob("*.jpg"))
    written = [path for path in out.rglob("*") if path.is_file()]
    assert any("red" in path.read_text() for path in written), written
    if file:
        assert file in [path.name for path in written]
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO((out / file).read_text())))
        assert Counter(row["class"] for row in rows) == {"red": 3, "": 1}


def test_images_are_copied_beside_their_labels(detect, fails, photos, tmp_path):
    out = tmp_path / "out"
    words = (photos, "--out", out, "--format", "yolo", "--copy-images", "--no-pictures")
    assert detect(*words)[0] == 0
    (split,) = open_dataset(out).values()
    assert sorted(len(sample.ground_truth) for sample in split) == [0, 1, 1, 1]
    assert "is not empty" in fails(*words)
    assert "--copy-images is for labels" in fails(photos, "--out", out, "--copy-images")
    assert "name a folder" in fails(photos, "--format", "voc", "--copy-images")
    assert "--copy-images is not for" in fails(*words, "--engine", "ray")


@pytest.mark.skipif(os.name != "posix", reason="such names are not possible there")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_the_terminal_cannot_show(detect, tmp_path, monkeypatch, encoding):
    """Each image has one line, whatever it is called, and JSON is valid in every encoding."""
    names = ("li\nne.png", "bad\udcff.png", "ü%s.png")
    for name in names:
        save_picture(tmp_path / "photos" / name, frame(0))
    shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", shown)
    assert main(["detect", "stand-in", str(tmp_path / "photos")]) == 0
    lines = shown.buffer.getvalue().decode(encoding).splitlines()
    assert [line.partition(".png")[0].rpartition("/")[2] for line in lines[:-1]] == [
        "bad\\udcff",
        "li\\nne",
        "ü%s" if encoding == "utf-8" else "\\xfc%s",
    ]
    shown.buffer.truncate(0)
    shown.buffer.seek(0)
    assert main(["detect", "stand-in", str(tmp_path / "photos"), "--json"]) == 0
    entries = json.loads(shown.buffer.getvalue().decode(encoding))
    assert {entry["image"].rpartition("/")[2] for entry in entries} == set(names)


def test_files_need_a_folder(fails, photos):
    assert "--format csv writes files: name a folder" in fails(photos, "--format", "csv")
    assert "--crops writes files" in fails(photos, "--crops")
    assert "--format jsonl writes files" in fails(photos, "--format", "jsonl", "--json")


def test_classes_have_thresholds_of_their_own(detect, fails, photos):
    assert "nothing found" in detect(photos, "--threshold", 0.9)[1].splitlines()[-1]
    assert detect(photos, "--threshold", 0.9, "--class-threshold", "red=0.5")[1].endswith("3 red\n")
    words = ("--class-threshold", "red=0.9", "--class-threshold", "blue=0.1")
    assert "nothing found" in detect(photos, *words)[1].splitlines()[-1]
    assert "nothing found" in detect(photos, "--class-threshold", "red=0.9", "blue=0.1")[1].splitlines()[-1]
    assert "green" in fails(photos, "--class-threshold", "green=0.9")


def test_tiles(detect, tmp_path):
    large = np.full((96, 128, 3), 90, np.uint8)
    large[48:, 64:] = frame(0)
    save_picture(tmp_path / "large.png", large)
    assert "nothing found" in detect(tmp_path / "large.png")[1]
    assert "red" in detect(tmp_path / "large.png", "--tile", 64, "--tile-overlap", 0)[1]


def test_what_cannot_be_read_is_said_and_the_rest_goes_on(detect, photos, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    status, out, err = detect(tmp_path / "bad.jpg", photos / "a.png", "--out", tmp_path / "out")
    assert status == 1
    assert "a.png: 1 red" in out
    first, last = err.splitlines()
    assert "bad.jpg does not decode" in first
    assert "1 of 2 images could not be read, as said above" in last
    assert (tmp_path / "out" / "a.jpg").exists()


def huge_png(file):
    """A few bytes that claim to be an image with sides of 30,000 pixels."""
    data = bytearray(cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes())
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    file.write_bytes(data)
    return file


def test_one_thing_wrong_is_one_line(fails, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no image" in fails(tmp_path / "empty")
    assert "camera:963 is not there" in fails("camera:963")
    assert "30000 × 30000 pixels" in fails(huge_png(tmp_path / "huge.png"))
    assert "cannot be fetched" in fails("http://127.0.0.1:9/a.jpg")
    assert "is no link" in fails("file:///etc/hostname")
    assert "does not open as a video" in fails(cut(write_video(tmp_path / "cut.mp4"), 0.5))
    assert "could overwrite" in fails(photos / "a.png", "--out", photos)
    assert (photos / "a.png").exists()


def test_a_photograph_is_never_replaced_by_a_picture(fails, detect, photos, tmp_path):
    mine = photos / "a.jpg"
    mine.write_bytes(cv2.imencode(".jpg", frame(3))[1].tobytes())
    before = mine.read_bytes()
    assert "is there already" in fails(photos / "deep", "--out", photos)
    assert mine.read_bytes() == before
    out = tmp_path / "out"
    for _ in range(2):
        assert detect(photos, "--out", out, "--crops")[0] == 0


def test_labels_that_could_not_be_called_after_their_image_are_said(fails, detect, photos, tmp_path):
    words = (photos / "a.png", photos / "deep", "--no-pictures", "--format", "yolo", "--out")
    assert "rename the image to a-2.png" in fails(*words, tmp_path / "one")
    save_picture(tmp_path / "more" / "a.png", frame(0))
    status, _, err = detect(tmp_path / "more", *words, tmp_path / "two")
    assert status == 1
    assert "rename the image to a-2.png" in err
    assert "rename the image to a-3.png" in err
    assert err.splitlines()[-1].endswith(
        "2 of 3 images have labels of another name, as said above; the rest is done"
    )


def test_what_cannot_detect_leaves_the_results_before_it(detect, fails, photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert detect(photos, "--out", out)[0] == 0
    before = (out / "detections.json").read_bytes()
    assert "too small" in fails(photos, "--out", out, "--tile", 5)

    class Refusing(Artefact):
        class_names, image_size = CLASSES, SIZE

        def __init__(self):
            """Be of no file."""

        def check(self, fast=False):
            raise InputError("--fast is not for this" if fast else "gives raw predictions")

    monkeypatch.setattr("ssd_keras.cli.detect.load_detector", lambda *_: Refusing())
    assert "raw predictions" in fails(photos, "--out", out)
    assert "--fast" in fails(photos, "--out", out, "--fast", "--json")
    assert detect(photos, "--json")[1] == ""
    assert (out / "detections.json").read_bytes() == before


def test_a_video_cut_off_in_the_middle_is_done_as_far_as_it_goes(detect, tmp_path):
    clip = cut(write_video(tmp_path / "clip.avi", frames=50, codec="MJPG"), 0.6)
    status, out, err = detect(clip, "--out", tmp_path / "out")
    done = video_length(tmp_path / "out" / "clip.mp4")
    assert status == 1
    assert 20 < done < 40
    assert len(json.loads((tmp_path / "out" / "detections.json").read_text())) == done
    assert re.search(rf"ends after {done} of 50 frames", err)
    assert len(err.splitlines()) == 1
    assert f"{done} frames" in out


def test_links_are_fetched(detect, photos):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(photos)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    host = f"http://127.0.0.1:{server.server_port}"
    try:
        status, out, err = detect(f"{host}/a.png", f"{host}/c.png", f"{host}/b.png", "--json")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert status == 1
    assert [(e["image"], len(e["detections"])) for e in json.loads(out)] == [
        (f"{host}/a.png", 1),
        (f"{host}/b.png", 1),
    ]
    assert "c.png answers 404" in err


class Capture:
    """A camera with ten frames a second."""

    def __init__(self, _):
        self.number = -1

    def get(self, _):
        return 10.0

    def grab(self):
        self.number += 1
        return True

    def retrieve(self):
        return True, cv2.cvtColor(frame(self.number % 20), cv2.COLOR_RGB2BGR)

    def isOpened(self):  # noqa: N802, the name OpenCV gives it
        return True

    def release(self):
        """Nothing to be let go."""


def test_a_camera_is_watched_for_as_long_as_wanted(detect, monkeypatch, tmp_path):
    files = cv2.VideoCapture
    monkeypatch.setattr("cv2.VideoCapture", lambda *which: Capture(which) if which else files())
    status, out, _ = detect("camera:0", "--max-frames", 5, "--out", tmp_path / "out")
    assert status == 0
    assert re.search(r"camera:0, frame 0 \(0\.\d\d s\): 1 red", out)
    assert re.search(r"5 frames \(.*/s\): 5 red", out)
    assert (tmp_path / "out" / "camera_0.mp4").exists()


def test_a_flag_that_is_none_is_no_source(detect, photos):
    for words in (("--thresold", 0.3, photos), (photos, "--thresold", 0.3), (photos, "-q")):
        status, out, err = detect(*words)
        assert (status, out) == (2, "")
        assert "Unknown option" in err
