"""The grievance register's HTTP interface: who is staff, and what they change."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from citizens import (
    CLASSES,
    STAFF,
    TOKEN,
    correct,
    looked_at,
    report,
    send,
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "choices"),
        ("GET", "reports"),
        ("GET", "reports/1"),
        ("GET", "reports/1/photo"),
        ("PATCH", "reports/1"),
        ("PUT", "reports/1/detections"),
        ("GET", "export?to=csv"),
    ],
)
def test_staff_pages_are_for_staff(client, method, path):
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Cookie": "staff=bm9ib2R5.c2ln"},
        {"Cookie": "staff=é"},
    ):
        raw = {name: value.encode() for name, value in headers.items()}
        answer = client.request(method, f"/api/staff/{path}", headers=raw, json={"version": 1})
        assert (answer.status_code, answer.json()) == (401, {"detail": "this is for staff: log in"})


def test_login_sets_a_cookie_that_nobody_can_forge(client, tmp_path):
    wrong = client.post("/api/staff/login", json={"name": "Ann", "token": "wrong"})
    assert (wrong.status_code, wrong.cookies) == (401, httpx.Cookies())
    answer = client.post("/api/staff/login", json={"name": " Ann  Lee ", "token": TOKEN})
    assert answer.status_code == 204
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["Set-Cookie"].split("; "))
    assert client.get("/api/staff/choices").json()["name"] == "Ann Lee"
    good = client.cookies["staff"].strip('"')
    for forged in (good[:-6] + "AAAAAA", "OTk5OTk5OTk5OTpBbm4=." + good.split(".")[1], good + "."):
        with httpx.Client(base_url=client.base_url, cookies={"staff": forged}) as other:
            assert other.get("/api/staff/choices").status_code == 401
    client.post("/api/staff/logout")
    assert client.get("/api/staff/choices").status_code == 401


def test_a_login_ends(client, monkeypatch):
    client.post("/api/staff/login", json={"name": "Ann", "token": TOKEN})
    monkeypatch.setattr("grievances.staff_access.time.time", lambda: 1e11)
    assert client.get("/api/staff/choices").status_code == 401


def test_staff_correct_and_confirm(client):
    send(client)
    was = looked_at(client)
    kept, moved = was["detections"]
    wanted = [
        {name: kept[name] for name in ("number", "label", "box")},
        {"number": moved["number"], "label": "rubbish bag", "box": [71, 6, 200, 41.125]},
        {"label": "new class", "box": [0, 0, 5, 5]},
    ]
    now = correct(client, was, wanted).json()
    assert now["version"] == was["version"] + 1
    assert now["confirmed"] == 1
    assert [(one["label"], one["score"], one["source"]) for one in now["detections"]] == [
        ("pothole", 0.91, "detector"),
        ("rubbish bag", None, "corrected"),
        ("new class", None, "staff"),
    ]
    assert now["detections"][1]["box"] == [71, 6, 128, 41.12]  # cut off at the edge of the photo
    assert now["history"][0]["change"] == "detections confirmed: 1 of 2 unchanged, now 3"
    assert client.get("/api/staff/choices", headers=STAFF).json()["class_names"] == [*CLASSES, "new class"]
    emptied = correct(client, now, []).json()
    assert (emptied["detections"], emptied["confirmed"]) == ([], 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "sign", "box": [5, 5, 5, 9]},
        {"label": "sign", "box": [9, 5, 5, 9]},
        {"label": "sign", "box": [500, 5, 600, 9]},
        {"label": "sign", "box": [0, 0, "nan", 9]},
        {"label": "", "box": [0, 0, 9, 9]},
        {"label": "a\nb", "box": [0, 0, 9, 9]},
        {"label": "sign", "box": [0, 0, 9]},
    ],
)
def test_boxes_that_are_none_are_refused(client, wrong):
    send(client)
    was = looked_at(client)
    answer = correct(client, was, [wrong])
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert report(client) == was


def test_of_two_corrections_at_once_one_is_told(client):
    send(client)
    was = looked_at(client)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: correct(client, was, []), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    change = {"version": was["version"], "status": "done"}
    late = client.patch("/api/staff/reports/1", json=change, headers=STAFF)
    assert (late.status_code, "changed in the meantime" in late.json()["detail"]) == (409, True)
    assert report(client)["status"] == "open"


def test_status_category_and_note_are_changed_and_stand_in_the_history(client):
    send(client)
    version = looked_at(client)["version"]
    change = {"version": version, "status": "in progress", "category": "rubbish", "note": "called the depot"}
    now = client.patch("/api/staff/reports/1", json=change, headers=STAFF).json()
    assert (now["status"], now["category"], now["version"]) == ("in progress", "rubbish", version + 1)
    expected = "status open → in progress; category pothole → rubbish; called the depot"
    assert now["history"][0]["change"] == expected
    for wrong in ({"status": "gone"}, {"category": "weather"}, {"colour": "red"}):
        answer = client.patch("/api/staff/reports/1", json={"version": version + 1, **wrong}, headers=STAFF)
        assert answer.status_code == 422
    assert client.patch("/api/staff/reports/9", json={"version": 1}, headers=STAFF).status_code == 404
