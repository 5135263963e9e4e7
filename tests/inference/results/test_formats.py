"""Detections in every format: files are valid at any time, and never outside of their folder."""

import csv
import io
import json
import os
import xml.etree.ElementTree as ElementTree

import pytest

from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.results import RESULT_FORMATS, open_results, stream_results

CLASSES = ("car", "person", "unseen")
SIZE = (40, 60)


def some(*rows, names=CLASSES):
    boxes, scores, labels = ([row[i] for row in rows] for i in range(3))
    return Detections(boxes, scores, labels, names, SIZE)


NOTHING = some()
TWO = some(([1.5, 2, 30.25, 39.125], 0.25, 1), ([5, 6, 7.0625, 38.3], 0.75, 0))


def files_of(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def rows_of(table):
    with table.open() as file:
        return list(csv.DictReader(file))


def interrupted(results, *named_detections):
    """Add detections until someone presses Ctrl-C."""
    with results:
        for name, detections in named_detections:
            results.add(name, detections)
        raise KeyboardInterrupt


# --- Empty and interrupted ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", RESULT_FORMATS)
def test_results_without_an_image_are_valid_files(tmp_path, format):
    with open_results(format, tmp_path / "out", CLASSES) as results:
        pass
    assert all(path.exists() for path in results.paths)
    for file in (tmp_path / "out").rglob("*.json"):
        assert json.loads(file.read_text()) is not None
    assert not list(tmp_path.rglob("unfinished*"))


def test_without_an_image_the_lists_are_empty(tmp_path):
    for format in ("json", "jsonl", "csv", "coco"):
        open_results(format, tmp_path, CLASSES).close()
    assert (tmp_path / "detections.json").read_text() == "[]\n"
    assert (tmp_path / "detections.jsonl").read_text() == ""
    assert len((tmp_path / "detections.csv").read_text().splitlines()) == 1
    assert json.loads((tmp_path / "detections_coco_results.json").read_text()) == []
    document = json.loads((tmp_path / "detections_coco.json").read_text())
    assert (document["images"], document["annotations"], len(document["categories"])) == ([], [], 3)


@pytest.mark.parametrize("format", RESULT_FORMATS)
def test_what_was_added_before_an_interruption_is_kept(tmp_path, format):
    with pytest.raises(KeyboardInterrupt):
        interrupted(open_results(format, tmp_path, CLASSES), ("a.jpg", TWO), ("b.jpg", NOTHING))
    kept = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    assert kept.count("0.75") >= 1
    for file in tmp_path.rglob("*.json"):
        json.loads(file.read_text())


def test_the_document_is_valid_after_every_image(tmp_path):
    """Also a program that is killed has written what it found."""
    results = open_results("json", tmp_path, CLASSES)
    names = []
    for name, detections in {"a.jpg": TWO, "b.jpg": NOTHING, "c.jpg": TWO}.items():
        results.add(name, detections)
        names.append(name)
        text = (tmp_path / "detections.json").read_text()
        assert [entry["image"] for entry in json.loads(text)] == names
        assert json.loads(text)[-1]["detections"] == detections.as_json()
    results.close()
    assert (tmp_path / "detections.json").read_text() == text


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "coco"])
def test_a_full_disk_is_said_and_leaves_valid_files(tmp_path, format):
    results = open_results(format, tmp_path, CLASSES)
    results.add("a.jpg", TWO)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    growing = results._results if format == "coco" else getattr(results, "_sink", None) or results._file
    growing._file = FullDisk(growing._file)
    with pytest.raises(InputError, match="No space left") as error:
        results.add("b.jpg", TWO)
    assert "\n" not in str(error.value)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    growing._file.is_full = False
    results.close()
    assert len(read_back(tmp_path, format)) == 1


class FullDisk:
    """A file on a disk that has room for ten bytes more of what is added."""

    def __init__(self, file):
        self.file = file
        self.is_full = True
        self.limit = file.seek(0, os.SEEK_END) + 10

    def write(self, data):
        if self.is_full and self.file.tell() >= self.limit:
            raise OSError(28, "No space left on device")
        room = self.limit - self.file.tell() if self.is_full else len(data)
        return self.file.write(bytes(data[:room]))

    def __getattr__(self, name):
        return getattr(self.file, name)


def read_back(folder, format):
    if format == "csv":
        return {row["image"] for row in rows_of(folder / "detections.csv")}
    if format == "jsonl":
        return (folder / "detections.jsonl").read_text().splitlines()
    if format == "coco":
        return {row["image_id"] for row in json.loads((folder / "detections_coco_results.json").read_text())}
    return json.loads((folder / "detections.json").read_text())


# --- Names -------------------------------------------------------------------------------------------------

STRANGE_NAMES = (
    "../../up.jpg",
    "/etc/passwd",
    "..",
    "",
    "a.jpg",
    "A.JPG",
    "other/a.jpg",
    "a.png",
    "https://host/a.jpg?size=1",
    "nul\0.jpg",
    "li\nne.jpg",
    "bad\udcff.jpg",
    "<&>.jpg",
    "x" * 300 + ".jpg",
)


