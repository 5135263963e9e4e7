"""Exporting as a whole: what is refused, what is left behind, and that a fresh process can do it."""

import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import openvino
import pytest
import tensorflow
from export.artefacts import FORMATS, artefact, found_in_check_images, keras_file, small_detector

from ssd_keras.errors import InputError
from ssd_keras.export import artefact_files, exporting, worker
from ssd_keras.export.artefact_files import write_artefact
from ssd_keras.export.check_images import images_for_check
from ssd_keras.export.exporting import export_detector
from ssd_keras.export.openvino_files import save_openvino
from ssd_keras.inference.detector import save_detector
from ssd_keras.models.backbones.ssd7 import ssd7_features
from ssd_keras.models.ssd import SSD
from ssd_keras.runtimes.formats import SUFFIXES


@pytest.fixture
def in_process(monkeypatch):
    """Let the worker do its jobs in this process, which is on TensorFlow already."""
    monkeypatch.setattr(exporting, "_run_worker", lambda job, folder: worker.make_artefact(job))


@pytest.fixture
def no_worker(monkeypatch):
    """Fail where the worker is asked: what is wrong should have been said before."""

    def fail(job, folder):
        pytest.fail("the worker was started")

    monkeypatch.setattr(exporting, "_run_worker", fail)


def test_a_model_in_memory(tmp_path, in_process):
    exported = export_detector(small_detector(), "onnx", tmp_path / "new" / "model.onnx")
    assert exported.path == tmp_path / "new" / "model.onnx"
    assert exported.bytes == exported.path.stat().st_size
    assert exported.format == "onnx"
    assert 0 <= exported.max_difference < 1e-4
    assert json.loads(json.dumps(exported.as_json())) == exported.as_json()
    assert [file.name for file in exported.path.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_artefact_that_finds_something_else_is_not_kept(kind, tmp_path, monkeypatch):
    def make(job, folder):
        """Copy an artefact, and let Keras have found other things."""
        for old, new in zip(
            exporting._files_at(artefact(kind), kind), exporting._files_at(Path(job.path), kind), strict=True
        ):
            shutil.copytree(old, new, dirs_exist_ok=True) if old.is_dir() else shutil.copy(old, new)
        found = found_in_check_images()
        wrong = {name: found[name] * 0.98 for name in ("scores", "all_scores")}
        np.savez(job.found_by_keras, **{**found, **wrong})

    monkeypatch.setattr(exporting, "_run_worker", make)
    out = tmp_path / f"bad{SUFFIXES[kind]}"
    with pytest.raises(InputError, match=rf"{out.name} is not kept.*differ by 0\.0\d+ from those of Keras"):
        export_detector(keras_file(), kind, out)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_there_already_is_left_alone(kind, tmp_path, no_worker):
    out = tmp_path / f"model{SUFFIXES[kind]}"
    taken = out.with_suffix(".bin") if kind == "openvino" else out
    taken.write_text("mine")
    with pytest.raises(InputError, match=rf"{taken.name} exists already: remove it"):
        export_detector(keras_file(), kind, out)
    assert taken.read_text() == "mine"


def test_names_by_default(tmp_path, monkeypatch, no_worker):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.onnx").touch()
    with pytest.raises(InputError, match=r"^small\.onnx exists already"):
        export_detector(keras_file(), "onnx")
    (tmp_path / "ssd7_saved_model").touch()
    with pytest.raises(InputError, match=r"^ssd7_saved_model exists already"):
        export_detector(small_detector(), "saved_model")


def test_of_a_run_folder_the_whole_name_is_taken(tmp_path, monkeypatch, no_worker):
    """What follows a dot may be a version: two runs must not share one name."""
    (tmp_path / "bccd.v2").mkdir()
    monkeypatch.chdir(tmp_path / "bccd.v2")
    shutil.copy(keras_file(), "best.keras")
    for folder in (tmp_path / "bccd.v2", ".", "../bccd.v2/", "best.keras/.."):
        assert exporting._usual_place(folder, "openvino") == Path("bccd.v2.xml")
    assert exporting._usual_place("best.keras", "saved_model") == Path("best_saved_model")
    Path("bccd.v2.bin").touch()
    with pytest.raises(InputError, match=r"^bccd\.v2\.bin exists already"):
        export_detector(".", "openvino")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_place_that_takes_no_file_is_said_before_the_work(kind, tmp_path, no_worker):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / f"x{SUFFIXES[kind]}"
    with pytest.raises(InputError, match=rf"{out.name} cannot be written \(.+\): make room there"):
        export_detector(keras_file(), kind, out)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_disk_without_room_is_said_before_the_work(kind, tmp_path, monkeypatch, no_worker):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    with pytest.raises(InputError, match=r"has room for 0\.0 MB, and the export needs 0\.\d MB at least"):
        export_detector(keras_file(), kind, tmp_path / f"x{SUFFIXES[kind]}")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_meanwhile(tmp_path, monkeypatch, capsys):
    def fill(job):
        raise OSError(errno.ENOSPC, "No space left on device", job.path)

    monkeypatch.setattr(worker, "make_artefact", fill)
    job = worker.Job("m.keras", "onnx", str(tmp_path / "x.onnx"), False, None, "found.npz")
    (tmp_path / "job.json").write_text(json.dumps(job._asdict()))
    assert worker.main(str(tmp_path / "job.json")) == worker.FAULT_OF_THE_USER
    said = f"{tmp_path / 'x.onnx'} cannot be written (No space left on device): make room there, or choose"
    assert capsys.readouterr().out.startswith(said)


def test_a_library_that_says_in_its_own_way_that_a_disk_is_full(tmp_path, monkeypatch):
    def of_openvino(*_, **__):
        raise RuntimeError("Exception from core.cpp:\nbasic_ios::clear: iostream error")

    def of_tensorflow(*_, **__):
        raise tensorflow.errors.ResourceExhaustedError(None, None, "variables; No space left on device")

    monkeypatch.setattr(openvino, "save_model", of_openvino)
    monkeypatch.setattr(tensorflow.saved_model, "save", of_tensorflow)
    monkeypatch.setattr(artefact_files, "trace_detector", lambda model: None)
    model = SimpleNamespace(set_rt_info=lambda *_: None, weights=[])
    for write, said in (
        (lambda: save_openvino(model, tmp_path / "x.xml", "{}"), "iostream error"),
        (
            lambda: write_artefact(model, "saved_model", tmp_path / "x", "{}", raw=False),
            "No space left on device",
        ),
    ):
        with pytest.raises(InputError, match=rf"x\S* cannot be written \(.*{said}\): make room") as error:
            write()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["onnx", "openvino", "saved_model"])
