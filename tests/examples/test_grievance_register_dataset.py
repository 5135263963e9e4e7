"""What staff confirmed, as a data set in every format."""

import io
import secrets
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing

import numpy as np
import pytest
from citizens import (
    CLASSES,
    EXAMPLE,
    STAFF,
    correct,
    looked_at,
    make_settings,
    photo_file,
    send,
    wait_until,
)
from grievances.app import DATABASE_NAME
from grievances.contracts import Correction, NewReport
from grievances.database import LAYOUTS, Database
from grievances.dataset import FORMATS, SPLITS, confirmed_reports
from grievances.photos import clean_photo
from grievances.register import add_report, correct_detections, whole_report

import ssd_keras as ssd
from ssd_keras.data.formats import FORMATS as KNOWN_FORMATS
from ssd_keras.data.images import content_digest, image_content

BOXES = [("sign", [1.5, 2.25, 60, 40.12]), ("new class", [0, 0, 128, 96])]


@pytest.fixture
def confirmed(client):
    """Three reports: corrected and confirmed, confirmed without an object, corrected but not confirmed."""
    for number in (1, 2, 3):
        send(client, photo_file(number), key=f"a-key-of-report-number-{number}")
        looked_at(client, number)
    boxes = [{"label": label, "box": box} for label, box in BOXES]
    correct(client, looked_at(client, 1), boxes)
    correct(client, looked_at(client, 2), [])
    correct(client, looked_at(client, 3), boxes, confirmed=False)
    return client


def check(dataset):
    """Only the confirmed reports are there, with their boxes; the detector's classes keep their numbers."""
    assert dataset.class_names == (*CLASSES, "new class")
    samples = {sample.name: sample for split in dataset.values() for sample in split}
    by_boxes = sorted(samples.values(), key=lambda sample: len(sample.ground_truth))
    assert [len(sample.ground_truth) for sample in by_boxes] == [0, 2]
    truth = by_boxes[1].ground_truth
    found = sorted(zip((dataset.class_names[i] for i in truth.labels), truth.boxes_px.tolist(), strict=True))
    for (label, box), (wanted_label, wanted) in zip(found, sorted(BOXES), strict=True):
        assert label == wanted_label
        np.testing.assert_allclose(box, wanted, atol=2e-3)
    return by_boxes


def test_all_formats_are_offered():
    assert set(FORMATS) == {known.name for known in KNOWN_FORMATS}


@pytest.mark.parametrize("to", FORMATS)
def test_the_download_reads_with_exactly_the_corrected_boxes(confirmed, tmp_path, to):
    answer = confirmed.get(f"/api/staff/export?to={to}", headers=STAFF)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert f'filename="reports_{to}.zip"' in answer.headers["Content-Disposition"]
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path / "unpacked")
    (data,) = (tmp_path / "unpacked").iterdir()
    for sample, number in zip(check(ssd.open_dataset(data)), (2, 1), strict=True):
        kept = confirmed.get(f"/api/staff/reports/{number}/photo", headers=STAFF).content
        assert content_digest(image_content(sample.image)) == content_digest(kept)


