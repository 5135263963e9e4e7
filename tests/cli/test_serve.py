"""`ssd serve` as an operator calls it: on a real port with a small real detector, and what it refuses."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from ssd_keras.cli import serve as serve_module
from ssd_keras.inference.detector import load_detector, save_detector
from ssd_keras.models.ssd import SSD
from ssd_keras.serving.settings import ServerSettings

SECONDS = 120
TOKEN = {"Authorization": "Bearer secret"}
JPEG = {"Content-Type": "image/jpeg", **TOKEN}
LOGGED = [("POST /v1/detect", 200), ("POST /v1/detect", 503), ("GET /v1/model", 200)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector that nobody trained: it finds something everywhere, with scores of about 0.4."""
    file = tmp_path_factory.mktemp("models") / "ssd7.keras"
    save_detector(SSD.from_preset("ssd7", ("car", "truck"), image_size=(96, 128)), file)
    return file


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (320, 240))
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.fixture
def started(model):
    """Start `ssd serve` with these flags; gives the process and the (host, port)."""
    processes = []

    def start(*words, **environment):
        command = [sys.executable, "-m", "ssd_keras", "serve", str(model), "--port", "0", "--json", *words]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        )
        processes.append(process)
        said = "".join(iter(process.stdout.readline, "}\n")) + "}"
        address = urlsplit(json.loads(said)["url"])
        return process, (address.hostname, address.port)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def ask(address, method, path, body=None, headers=None):
    """Ask a server once; gives the status and the JSON."""
    connection = http.client.HTTPConnection(*address, timeout=SECONDS)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_server_from_its_start_to_its_end(started, model, photo):
    """It finds what the detector finds, and after SIGTERM each request that it got is answered."""
    flags = ("--threshold", "0.3", "--max-batch", "4", "--log-requests")
    process, address = started(*flags, SSD_KERAS_TOKEN="secret")
    assert ask(address, "GET", "/v1/model")[0] == 401
    (expected,) = load_detector(model).detect(photo, 0.3)
    status, document = ask(address, "POST", "/v1/detect", photo, JPEG)
    assert status == 200
    (result,) = document["results"]
    assert result["size"] == [240, 320]
    assert len(expected) > 0
    close(result["detections"], expected.as_json())
    assert ask(address, "GET", "/v1/model", headers=TOKEN)[1]["name"] == model.name

    answered, is_over = [], threading.Event()
    with ThreadPoolExecutor(8) as clients:
        asking = [clients.submit(ask_on, address, photo, answered, is_over) for _ in range(8)]
        while len(answered) < 40:
            assert process.poll() is None
            assert not [client for client in asking if client.done()]
        is_over.set()  # requests that have begun go on; no other begins
        process.send_signal(signal.SIGTERM)
        begun = sum(client.result(SECONDS) for client in asking)
    assert len(answered) == begun
    assert set(answered) <= {200, 503}
    assert answered.count(200) >= 40
    assert process.wait(SECONDS) == 0
    out, err = process.communicate()
    assert out == ""
    lines = [line.split(" - ")[-1] for line in err.splitlines()]
    assert lines[0] == '"GET /v1/model HTTP/1.1" 401'
    assert set(lines[1:]) <= {f'"{asked} HTTP/1.1" {status}' for asked, status in LOGGED}


def close(found, expected):
    """Check that detections are equal but for rounding: other sizes of batches compute otherwise."""
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    for key, most in (("score", 1e-4), ("box", 0.05)):
        assert np.abs(np.array([one[key] for one in found]) - [one[key] for one in expected]).max() < most


def ask_on(address, photo, answered, is_over):
    """Send one request after the other; gives how many."""
    begun = 0
    while not is_over.is_set():
        begun += 1
        answered.append(ask(address, "POST", "/v1/detect", photo, JPEG)[0])
    return begun


# --- What it refuses ---------------------------------------------------------------------------------------


@pytest.fixture
def fails(call):
    """Run `ssd serve`, expect status 1 and one line of error, and give that line."""

    def run(*words):
        status, out, err = call("serve", *words)
        assert status == 1
        assert out == ""
        (line,) = err.splitlines()
        return line

    return run


