"""The register's detector: down, slow, busy, broken, or with no wish to look at this photograph."""

import asyncio
import time

import httpx
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
    wait_until,
)
from grievances.looking import LONGEST_ASKED_PAUSE, DetectorAwayError, Looking


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (httpx.ConnectError("refused"), "no answer (ConnectError)"),
        (httpx.ReadTimeout("too slow"), "no answer (ReadTimeout)"),
        (httpx.Response(503, json={"detail": "the model\nis starting"}), "503: the model is starting"),
        (httpx.Response(500, text="<html>"), "500: Internal Server Error"),
        (httpx.Response(401, json=["no dictionary"]), "401: Unauthorized"),
        (httpx.Response(200, text="no JSON"), "its answer is no JSON"),
        (httpx.Response(200, json={"class_names": 7}), "its answer is not that of ssd serve"),
    ],
)
def test_a_report_waits_for_a_detector_that_is_away(tmp_path, fault, what):
    detector = FakeDetector()
    detector.faults = [fault] * 10_000
    with running(make_app(tmp_path, detector)) as url, httpx.Client(base_url=url) as client:
        assert send(client).status_code == 201
        wait_until(lambda: report(client)["look_fault"])
        kept = report(client)
        assert (kept["look_fault"], kept["looked_at"], kept["detections"]) == (what, None, [])
        assert client.get("/api/staff/reports?look=waiting", headers=STAFF).json()["total"] == 1
        detector.faults.clear()
        kept = looked_at(client)
        assert (kept["look_fault"], len(kept["detections"])) == ("", len(FOUND))


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_photograph_that_the_detector_refuses_is_left_to_staff(client, detector, status):
    wait_until(lambda: detector.requests)  # its classes
    detector.faults = [httpx.Response(status, json={"detail": "not this one"})]
    send(client)
    kept = looked_at(client)
    assert kept["look_fault"] == "the detector refuses this photo: not this one"
    assert correct(client, kept, [{"label": "sign", "box": [1, 2, 30, 40]}]).json()["confirmed"] == 1


def test_a_photograph_that_breaks_the_detector_does_not_stop_the_others(client, detector):
    breaking = photo_file(7)
    send(client, breaking, key="the-key-of-the-first")
    first = looked_at(client, 1)["detections"]
    assert len(first) == len(FOUND)
    kept_photo = detector.photos[0]

    handle = detector.handle_async_request

    async def break_on_it(request):
        return httpx.Response(500) if await request.aread() == kept_photo else await handle(request)

    detector.handle_async_request = break_on_it
    send(client, breaking, key="the-key-of-the-second")
    send(client, key="the-key-of-the-third")
    assert looked_at(client, 3)["detections"]
    assert report(client, 2)["looked_at"] is None


def test_a_busy_detector_is_asked_again_when_it_says(tmp_path):
    detector = FakeDetector()
    with running(make_app(tmp_path, detector)) as url, httpx.Client(base_url=url) as client:
        wait_until(lambda: detector.requests)
        detector.faults = [httpx.Response(429, headers={"Retry-After": "1"}, json={"detail": "full"})]
        send(client)
        wait_until(lambda: report(client)["look_fault"] == "429: full")
        since = time.monotonic()
        looked_at(client)
        assert time.monotonic() - since > 0.8


def test_pauses_grow_to_a_limit_and_a_foolish_wish_is_not_granted(tmp_path):
    looking = Looking(None, None, make_settings(tmp_path, first_pause=0.5, longest_pause=2))

    async def pauses():
        wishes = (0, 0, 0, 0, 3, 1e9)
        return [await looking._after_failure(None, DetectorAwayError("away", wish)) for wish in wishes]

    assert asyncio.run(pauses()) == [0.5, 1, 2, 2, 3, LONGEST_ASKED_PAUSE]


def test_boxes_of_the_detector_are_cut_off_at_the_photograph(client, detector):
    detector.found = [
        {"label": "sign", "score": 0.9, "box": [-3.2, 5, 40, 200]},
        {"label": "sign", "score": 0.8, "box": [130, 5, 140, 20]},
    ]
    send(client)
    assert [one["box"] for one in looked_at(client)["detections"]] == [[0, 5, 40, 96]]


def test_staff_who_are_faster_than_the_detector_are_not_overruled(tmp_path):
    detector = FakeDetector()
    detector.faults = [httpx.ConnectError("down")] * 10_000
    with running(make_app(tmp_path, detector)) as url, httpx.Client(base_url=url) as client:
        send(client)
        mine = [{"label": "drawn by hand", "box": [1, 2, 30, 40]}]
        now = correct(client, report(client), mine).json()
        detector.faults.clear()
        send(client, key="a-key-of-a-second-report")
        looked_at(client, 2)
        assert report(client) == now
        assert len(detector.photos) == 1


def test_the_detector_is_asked_with_token_and_threshold(tmp_path):
    detector = FakeDetector()
    app = make_app(tmp_path, detector, detector_token="secret", threshold=0.25)
    with running(app) as url, httpx.Client(base_url=url) as client:
        send(client)
        looked_at(client)
    for_classes, for_photo = detector.requests
    assert for_classes.url.path == "/v1/model"
    assert {one.headers["Authorization"] for one in detector.requests} == {"Bearer secret"}
    assert (for_photo.url.path, for_photo.url.params["threshold"]) == ("/v1/detect", "0.25")
    assert for_photo.headers["Content-Type"] == "image/jpeg"
