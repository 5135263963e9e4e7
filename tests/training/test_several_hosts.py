"""Two processes train as one with the whole batch; when one dies, the other ends, and the run goes on."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import keras
import numpy as np
import pytest
from small_runs import write_recipe_and_data

from ssd_keras.cli import main
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector
from ssd_keras.training.several_hosts import ALONE, Hosts, connect, telling_of_lost_processes

EPOCHS = 4
STEPS = 3
COMMAND = [sys.executable, "-m", "ssd_keras"]
JAX = {**os.environ, "KERAS_BACKEND": "jax"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_recipe_and_data(tmp_path_factory.mktemp("data"), epochs=EPOCHS)


@pytest.fixture(scope="module")
def alone(recipe, tmp_path_factory):
    """The folder of a run of one process with the whole batch."""
    folder = tmp_path_factory.mktemp("runs") / "alone"
    command = [*COMMAND, "train", str(recipe), "--out", str(folder)]
    subprocess.run(command, env=JAX, check=True, capture_output=True, timeout=500)
    return folder


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(number, coordinator, *words, before=()):
    command = [*before, *COMMAND, *map(str, words), "--coordinator", coordinator]
    return subprocess.Popen(
        [*command, "--process", str(number), "--processes", "2"],
        env=JAX,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def started():
    """Start processes that are gone after the test, whatever happens."""
    with ExitStack() as stack:

        def start_two(*words, host="127.0.0.1", before=((), ())):
            coordinator = f"{host}:{free_port()}"
            both = [start(number, coordinator, *words, before=before[number]) for number in (0, 1)]
            for process in both:
                stack.enter_context(process)  # which closes its pipes
                stack.callback(process.kill)
            return both

        yield start_two


def ended(process, seconds=500):
    out, error = process.communicate(timeout=seconds)
    return process.returncode, out, error


def log_of(folder):
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ("loss", "confidence_loss", "location_loss", "positives", "gradient_norm", "learning_rate")
    return [[float(row[column]) for column in columns] for row in rows]


def assert_the_same_run(folder, alone):
    assert len(log_of(folder)) == EPOCHS
    np.testing.assert_allclose(log_of(folder), log_of(alone), rtol=1e-3)
    models = [load_detector(each / "last.keras") for each in (folder, alone)]
    for ours, theirs in zip(*(model.weights for model in models), strict=True):
        pair = map(keras.ops.convert_to_numpy, (ours, theirs))
        np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_two_processes_make_the_run_of_one(recipe, alone, started, tmp_path):
    first, second = started("train", recipe, "--out", tmp_path / "run", "--json")
    (status, out, error), (other_status, other_out, other_error) = ended(first), ended(second)
    assert status == other_status == 0, error + other_error
    assert json.loads(out)["epochs"] == EPOCHS
    assert other_out == ""
    assert "epoch" not in other_error
    assert_the_same_run(tmp_path / "run", alone)
    assert {file.name for file in (tmp_path / "run").iterdir()} == {file.name for file in alone.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_when_one_dies_the_other_ends_in_one_line_and_the_run_goes_on(
    killed, recipe, alone, started, tmp_path
):
    folder = tmp_path / "run"
    both = started("train", recipe, "--out", folder)
    wait_for_a_checkpoint(folder, both)
    both[killed].kill()
    died = time.monotonic()
    status, _, error = ended(both[1 - killed], 60)
    assert time.monotonic() - died < 60
    assert status == 1
    last = error.strip().splitlines()[-1]
    assert "another process is gone" in last
    assert f"ssd resume {folder} --coordinator HOST:PORT --process I --processes 2" in last
    assert "Traceback" not in error

    for process in started("resume", folder):
        status, _, error = ended(process)
        assert status == 0, error
    assert_the_same_run(folder, alone)


def wait_for_a_checkpoint(folder, processes):
    """Wait until a step was saved, and none of the last epoch."""
    while not list(folder.glob("checkpoints/step-0000000[1-9].npz")):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)


@pytest.fixture
def namespaces(tmp_path):
    """Two network namespaces with a cable between them; the way to run a command in each."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need ip and root")
    names = [f"ssd{os.getpid() % 100000}{letter}" for letter in "ab"]
    done = subprocess.run(["ip", "netns", "add", names[0]], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"network namespaces are not permitted here: {done.stderr.strip()}")
    with ExitStack() as stack:
        stack.callback(lambda: [ip("netns", "del", name) for name in names])
        ip("netns", "add", names[1])
        ip("link", "add", names[0], "type", "veth", "peer", "name", names[1])
        for number, name in enumerate(names):
            connect_namespace(name, f"10.77.0.{number + 1}", stack)
        yield [["ip", "netns", "exec", name] for name in names]


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def connect_namespace(name, address, stack):
    """Give a namespace its end of the cable, and the machine's name the address there."""
    ip("link", "set", name, "netns", name)
    ip("-n", name, "address", "add", f"{address}/24", "dev", name)
    for device in ("lo", name):
        ip("-n", name, "link", "set", device, "up")
    folder = Path("/etc/netns") / name
    folder.mkdir(parents=True)
    stack.callback(shutil.rmtree, folder)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{address} {socket.gethostname()}\n")


@pytest.mark.slow
def test_two_network_namespaces_make_the_run_of_one(recipe, alone, started, namespaces, tmp_path):
    both = started("train", recipe, "--out", tmp_path / "run", host="10.77.0.1", before=namespaces)
    for process in both:
        status, _, error = ended(process)
        assert status == 0, error
    assert_the_same_run(tmp_path / "run", alone)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--process", "0"], "go together: give all three"),
        (["--coordinator", "here", "--process", "0", "--processes", "2"], "give HOST:PORT"),
        (["--coordinator", "here:1", "--process", "2", "--processes", "2"], "its own number from 0"),
    ],
)
def test_flags_that_make_no_sense_are_refused(recipe, capsys, monkeypatch, flags, said):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert main(["train", str(recipe), *flags]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_other_backends_are_refused(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(InputError, match=f"not with {backend}: set KERAS_BACKEND=jax"):
        connect("127.0.0.1:1", 0, 2)


def test_one_process_is_alone(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert connect("127.0.0.1:1", 0, 1) == ALONE
    assert ALONE.share("anything", {"score": 0.5}) == {"score": 0.5}


def test_only_what_a_lost_process_does_is_told_as_such():
    gone = "process 1 of 2 ends: another process is gone"
    with pytest.raises(InputError, match=gone), telling_of_lost_processes(Hosts(1, 2), "runs/a"):
        raise ValueError("UNKNOWN: Gloo all-reduce failed: Connection reset by peer")
    with pytest.raises(InputError, match=gone), telling_of_lost_processes(Hosts(1, 2), "runs/a"):
        raise RuntimeError("INTERNAL: Coordination service agent is in error status")
    with pytest.raises(ValueError, match="of another kind"), telling_of_lost_processes(Hosts(1, 2), "runs/a"):
        raise ValueError("of another kind")
    with pytest.raises(ValueError, match="Gloo"), telling_of_lost_processes(ALONE, "runs/a"):
        raise ValueError("Gloo")
