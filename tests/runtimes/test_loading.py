"""Artefacts that are damaged, foreign or from elsewhere: one clear line each."""

import importlib
import re
import shutil
import subprocess
import sys

import pytest
from export.artefacts import FORMATS, artefact, keras_file

from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector, load_model, model_file
from ssd_keras.runtimes.artefact import Artefact, load_artefact
from ssd_keras.runtimes.formats import recognise_format

FILES = ("onnx", "openvino", "litert")
RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "ai_edge_litert.interpreter"}


def copy(kind, folder):
    """Copy an artefact, with what belongs to it, and give its path."""
    path = artefact(kind)
    if path.is_dir():
        return shutil.copytree(path, folder / path.name)
    if kind == "openvino":
        shutil.copy(path.with_suffix(".bin"), folder)
    return folder / shutil.copy(path, folder / path.name).name


@pytest.mark.parametrize("kind", FORMATS)
def test_a_detector_of_any_format_is_loaded_by_its_content(kind, tmp_path):
    path = copy(kind, tmp_path)
    if kind in ("onnx", "litert"):
        path = path.rename(tmp_path / "model")
    assert model_file(path) == path
    detector = load_detector(path)
    assert isinstance(detector, Artefact)
    with pytest.raises(InputError, match=rf"exported artefact \({kind}\).*\.keras file"):
        load_model(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"\x08\x07\x99", b"PK\x03\x04", b"\xff\xd8\xff\xe0 a photo"]
)
def test_foreign_files(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert recognise_format(path) is None
    with pytest.raises(InputError, match=r"model\.onnx is no exported detector"):
        load_artefact(path)
    with pytest.raises(InputError, match=r"model\.onnx is not a Keras model nor an exported artefact"):
        load_detector(path)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.onnx does not exist"):
        load_detector(tmp_path / "none.onnx")
    assert recognise_format(tmp_path) is None
    assert recognise_format(keras_file()) is None


@pytest.mark.parametrize("part", [0.3, 0.9])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_off(kind, part, tmp_path):
    path = copy(kind, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(
        InputError, match=rf"{path.name} (cannot be loaded by|has no metadata).*export"
    ) as error:
        load_detector(path)
    assert "\n" not in str(error.value)


def test_weights_of_openvino_cut_off_or_gone(tmp_path):
    path = copy("openvino", tmp_path)
    weights = path.with_suffix(".bin")
    with pytest.raises(InputError, match=r"holds the weights of an OpenVINO model: give .*\.xml"):
        load_detector(weights)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"small\.xml cannot be loaded by OpenVINO"):
        load_detector(path)
    weights.unlink()
    with pytest.raises(InputError, match=r"small\.xml has no small\.bin beside it"):
        load_detector(path)


@pytest.mark.parametrize("lost", ["variables/variables.index", "assets.extra/ssd_keras.json"])
def test_a_folder_that_lost_a_file(lost, tmp_path):
    path = copy("saved_model", tmp_path)
    (path / lost).unlink()
    with pytest.raises(InputError, match=r"cannot be loaded by TensorFlow|has no metadata"):
        load_detector(path)


def test_an_onnx_file_of_others(tmp_path):
    import onnx

    model = onnx.load(artefact("onnx"))
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"other\.onnx has no metadata of ssd-keras"):
        load_detector(tmp_path / "other.onnx")


@pytest.mark.parametrize("kind", FILES)
def test_a_runtime_that_is_not_installed(kind, monkeypatch):
    imported = importlib.import_module

    def import_module(name, *more):
        if name == RUNTIMES[kind]:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return imported(name, *more)

    monkeypatch.setattr(importlib, "import_module", import_module)
    library = RUNTIMES[kind].partition(".")[0]
    wanted = re.escape(f'needs {library}, which is not installed: pip install "ssd-keras[{kind}]"')
    with pytest.raises(InputError, match=wanted):
        load_detector(artefact(kind))


def test_precision():
    bfloat16 = load_detector(artefact("openvino"), "bfloat16")
    assert isinstance(bfloat16, Artefact)
    for other in (artefact("onnx"), keras_file()):
        with pytest.raises(InputError, match=r"openvino for bfloat16"):
            load_detector(other, "bfloat16")


def test_artefacts_run_without_keras_and_tensorflow():
    code = (
        "import sys, numpy as np\n"
        "from ssd_keras.inference.detector import load_detector\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "for path in sys.argv[1:]:\n"
        "    load_detector(path).detect(np.zeros((9, 9, 3), np.uint8))\n"
        "print(*sys.modules)"
    )
    paths = [str(artefact(kind)) for kind in FILES]
    run = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert {"onnxruntime", "openvino", "ai_edge_litert"} <= set(run.stdout.split())
    assert not {"keras", "tensorflow", "torch"} & set(run.stdout.split())