def test_of_two_exports_to_one_place_the_second_is_refused_and_the_first_is_whole(
    kind, tmp_path, monkeypatch
):
    """Both begin before there is anything; they must not write into one file."""
    out = tmp_path / f"x{SUFFIXES[kind]}"
    contents = iter(["of the second", "of the first"])

    def make(job, folder):
        content = next(contents)
        if content == "of the second":
            export_detector(keras_file(), kind, out)
        for file in exporting._files_at(Path(job.path), kind):
            file.write_text(content)

    monkeypatch.setattr(exporting, "_run_worker", make)
    monkeypatch.setattr(exporting, "_found_by_keras", lambda file: {})
    monkeypatch.setattr(exporting, "load_artefact", lambda path: None)
    monkeypatch.setattr(exporting, "_checked_difference", lambda *_: 0.0)
    with pytest.raises(InputError, match="exists already"):
        export_detector(keras_file(), kind, out)
    assert {file.read_text() for file in exporting._files_at(out, kind)} == {"of the first"}
    assert sorted(tmp_path.iterdir()) == sorted(exporting._files_at(out, kind))


def test_files_of_the_working_directory_are_no_modules_of_the_worker(tmp_path, monkeypatch):
    run = subprocess.run

    def start_only(command, **settings):
        """Start Python as the worker is started, but with something that is quickly done."""
        return run([*command[: command.index("-m")], "-c", "import json"], **settings)

    (tmp_path / "json.py").write_text("raise SystemExit('this is no library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", start_only)
    exporting._run_worker(worker.Job("x.keras", "onnx", "x.onnx", False, None, "found.npz"), tmp_path)


