"""A server that is full, late, broken, starting or stopping, and clients that behave badly."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from serving.asking import PNG, form, post, refused
from serving.conftest import TestClient, connected, wait_until
from serving.stand_in import encoded

from ssd_keras.serving.api import create_app
from ssd_keras.serving.settings import ServerSettings

# --- 429, 499, 500, 503, 504: how the server is ------------------------------------------------------------


def test_a_full_queue(serve, detector):
    client = serve(max_queue=3, max_images=3)
    client.app.state.service.batcher._seconds_per_image = 1.5
    detector.gate.clear()
    with ThreadPoolExecutor(3) as clients:
        taken = [clients.submit(post, client, encoded(255)) for _ in range(3)]
        wait_until(lambda: client.app.state.service.taken == 3)
        answer = post(client, encoded(255))
        assert "the queue is full (3 images): ask again in 5 s" in refused(answer, 429)
        assert answer.headers["retry-after"] == "5"
        detector.gate.set()
        assert [answer.result().status_code for answer in taken] == [200] * 3
    assert post(client, encoded(255)).status_code == 200
    assert client.app.state.service.taken == 0


def test_a_queue_without_room_for_all_images_of_a_request(serve, detector):
    client = serve(max_queue=3, max_images=3)
    detector.gate.clear()
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(post, client, encoded(255))
        wait_until(lambda: client.app.state.service.taken == 1)
        images = [("a.png", encoded(255))] * 3
        refused(client.post("/v1/detect", files=form(*images)), 429)
        assert client.app.state.service.taken == 1
        detector.gate.set()
        assert first.result().status_code == 200


def test_the_time_limit(serve, detector):
    client = serve(time_limit=0.2)
    detector.gate.clear()
    assert "longer than 0.2 s" in refused(post(client, encoded(255)), 504)  # is being computed
    assert "longer than 0.2 s" in refused(post(client, encoded(254)), 504)  # was waiting
    detector.gate.set()
    assert post(client, encoded(253)).status_code == 200
    assert [batch[:2] for batch in detector.batches] == [(1, 1), (1, 1)]  # what waited was not computed


def test_a_failure_of_the_detector(serve, detector, caplog):
    client = serve()
    detector.fails_at = 222
    line = refused(post(client, encoded(222)), 500)
    assert "the detector failed (MemoryError)" in line
    assert "no room" in caplog.text
    assert post(client, encoded(255)).status_code == 200


def test_a_failure_of_the_server(serve, monkeypatch, caplog):
    client = serve()
    monkeypatch.setattr("ssd_keras.serving.api._results", lambda *_: 1 / 0)
    assert "the server failed (ZeroDivisionError)" in refused(post(client, encoded(255)), 500)
    assert client.app.state.service.taken == 0


def test_while_it_starts(detector):
    app = create_app(detector, ServerSettings(), "stand-in.keras")
    client = TestClient(app)  # the application is not started
    assert "the server is starting" in refused(client.get("/readyz"), 503)
    answer = post(client, encoded(255))
    assert "the server is starting" in refused(answer, 503)
    assert answer.headers["retry-after"] == "5"
    assert client.get("/healthz").status_code == 200


def test_while_it_stops(serve, detector):
    client = serve()
    detector.gate.clear()
    with ThreadPoolExecutor(1) as clients:
        taken = clients.submit(post, client, encoded(255))
        wait_until(lambda: client.app.state.service.taken == 1)
        client.app.state.service.is_stopping = True
        assert "the server is stopping" in refused(post(client, encoded(255)), 503)
        refused(client.get("/readyz"), 503)
        detector.gate.set()
        assert taken.result().status_code == 200


def test_what_is_not_done_in_time_when_it_stops(serve, detector):
    client = serve()
    service = client.app.state.service
    detector.gate.clear()
    with ThreadPoolExecutor(1) as clients:
        taken = clients.submit(post, client, encoded(255))
        wait_until(lambda: service.taken == 1)
        service.is_stopping = True
        client.portal.call(service.abandon)
        assert "stopped before the answer was ready" in refused(taken.result(), 503)
    detector.gate.set()


# --- On a real port ----------------------------------------------------------------------------------------


def test_a_client_that_is_gone(live, detector):
    address = live()
    detector.gate.clear()
    with connected(address) as busy, connected(address) as leaving:
        busy.request("POST", "/v1/detect", encoded(255), PNG)
        assert detector.entered.acquire(timeout=20)
        leaving.request("POST", "/v1/detect", encoded(254), PNG)
        with connected(address) as asking:
            wait_until(lambda: b"ssd_queue_images 1.0" in _get(asking, "/metrics"))
            leaving.close()
            counted = b'ssd_requests_total{path="/v1/detect",status="499"} 1.0'
            wait_until(lambda: counted in _get(asking, "/metrics"))
        detector.gate.set()
        assert busy.getresponse().status == 200
    assert len(detector.batches) == 1


def _get(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_long_is_answered_all_the_same(live, is_chunked):
    """The answer comes before the body was sent: whoever is still sending must be able to read it."""
    body = (bytes(1 << 16) for _ in range(300))
    with connected(live(max_image_bytes=1 << 20)) as client:
        length = {} if is_chunked else {"Content-Length": str(300 << 16)}
        client.request("POST", "/v1/detect", body, {**PNG, **length}, encode_chunked=is_chunked)
        answer = client.getresponse()
        assert answer.status == 413
        assert b"1,048,576 bytes" in answer.read()


def test_a_large_body_without_the_token_is_answered_all_the_same(live):
    with connected(live(token="secret")) as client:
        client.request("POST", "/v1/detect", bytes(8 << 20), PNG)
        answer = client.getresponse()
        assert answer.status == 401
        answer.read()
        client.request("GET", "/healthz")  # the connection goes on
        assert client.getresponse().status == 200


@pytest.mark.parametrize("path", ["/v1/detect", "/label-studio/predict", "/label-studio/setup"])
def test_a_body_that_does_not_come(live, path):
    with connected(live(time_limit=0.3)) as client:
        announce(client, path, length=1000, sent=b"{")
        assert client.getresponse().status == 504


def test_whoever_sends_slowly_keeps_nobody_out(live):
    address = live(max_queue=1, max_images=1)
    with connected(address) as slow, connected(address) as other:
        announce(slow, "/v1/detect", length=len(encoded(255)), sent=encoded(255)[:9])
        other.request("POST", "/v1/detect", encoded(254), PNG)
        assert other.getresponse().status == 200
        slow.send(encoded(255)[9:])
        assert slow.getresponse().status == 200


def announce(client, path, length, sent):
    """Begin a request whose body is to have so many bytes, and send the first of them."""
    client.putrequest("POST", path)
    client.putheader("Content-Type", "image/png")
    client.putheader("Content-Length", str(length))
    client.endheaders(sent)


def test_no_more_bytes_are_kept_than_the_operator_allows(serve):
    client = serve(max_queue=2, max_images=2, max_image_bytes=10_000)
    room = client.app.state.body_room
    with room.held() as take_bytes:
        take_bytes(client.app.state.settings.most_held_bytes - 10)
        answer = post(client, encoded(255))
        assert "other requests fill the 52,768 bytes" in refused(answer, 429)
        assert answer.headers["retry-after"] == "2"
    assert post(client, encoded(255)).status_code == 200
    assert room.taken == 0


def test_a_client_that_waits_to_be_told_to_send(live):
    with connected(live(max_image_bytes=10)) as client:
        client.putrequest("POST", "/v1/detect")
        for header, value in (*PNG.items(), ("Content-Length", "1000"), ("Expect", "100-continue")):
            client.putheader(header, value)
        client.endheaders()
        assert client.getresponse().status == 413
