"""The process of a server: it answers what it took in before it ends, and waits for no half requests."""

import base64
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from serving.asking import PNG
from serving.conftest import SECONDS, connected, wait_until
from serving.stand_in import encoded
from serving.test_under_load import announce

from ssd_keras.serving import connections
from ssd_keras.serving.api import create_app
from ssd_keras.serving.server import open_socket, run_server
from ssd_keras.serving.settings import ServerSettings

CONFIG = """<View><Image name="photo" value="$picture"/>
<RectangleLabels name="what" toName="photo"><Label value="red"/></RectangleLabels></View>"""


class Server:
    """A server that `run_server` runs in a thread."""

    def __init__(self, detector, settings):
        app = create_app(detector, ServerSettings(max_batch=4, **settings), "stand-in.keras")
        self.service = app.state.service
        self.room = app.state.label_studio_room
        listening = open_socket("127.0.0.1", 0)
        self.address = listening.getsockname()
        ready = threading.Event()
        self._thread = threading.Thread(target=run_server, args=(app, listening, ready.set), daemon=True)
        self._thread.start()
        assert ready.wait(SECONDS)

    def stop(self):
        """Begin to stop, as after SIGTERM."""
        self.service.is_stopping = True

    def wait(self):
        """Wait for the end."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture
def start(detector):
    """Start a server with these settings."""

    @contextmanager
    def started(**settings):
        server = Server(detector, settings)
        try:
            yield server
        finally:
            detector.gate.set()
            server.stop()
            server.wait()

    return started


def ask_label_studio(address, tasks):
    """Have tasks with one object each labelled; gives the status and the JSON."""
    uri = "data:image/png;base64," + base64.b64encode(encoded(255)).decode()
    body = {"label_config": CONFIG, "tasks": [{"id": id_, "data": {"picture": uri}} for id_ in range(tasks)]}
    with connected(address) as client:
        client.request("POST", "/label-studio/predict", json.dumps(body))
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


def test_tasks_of_label_studio_that_were_taken_in_are_labelled_before_the_end(start, detector):
    with start() as server, ThreadPoolExecutor(1) as clients:
        detector.gate.clear()
        asking = clients.submit(ask_label_studio, server.address, 20)
        assert detector.entered.acquire(timeout=SECONDS)
        server.stop()
        detector.gate.set()
        server.wait()
        status, document = asking.result(SECONDS)
    assert status == 200
    assert [len(one["result"]) for one in document["results"]] == [1] * 20


def test_tasks_that_are_not_labelled_in_time_are_no_predictions(start, detector):
    """An empty prediction would say that there is nothing in the image."""
    with start(stop_limit=0.2) as server, ThreadPoolExecutor(1) as clients:
        asking = clients.submit(ask_label_studio, server.address, 200)
        for _ in range(5):
            assert detector.entered.acquire(timeout=SECONDS)  # the first tasks are labelled
        detector.gate.clear()
        server.stop()
        status, document = asking.result(SECONDS)
        detector.gate.set()
        server.wait()
    assert status == 503
    assert "stopped before the answer was ready" in document["detail"]


def test_a_body_that_still_comes_is_waited_for(start):
    body = encoded(255)
    with start() as server, connected(server.address) as client:
        announce(client, "/v1/detect", len(body), body[:9])
        wait_until(lambda: server.service.requests == 1)
        server.stop()
        with connected(server.address) as other:
            other.request("POST", "/v1/detect", body, PNG)
            assert other.getresponse().status == 503
        client.send(body[9:])
        assert client.getresponse().status == 200


def test_few_large_bodies_of_label_studio_are_kept_at_a_time(start):
    with start(max_image_bytes=1 << 20) as server, connected(server.address) as large:
        announce(large, "/label-studio/predict", length=6 << 20, sent=bytes(3 << 20))
        wait_until(lambda: server.room.taken == 3 << 20)
        with server.room.held() as take_bytes:
            take_bytes(server.room._most_bytes - server.room.taken)
            status, document = ask_label_studio(server.address, 1)
    assert status == 429
    assert "ask again in 2 s" in document["detail"]
    assert server.room.taken == 0


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"])
def test_half_a_head_is_not_waited_for(start, monkeypatch, sent):
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", 0.3)
    with start() as server, socket.create_connection(server.address, SECONDS) as client:
        client.sendall(sent)
        said = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert said.count(b"200 OK") == sent.count(b"healthz")


def test_half_a_head_after_an_answer_is_not_waited_for(start, monkeypatch):
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", 0.3)
    with start() as server, socket.create_connection(server.address, SECONDS) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in client.recv(1 << 16)
        client.sendall(b"GET / HT")
        assert list(iter(lambda: client.recv(1 << 16), b""))[-1:] in ([], [b'{"status":"ok"}'])


def test_a_request_that_takes_longer_is_no_half_head(start, detector, monkeypatch):
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", 0.2)
    with start() as server, connected(server.address) as client:
        detector.gate.clear()
        client.request("POST", "/v1/detect", encoded(255), PNG)
        threading.Timer(0.6, detector.gate.set).start()
        assert client.getresponse().status == 200
