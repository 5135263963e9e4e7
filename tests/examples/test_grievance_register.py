"""The grievance register's HTTP interface: what citizens send, and what the list tells of it."""

import io
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import hypothesis
import pytest
from citizens import (
    FOUND,
    STAFF,
    FakeDetector,
    correct,
    looked_at,
    make_app,
    make_settings,
    photo_file,
    report,
    running,
    send,
)
from grievances.contracts import RefusedError
from grievances.photos import clean_photo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image


def listed(client, **filters):
    answer = client.get("/api/staff/reports", params=filters, headers=STAFF)
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.json()["reports"]]


def later(utc, seconds, hours_east=0):
    """The moment so many seconds later, as a clock so far in the east tells it."""
    zone = timezone(timedelta(hours=hours_east))
    return (datetime.fromisoformat(utc) + timedelta(seconds=seconds)).astimezone(zone).isoformat()


def test_an_empty_register(client):
    assert client.get("/api/staff/reports", headers=STAFF).json() == {"total": 0, "reports": []}
    answer = client.get("/api/staff/export?to=yolo", headers=STAFF)
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "no report is confirmed yet: look at one, correct its boxes, and confirm them",
    )


def test_a_report_is_kept_and_looked_at(client):
    answer = send(client, description=" A hole.\r\nDeep. ", latitude="52.5", longitude="-1.25")
    assert (answer.status_code, answer.json()["number"]) == (201, 1)
    kept = looked_at(client)
    assert (kept["category"], kept["description"]) == ("pothole", "A hole.\nDeep.")
    assert (kept["latitude"], kept["longitude"], kept["address"]) == (52.5, -1.25, "Long Lane 12")
    assert (kept["status"], kept["confirmed"], kept["height"], kept["width"]) == ("open", 0, 96, 128)
    assert kept["detections"] == [
        {"number": number, "source": "detector", **one} for number, one in enumerate(FOUND, 1)
    ]
    assert [line["who"] for line in kept["history"]] == ["detector", "citizen"]


def test_a_photo_without_an_object_is_looked_at_too(client, detector):
    detector.found = []
    send(client)
    assert looked_at(client)["detections"] == []


def test_the_same_key_is_the_same_report(client):
    first, second = send(client), send(client)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert listed(client) == [1]


def test_the_same_key_at_the_same_time_is_one_report(client):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(client), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert listed(client) == [1]


def test_the_same_key_with_another_report_is_refused(client):
    send(client)
    assert send(client, address="elsewhere").status_code == 409
    assert send(client, photo=photo_file(1)).status_code == 409
    assert report(client)["address"] == "Long Lane 12"


def test_only_the_sender_sees_the_status(client):
    key = send(client).json()["key"]
    shown = client.get(f"/api/receipts/{key}").json()
    assert (shown["number"], shown["status"]) == (1, "open")
    assert set(shown) == {"number", "received", "category", "status"}
    assert client.get("/api/receipts/another-key-of-a-citizen").status_code == 404


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"address": ""}, "say where it is: an address, or latitude and longitude"),
        ({"latitude": "52"}, "a place needs both latitude and longitude"),
        ({"latitude": "91", "longitude": "0"}, "place.latitude: Input should be less than or equal to 90"),
        ({"latitude": "nan", "longitude": "0"}, "finite"),
        ({"category": "weather"}, "there is no category 'weather': choose one of the form"),
        ({"category": "\n"}, "category"),
        ({"description": "x" * 2001}, "at most 2000 characters"),
        ({"key": "short"}, "Idempotency-Key"),
    ],
)
def test_reports_that_cannot_be_kept(client, fields, what):
    answer = send(client, **fields)
    assert answer.status_code == 422
    assert what in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert listed(client) == []


@pytest.mark.parametrize(
    "photo",
    [
        b"",
        b"GIF89a",
        b"<svg onload='alert(1)'/>",
        photo_file()[:1500],
        photo_file(size=(8, 8)),
        b"\xff\xd8\xff",
    ],
)
def test_what_is_no_photograph_is_refused(client, photo):
    answer = send(client, photo)
    assert answer.status_code == 400, answer.text
    assert "photo" in answer.json()["detail"]
    assert listed(client) == []


