"""Servers for tests: in process, and on a real port."""

import http.client
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from serving.stand_in import StandIn

from ssd_keras.serving.api import create_app
from ssd_keras.serving.server import open_socket
from ssd_keras.serving.settings import ServerSettings

with warnings.catch_warnings():  # it would rather have httpx's successor, which is not needed for this
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    from fastapi.testclient import TestClient

SECONDS = 20


@pytest.fixture
def detector():
    """A detector whose time and failures the test decides."""
    detector = StandIn()
    yield detector
    detector.gate.set()


@pytest.fixture
def serve(detector):
    """Start a server in this process with these settings; gives a client of it."""
    with ExitStack() as clients:

        def start(**settings):
            app = create_app(detector, ServerSettings(**{"max_batch": 4, **settings}), "stand-in.keras")
            client = clients.enter_context(TestClient(app, raise_server_exceptions=False))
            wait_until(lambda: app.state.service.batcher.is_ready)
            return client

        yield start
        detector.gate.set()


@pytest.fixture
def live(detector):
    """Start a server on a real port, in a thread, with these settings; gives its (host, port)."""
    with ExitStack() as servers:
        yield lambda **settings: servers.enter_context(running(detector, settings))
        detector.gate.set()


@contextmanager
def running(detector, settings):
    app = create_app(detector, ServerSettings(**{"max_batch": 4, **settings}), "stand-in.keras")
    listening = open_socket("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, log_level="warning", lifespan="on", ws="none")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_until(lambda: app.state.service.batcher.is_ready)
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()


def wait_until(is_so):
    """Wait until a condition holds."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


@contextmanager
def connected(address):
    """Connect to a server, to say things that a client library would not."""
    connection = http.client.HTTPConnection(*address, timeout=SECONDS)
    try:
        yield connection
    finally:
        connection.close()
