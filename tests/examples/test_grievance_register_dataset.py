"""What staff confirmed, as a data set in every format."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from citizens import CLASSES, EXAMPLE, STAFF, correct, looked_at, photo_file, send, wait_until
from grievances.app import DATABASE_NAME
from grievances.database import Database
from grievances.dataset import FORMATS, confirmed_reports

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
        if "train" in seen and len(seen) > 1:
            assert all(seen[name] <= now[name] for name in seen)
        seen = now
    assert set(seen) == {"train", "val", "test"}
    assert len(seen["train"]) > 15
    assert len(set.union(*seen.values())) == 30