def test_too_many_bytes_and_pixels_are_refused_before_they_are_read(tmp_path):
    app = make_app(tmp_path, most_photo_bytes=200_000, most_photo_pixels=100 * 100)
    with running(app) as url, httpx.Client(base_url=url) as client:
        assert send(client, photo_file(size=(100, 101))).status_code == 413
        assert send(client, photo_file(size=(100, 100))).status_code == 201
        assert send(client, b"\xff" * 400_000, key="another-key-1234").status_code == 413
        endless = client.post("/api/reports", content=iter([b"x"] * 3))
        assert (endless.status_code, listed(client)) == (411, [1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_but_the_upright_pixels_is_kept(client, detector, tmp_path, kind):
    sent = photo_file(size=(96, 128), kind=kind, orientation=6, with_gps=True)
    assert b"A camera" in sent
    send(client, sent)
    kept = looked_at(client)
    assert (kept["height"], kept["width"], kept["latitude"]) == (128, 96, None)
    for thumbnail in (False, True):
        answer = client.get("/api/staff/reports/1/photo", params={"thumbnail": thumbnail}, headers=STAFF)
        with Image.open(io.BytesIO(answer.content)) as photo:
            assert (photo.format, photo.size, dict(photo.getexif())) == ("JPEG", (96, 128), {})
    assert detector.photos == [client.get("/api/staff/reports/1/photo", headers=STAFF).content]
    assert b"A camera" not in (tmp_path / "register.sqlite").read_bytes()


def test_a_large_photograph_becomes_smaller(tmp_path):
    app = make_app(tmp_path, kept_side=64)
    with running(app) as url, httpx.Client(base_url=url) as client:
        send(client, photo_file(size=(300, 600)))
        assert (looked_at(client)["height"], report(client)["width"]) == (32, 64)


def test_filters(client, detector):
    send(client, key="key-of-number-one", description="100% broken", category="graffiti")
    looked_at(client, 1)
    detector.found = []
    send(client, key="key-of-number-two", description="a_b", address="Elm Street")
    now = looked_at(client, 2)
    correct(client, now, [])
    received, second_later = now["received"], later(now["received"], 1)
    assert listed(client) == [2, 1]
    for filters, expected in [
        ({"text": "100%"}, [1]),
        ({"text": "%"}, [1]),
        ({"text": "a_b"}, [2]),
        ({"text": "elm street"}, [2]),
        ({"text": "#1"}, [1]),
        ({"text": "' OR 1=1 --"}, []),
        ({"category": "graffiti"}, [1]),
        ({"label": "sign"}, [1]),
        ({"label": "sign' --"}, []),
        ({"status": "open"}, [2, 1]),
        ({"status": "done"}, []),
        ({"look": "confirmed"}, [2]),
        ({"look": "to check"}, [1]),
        ({"look": "waiting"}, []),
        ({"text": "ELM STREET"}, [2]),
        ({"until": second_later}, [2, 1]),
        ({"since": second_later}, []),
        ({"since": received, "until": second_later, "look": "confirmed"}, [2]),
        ({"since": later(received, 0, hours_east=-9), "look": "confirmed"}, [2]),
        ({"since": later(received, 1, hours_east=14)}, []),
        ({"until": "2000-01-01T00:00:00Z"}, []),
        ({"limit": 1}, [2]),
        ({"limit": 1, "before": 2}, [1]),
    ]:
        assert listed(client, **filters) == expected, filters
    for wrong in (
        {"status": "gone"},
        {"limit": 0},
        {"limit": 10**9},
        {"since": "yesterday"},
        {"since": "2026-05-05"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"before": 2**70},
    ):
        assert client.get("/api/staff/reports", params=wrong, headers=STAFF).status_code == 422


def test_the_list_tells_which_classes_were_seen(client, detector):
    send(client, key="key-of-number-one")
    looked_at(client, 1)
    detector.found = []
    send(client, key="key-of-number-two")
    looked_at(client, 2)
    answer = client.get("/api/staff/reports", headers=STAFF).json()
    assert [sorted(one["labels"]) for one in answer["reports"]] == [[], ["pothole", "sign"]]


def test_every_answer_has_the_headers_that_protect_it(client):
    send(client)
    for path in (
        "/",
        "/staff",
        "/page/style.css",
        "/page/none.js",
        "/api/form",
        "/api/staff/reports/1/photo",
    ):
        headers = client.get(path, headers=STAFF).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["Referrer-Policy"] == "no-referrer"
    for path in ("/", "/staff"):
        page = client.get(path).text
        assert "<script>" not in page
        assert "style=" not in page
    assert client.get("/page/../settings.py").status_code == 404
    assert client.get("/api/staff/reports", headers=STAFF).headers["Cache-Control"] == "no-store"


def test_a_register_outlives_its_process(tmp_path):
    for number in (1, 2):
        app = make_app(tmp_path, FakeDetector())
        with running(app) as url, httpx.Client(base_url=url) as client:
            assert send(client, key=f"a-key-of-run-number-{number}").json()["number"] == number
            looked_at(client, number)
    assert app.state.database.file == tmp_path / "register.sqlite"


def test_a_file_of_another_layout_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "register.sqlite") as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(ValueError, match="has layout 7, 2 is known"):
        make_app(tmp_path)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of much that is damaged
@given(st.data(), st.sampled_from(["JPEG", "PNG", "WEBP"]))
@hypothesis.settings(max_examples=300)
def test_a_damaged_photograph_is_kept_or_refused(data, kind):
    damaged = bytearray(photo_file(1, size=(24, 32), kind=kind, orientation=6, with_gps=True))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(1, 2 * len(damaged))) :]
    settings = make_settings(Path("none"), most_photo_pixels=10_000)
    with suppress(RefusedError):
        photo = clean_photo(io.BytesIO(damaged), settings)
        with Image.open(io.BytesIO(photo.jpeg)) as kept:
            assert kept.size == (photo.width, photo.height)
