"""`run.py`: the register with the real server and a small model, and how both stop."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest
import run
from citizens import EXAMPLE, STAFF, TOKEN, looked_at, photo_file, send, wait_until
from export.artefacts import CLASSES, keras_file

THRESHOLD = 0.6
SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(model, folder, port, *options, **environment):
    command = [sys.executable, str(EXAMPLE / "run.py"), str(model), "--folder", str(folder / "register")]
    settings = ["--port", str(port), "--threshold", str(THRESHOLD)]
    variables = {**os.environ, "GRIEVANCE_STAFF_TOKEN": TOKEN, **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *settings, *options], env=variables, **pipes)


def answers(client):
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_one_command_starts_and_stops_both(tmp_path):
    port = free_port()
    with (
        start(keras_file(), tmp_path, port) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        try:
            wait_until(lambda: answers(client) or process.poll() is not None, SECONDS)
            send(client, photo_file(4, size=(48, 64)))
            kept = looked_at(client, seconds=SECONDS)
            children = psutil.Process(process.pid).children(recursive=True)
            check_boxes(kept)
            assert client.get("/api/staff/choices", headers=STAFF).json()["class_names"] == list(CLASSES)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, said.splitlines()[-1]) == (0, "stopped; what was reported is kept")
    assert children
    assert not any(child.is_running() for child in children)


def check_boxes(kept):
    """The real server, asked with its token and a threshold, has looked at the photograph as it is kept."""
    assert kept["look_fault"] == ""
    assert len(kept["detections"]) > 0
    for found in kept["detections"]:
        x0, y0, x1, y1 = found["box"]
        assert found["label"] in CLASSES
        assert THRESHOLD <= found["score"] <= 1
        assert 0 <= x0 < x1 <= kept["width"]
        assert 0 <= y0 < y1 <= kept["height"]


def test_a_file_that_is_no_model_ends_both(tmp_path):
    (tmp_path / "model.keras").write_text("none")
    with start(tmp_path / "model.keras", tmp_path, free_port()) as process:
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "model.keras" in said


def test_a_token_that_is_too_short_is_refused(tmp_path):
    with start(tmp_path / "any", tmp_path, free_port(), GRIEVANCE_STAFF_TOKEN="short") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "at least 16 characters" in said
    assert "Traceback" not in said


def test_the_detector_does_not_outlive_a_register_that_is_killed(tmp_path):
    with start(keras_file(), tmp_path, free_port()) as process:
        (detector,) = wait_until(lambda: psutil.Process(process.pid).children(), SECONDS)
        try:
            # Where it has said something it is past its first line, and watches.
            wait_until(lambda: process.stdout.readline(), SECONDS)
            process.kill()
            process.wait()
            wait_until(lambda: has_ended(detector), SECONDS)
        finally:
            if not has_ended(detector):
                detector.kill()


def has_ended(process):
    """No process is left, or one that nobody has asked for its status yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def said_before_anything_starts(tmp_path, *options):
    with start(tmp_path / "any", tmp_path, free_port(), *options) as process:
        told, said = process.communicate(timeout=SECONDS)
    assert (process.returncode, told, len(said.splitlines())) == (1, "", 1), said
    return said


def test_a_port_that_is_taken_is_told_and_no_address(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = said_before_anything_starts(tmp_path, "--port", str(port))
    assert f"port {port}: " in said
    assert "choose another --host or --port" in said


def test_a_port_that_is_none(tmp_path):
    assert "choose one from 0" in said_before_anything_starts(tmp_path, "--port", "70000")


def test_a_folder_with_a_file_that_is_no_database(tmp_path):
    (tmp_path / "register").mkdir()
    (tmp_path / "register" / "register.sqlite").write_bytes(b"no database" * 100)
    assert "register.sqlite cannot be used" in said_before_anything_starts(tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_address_that_is_told_is_one_that_answers(host):
    try:
        listening = run.bound_socket(host, 0)
    except ValueError:
        pytest.skip(f"this machine has no {host}")
    with listening:
        address = httpx.URL(run.address_of(listening))
        assert address.host in ("127.0.0.1", "::1")
        socket.create_connection((address.host, address.port), timeout=5).close()