def test_nothing_is_left_in_the_temporary_folder(confirmed, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for to in ("yolo", "pdf"):
        confirmed.get(f"/api/staff/export?to={to}", headers=STAFF)
    wait_until(lambda: not any((tmp_path / "temporary").iterdir()))  # it goes when the download has ended


def test_an_unknown_format(confirmed):
    answer = confirmed.get("/api/staff/export?to=pdf", headers=STAFF)
    assert (answer.status_code, "there is no format 'pdf': choose one of" in answer.text) == (422, True)


def test_the_command(confirmed, tmp_path):
    def export(*words):
        command = [sys.executable, str(EXAMPLE / "export_dataset.py"), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = export(tmp_path / "data", "--to", "coco", "--folder", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check(ssd.open_dataset(tmp_path / "data"))
    again = export(tmp_path / "data", "--folder", tmp_path)
    assert (again.returncode, "exists already" in again.stderr, len(again.stderr.splitlines())) == (
        1,
        True,
        1,
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / DATABASE_NAME).write_bytes(b"no database" * 100)
    broken = export(tmp_path / "other", "--folder", tmp_path / "broken")
    assert (broken.returncode, len(broken.stderr.splitlines())) == (1, 1), broken.stderr
    nowhere = export(tmp_path / "other", "--folder", tmp_path / "none")
    assert (nowhere.returncode, "does not exist" in nowhere.stderr) == (1, True)
    assert not (tmp_path / "none").exists()


def test_photographs_are_divided_and_stay_in_their_splits(client, tmp_path):
    def ids():
        dataset = confirmed_reports(Database(tmp_path / DATABASE_NAME))
        return {name: {sample.image_id for sample in split} for name, split in dataset.items()}

    seen = {}
    for number in range(1, 31):
        send(client, photo_file(number, size=(16, 16)), key=f"a-key-of-report-number-{number}")
        correct(client, looked_at(client, number), [])
        now = ids()
        assert all(seen[name] <= now[name] for name in seen)
        seen = now
    assert set(seen) == {"train", "val", "test"}
    assert len(seen["train"]) > 15
    assert len(set.union(*seen.values())) == 30


def splits_by_digest(database):
    dataset = confirmed_reports(database)
    return {
        name: [content_digest(image_content(sample.image)) for sample in split]
        for name, split in dataset.items()
    }


def add_confirmed(database, first_byte_below, at_least=0, seed=0):
    """Keep a confirmed report whose photograph's digest begins with a byte of this range: its number."""
    while True:
        photo = clean_photo(io.BytesIO(photo_file(seed, size=(16, 16))), make_settings(database.file.parent))
        if at_least <= int(photo.digest[:2], 16) < first_byte_below:
            break
        seed += 1
    new = NewReport(category="other", description="", place={"address": "here"})
    number, _ = add_report(database, f"a-key-{secrets.token_hex(8)}", new, photo)
    correct_detections(database, number, Correction(version=1, detections=[], confirmed=True), "Ann")
    return number


def test_what_was_trained_on_is_never_measured_on(tmp_path):
    """Of the first photographs all would be val or test; they train, and go on doing so."""
    database = Database(tmp_path / DATABASE_NAME)
    add_confirmed(database, SPLITS["val"])
    add_confirmed(database, SPLITS["test"], at_least=SPLITS["val"])
    first = splits_by_digest(database)
    assert {name: len(digests) for name, digests in first.items()} == {"train": 2}
    add_confirmed(database, 256, at_least=SPLITS["test"])
    add_confirmed(database, SPLITS["val"], seed=1000)
    second = splits_by_digest(database)
    assert {name: len(digests) for name, digests in second.items()} == {"train": 3, "val": 1}
    assert set(first["train"]) <= set(second["train"])


def test_what_was_measured_on_is_never_trained_on(tmp_path):
    database = Database(tmp_path / DATABASE_NAME)
    measured = add_confirmed(database, SPLITS["val"])
    trained = add_confirmed(database, 256, at_least=SPLITS["test"])
    assert {name: len(split) for name, split in confirmed_reports(database).items()} == {"train": 1, "val": 1}
    taken_back = Correction(version=2, detections=[], confirmed=False)
    correct_detections(database, trained, taken_back, "Ann")
    with pytest.raises(ssd.InputError, match="are kept to measure detectors on: confirm another report"):
        confirmed_reports(database)
    assert whole_report(database, measured)["confirmed"] == 1


def test_the_same_photograph_of_two_reports_is_in_one_split(tmp_path):
    database = Database(tmp_path / DATABASE_NAME)
    add_confirmed(database, 256, at_least=SPLITS["test"])
    for _ in range(2):
        add_confirmed(database, SPLITS["val"], seed=7)
    assert {name: len(split) for name, split in confirmed_reports(database).items()} == {"train": 1, "val": 2}


def test_a_register_of_the_first_layout_is_gone_on_with(tmp_path):
    file = tmp_path / DATABASE_NAME
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"{LAYOUTS[0]}; PRAGMA user_version = 1")
    add_confirmed(Database(file), 256)
    assert len(confirmed_reports(Database(file))["train"]) == 1