@pytest.mark.parametrize("format", RESULT_FORMATS)
def test_no_name_leads_out_of_the_folder_and_none_is_lost(tmp_path, format):
    out = tmp_path / "deep" / "out"
    with open_results(format, out, CLASSES, image_root=tmp_path / "photos") as results:
        for name in STRANGE_NAMES:
            results.add(name, TWO)
    assert all(file.startswith("deep/out/") for file in files_of(tmp_path))
    written = "".join(path.read_text() for path in out.rglob("*") if path.is_file())
    assert written.count("0.75") == len(STRANGE_NAMES) * (2 if format == "coco" else 1)
    for file in out.rglob("*.xml"):
        ElementTree.parse(file)
    for file in out.rglob("*.json"):
        json.loads(file.read_text())


@pytest.mark.parametrize(("format", "folder"), [("voc", "Annotations"), ("yolo", "labels")])
def test_images_of_one_name_and_frames_get_files_of_their_own(tmp_path, format, folder):
    with open_results(format, tmp_path, CLASSES) as results:
        for name in ("one/a.jpg", "two/a.jpg", "a-2.jpg"):
            results.add(name, TWO)
        for frame in (0, 12):
            results.add("clip.mp4", NOTHING, frame=frame, time=frame / 25)
    stems = sorted(file.stem for file in (tmp_path / folder).iterdir())
    assert stems == ["a", "a-2", "a-2-2", "clip_000000", "clip_000012"]


def test_frames_say_which_they_are(tmp_path):
    for format in ("jsonl", "csv", "coco"):
        with open_results(format, tmp_path, CLASSES) as results:
            results.add("clip.mp4", NOTHING, frame=12, time=0.48)
    assert json.loads((tmp_path / "detections.jsonl").read_text()) == {
        "image": "clip.mp4",
        "frame": 12,
        "time": 0.48,
        "size": [40, 60],
        "detections": [],
    }
    [row] = rows_of(tmp_path / "detections.csv")
    assert (row["image"], row["frame"], row["time"], row["class"]) == ("clip.mp4", "12", "0.48", "")
    [image] = json.loads((tmp_path / "detections_coco.json").read_text())["images"]
    assert (image["file_name"], image["video"], image["frame"]) == ("clip_000012.jpg", "clip.mp4", 12)


# --- What is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "there"), [("voc", "Annotations/b.xml"), ("yolo", "labels/b.txt"), ("yolo", "data.yaml")]
)
def test_labels_that_are_there_already_are_not_touched(tmp_path, format, there):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("someone's work")
    with pytest.raises(InputError, match="is there already") as error:
        open_results(format, tmp_path, CLASSES)
    assert "\n" not in str(error.value)
    assert files_of(tmp_path) == [there]


def test_the_results_of_an_earlier_run_are_replaced(tmp_path):
    for names in (["a.jpg", "b.jpg"], ["c.jpg"]):
        with open_results("json", tmp_path, CLASSES) as results:
            for name in names:
                results.add(name, NOTHING)
    assert [entry["image"] for entry in read_back(tmp_path, "json")] == ["c.jpg"]


@pytest.mark.parametrize("format", RESULT_FORMATS)
def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path, format):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written|is there already") as error:
        open_results(format, tmp_path / "file", CLASSES)
    assert "\n" not in str(error.value)


def test_an_unknown_format_and_a_name_that_no_text_holds_are_refused(tmp_path):
    with pytest.raises(InputError, match="choose one of json, jsonl, coco"):
        open_results("xls", tmp_path, CLASSES)
    with pytest.raises(InputError, match="choose one of json, jsonl"):
        stream_results("csv", io.StringIO(), CLASSES)
    with pytest.raises(InputError, match="control characters"):
        open_results("yolo", tmp_path, ["a\nb"])


def test_faults_of_a_program_are_no_faults_of_its_user(tmp_path):
    results = open_results("json", tmp_path, CLASSES)
    with pytest.raises(ValueError, match="classes"):
        results.add("a.jpg", some(names=("other",)))
    results.close()
    results.close()
    with pytest.raises(ValueError, match="closed"):
        results.add("a.jpg", NOTHING)


# --- Streams -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_a_stream_gets_each_image_at_once_and_stays_open(tmp_path, format):
    stream = io.StringIO()
    results = stream_results(format, stream, CLASSES)
    results.add("a.jpg", TWO)
    assert '"a.jpg"' in stream.getvalue()
    with pytest.raises(KeyboardInterrupt):
        interrupted(results, ("bad\udcff.jpg", NOTHING))
    with open_results(format, tmp_path, CLASSES) as results:
        results.add("a.jpg", TWO)
        results.add("bad\udcff.jpg", NOTHING)
    assert stream.getvalue() == results.paths[0].read_text()