def test_what_does_not_go_together(tmp_path, no_worker):
    with pytest.raises(InputError, match="onnx only, not to litert: leave --raw out"):
        export_detector(keras_file(), "litert", tmp_path / "x.tflite", raw=True)
    with pytest.raises(InputError, match=r"name ends in \.tflite"):
        export_detector(keras_file(), "litert", tmp_path / "x.onnx")
    with pytest.raises(InputError, match=r"small\.onnx is an artefact already"):
        export_detector(artefact("onnx"), "openvino", tmp_path / "x.xml")
    with pytest.raises(InputError, match=r"none\.keras does not exist"):
        export_detector(tmp_path / "none.keras", "onnx", tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_a_library_that_is_not_installed(tmp_path, monkeypatch, no_worker):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else found(name))
    with pytest.raises(InputError, match=r'needs tf2onnx, not installed: pip install "ssd-keras\[.*onnx\]"'):
        export_detector(keras_file(), "onnx", tmp_path / "x.onnx")


def test_a_model_of_grey_images(tmp_path, in_process):
    with pytest.raises(InputError, match="1 channels: exports are for RGB images"):
        export_detector(small_detector(channels=1), "onnx", tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_a_model_trained_in_bfloat16_is_exported_in_float32(tmp_path):
    model = small_detector()
    with_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_detector()
    finally:
        keras.config.set_dtype_policy(with_policy)
    assert mixed.dtype_policy.name == "mixed_bfloat16"
    mixed.set_weights(model.get_weights())
    save_detector(mixed, tmp_path / "mixed.keras")
    exact = worker._load_in_float32(tmp_path / "mixed.keras")
    images = images_for_check(None, exact.image_size)
    expected = model.predict_on_batch(images)["logits"]
    np.testing.assert_allclose(exact.predict_on_batch(images)["logits"], expected, rtol=1e-5, atol=1e-5)
    assert np.abs(mixed.predict_on_batch(images)["logits"] - expected).max() > 1e-3


def test_a_process_of_its_own_knows_no_layers_of_the_user(tmp_path):
    @keras.saving.register_keras_serializable("of_a_user")
    class Thrice(keras.layers.Layer):
        def call(self, inputs):
            return 3 * inputs

    model = SSD.from_backbone(lambda image: ssd7_features(Thrice()(image)), ["car"], (64, 96))
    with pytest.raises(InputError, match=r"class 'Thrice'.*knows no layers but those of Keras"):
        export_detector(model, "onnx", tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


class TestImagesOfTheCheck:
    def test_are_generated(self):
        images = images_for_check(None, (30, 50))
        assert (images.shape, images.dtype) == ((4, 30, 50, 3), np.uint8)
        assert images.std() > 10

    def test_are_spread_over_a_folder_or_a_data_set(self, tmp_path):
        from scenes import write_data

        data = write_data(tmp_path / "set", train=5, val=2)
        assert images_for_check(data, (30, 50)).shape == (4, 30, 50, 3)
        one = next(data.rglob("*.jpg"))
        assert images_for_check(str(one), (30, 50)).shape == (1, 30, 50, 3)

    def test_none(self, tmp_path):
        with pytest.raises(InputError, match=r"none does not exist"):
            images_for_check(tmp_path / "none", (30, 50))
        with pytest.raises(InputError):
            images_for_check(tmp_path, (30, 50))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
@pytest.mark.parametrize("kind", FORMATS)
def test_in_a_process_of_its_own(backend, kind, tmp_path):
    out = tmp_path / f"model{SUFFIXES[kind]}"
    words = ["export", str(keras_file()), "--to", kind, "--out", str(out), "--json"]
    run = subprocess.run(
        [sys.executable, "-m", "ssd_keras", *words],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(run.stdout)
    assert document["path"] == str(out)
    assert 0 <= document["max_difference"] < 1e-4
    assert out.exists()
