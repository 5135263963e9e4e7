"""Several devices, played by virtual ones of the processor, do what one does with the whole batch."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small_runs import write_recipe_and_data

from ssd_keras.cli import main
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector
from ssd_keras.models.loss import MultiBoxLoss
from ssd_keras.training.devices import Devices, choose_devices, sum_over_devices
from ssd_keras.training.recipe import make_recipe

PROGRAM = Path(__file__).with_name("several_devices.py")
BACKENDS = ("tensorflow", "jax")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_recipe_and_data(tmp_path_factory.mktemp("data"))


def on_two_devices(backend, *arguments):
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
def test_steps_are_those_of_one_device_with_the_whole_batch(backend, recipe, tmp_path):
    """Also where all objects are on one of the devices, or none on any, and gradients are shortened."""
    on_two_devices(backend, "steps", recipe, tmp_path / "steps")
    with np.load(tmp_path / "steps-1.npz") as one, np.load(tmp_path / "steps-2.npz") as two:
        assert (one["devices"], two["devices"]) == (1, 2)
        assert one["norms"] > 4 * 1.0  # so they were shortened
        assert one.files == two.files
        for name in set(one.files) - {"devices"}:
            np.testing.assert_allclose(two[name], one[name], rtol=2e-4, atol=2e-6, err_msg=name)


def losses(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [[float(row["loss"]), float(row["positives"])] for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_is_made_by_two_devices_and_goes_on_with_one_and_the_other_way_round(
    backend, recipe, tmp_path, monkeypatch
):
    whole, changed = tmp_path / "whole", tmp_path / "changed"
    on_two_devices(backend, "ssd", "train", recipe, "--out", whole, "--devices", 2)
    document = json.loads((whole / "metrics.json").read_text())
    assert document["epochs"] == 2
    assert 0 <= document["metrics"]["mAP"] <= 1
    on_two_devices(backend, "ssd", "train", recipe, "--out", changed, "--devices", 1, "--epochs", 2)
    np.testing.assert_allclose(losses(changed), losses(whole), rtol=1e-3)

    for devices, folder in ((1, whole), (2, changed)):
        stop_after_the_first_epoch(folder, devices)
        on_two_devices(backend, "ssd", "resume", folder)
    np.testing.assert_allclose(losses(changed), losses(whole), rtol=1e-3)
    models = [load_detector(folder / "last.keras") for folder in (whole, changed)]
    for ours, theirs in zip(*(model.weights for model in models), strict=True):
        pair = map(keras.ops.convert_to_numpy, (ours, theirs))
        np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-5)


def stop_after_the_first_epoch(folder, devices):
    """Bring a finished run back to its first epoch, and give it so many devices."""
    newest, before = sorted((folder / "checkpoints").iterdir(), reverse=True)
    newest.unlink()
    assert before.name == "step-00000005.npz"
    (folder / "metrics.json").unlink()
    text = (folder / "recipe.yaml").read_text()
    changed = text.replace(f"devices: {3 - devices}", f"devices: {devices}")
    assert changed != text
    (folder / "recipe.yaml").write_text(changed)


def test_what_cannot_be_done_on_several_devices_of_tensorflow_is_refused(recipe):
    changes = [
        {"devices": 3},
        {"devices": 2, "batch_size": 5},
        {"devices": "all", "accumulate": 2},
        {"devices": 2, "precision": "float16"},
        {"devices": 2, "loss": {"negatives": "batch"}},
        {"devices": "all"},
    ]
    said = json.loads(on_two_devices("tensorflow", "refusals", recipe, json.dumps(changes)))
    assert "devices is 3, and there are 2 (cpu:0, cpu:1): choose at most that, or all" in said[0]
    assert "batch_size is 5, and 2 devices share a batch: choose a multiple of 2" in said[1]
    for text, setting in zip(
        said[2:5], ("accumulate: 2", "precision: float16", "loss negatives: batch"), strict=True
    ):
        assert f"{setting} does not go with several devices on TensorFlow" in text
    assert said[5] == ""
    assert not any("\n" in text for text in said)


def test_one_device_is_used_as_it_is():
    assert choose_devices(make_recipe({}), MultiBoxLoss()) == Devices()
    assert sum_over_devices([None, 2.0]) == [None, 2.0]


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the others can")
@pytest.mark.backends
def test_torch_refuses_several():
    with pytest.raises(InputError, match="with torch Keras trains on one"):
        choose_devices(make_recipe({"devices": 2}), MultiBoxLoss())


@pytest.mark.parametrize("devices", ["0", "-1", "some"])
def test_a_number_that_makes_no_sense_is_refused(devices, recipe, tmp_path, capsys):
    assert main(["train", str(recipe), "--devices", devices, "--out", str(tmp_path / "run")]) == 2
    assert "devices" in capsys.readouterr().err