def test_a_port_in_use(fails, model):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = fails(model, "--port", port)
    assert line == f"ssd: port {port} of 127.0.0.1 is taken: choose another with --port"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("no.such.host.invalid", "host no.such.host.invalid is not known"),
        ("203.0.113.7", "host 203.0.113.7 is not an address of this machine"),
        ("a" * 100, "is not known"),
    ],
)
def test_a_host_that_is_not_here(fails, model, host, said):
    assert said in fails(model, "--host", host, "--port", 0)


def test_a_model_that_is_not_there(fails, tmp_path):
    assert "does not exist" in fails(tmp_path / "none.keras")
    (tmp_path / "broken.keras").write_bytes(b"PK")
    assert "is not a Keras model" in fails(tmp_path / "broken.keras")


def test_a_model_that_cannot_detect(fails, model, monkeypatch):
    """What only the warm-up finds ends the server, too."""

    class Raw:
        class_names, image_size = ("car",), (24, 32)

        def detect_batch(self, *_):
            raise serve_module.InputError("raw.onnx gives raw predictions: export without --raw")

    monkeypatch.setattr(serve_module, "load_detector", lambda *_: Raw())
    assert fails(model, "--port", 0) == "ssd: raw.onnx gives raw predictions: export without --raw"


def test_a_library_that_is_missing(fails, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "needs uvicorn, which is not installed: pip install 'ssd-keras[serve]'" in fails(model)


@pytest.mark.parametrize("token", ["", "two words"])
@pytest.mark.parametrize("variable", ["SSD_KERAS_TOKEN", "LABEL_STUDIO_TOKEN"])
def test_a_token_in_the_environment_that_is_none(fails, model, monkeypatch, token, variable):
    monkeypatch.setenv("SSD_KERAS_TOKEN", "right")
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", "right")
    monkeypatch.setenv(variable, token)
    line = fails(model, "--port", 0)
    assert line.startswith(f"ssd: {variable}: a token is one word")
    assert "two words" not in line


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "65536"),
        ("--threshold", "1.5"),
        ("--max-queue", "0"),
        ("--max-images", "100", "--max-queue", "50"),
        ("--max-image-pixels", "1000000000"),
        ("--token", ""),
        ("--label-studio-url", "ftp://example.org"),
        ("--time-limit", "0"),
    ],
)
def test_wrong_usage(call, words):
    status, out, err = call("serve", "model.keras", *words)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1


# --- Who can reach it --------------------------------------------------------------------------------------


@pytest.fixture
def noted(call, model, monkeypatch):
    """Give what `ssd serve` says with these flags before it starts."""
    monkeypatch.setattr(serve_module, "load_detector", lambda *_: None)
    monkeypatch.setattr("ssd_keras.serving.api.create_app", lambda *_: None)
    monkeypatch.setattr("ssd_keras.serving.server.run_server", lambda *_: None)

    def run(*words):
        status, _, err = call("serve", model, "--port", 0, *words)
        assert status == 0
        return err

    return run


def test_a_warning_where_anyone_may_ask(noted):
    assert "anyone who reaches 0.0.0.0 may ask: set a token with SSD_KERAS_TOKEN" in noted(
        "--host", "0.0.0.0"
    )


@pytest.mark.parametrize("words", [(), ("--host", "localhost"), ("--host", "0.0.0.0", "--token", "secret")])
def test_no_warning(noted, words):
    assert noted(*words) == ""


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org")),
    ],
)
def test_which_hosts_are_loopback(host, is_loopback):
    assert serve_module.is_loopback(host) == is_loopback


def test_flags_come_before_the_environment():
    settings = ServerSettings(token="flag")
    chosen = serve_module.with_secrets(settings, {"SSD_KERAS_TOKEN": "other", "LABEL_STUDIO_TOKEN": "key"})
    assert chosen.token.get_secret_value() == "flag"
    assert chosen.label_studio_token.get_secret_value() == "key"
