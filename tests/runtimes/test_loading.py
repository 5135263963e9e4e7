"""Artefacts that are damaged, foreign or from elsewhere: one clear line each."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from export.artefacts import FORMATS, artefact, keras_file

from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector, load_model, model_file
from ssd_keras.runtimes import sessions
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


def test_weights_of_openvino_that_belong_to_another_training(tmp_path):
    """They have the same length, and would find other things without a word."""
    path = copy("openvino", tmp_path)
    weights = path.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    load_detector(path)
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), content + b"more"):
        weights.write_bytes(changed)
        with pytest.raises(InputError, match=r"small\.bin does not belong to small\.xml.*copy both") as error:
            load_detector(path)
        assert "\n" not in str(error.value)
    weights.write_bytes(content)
    renamed = [file.rename(tmp_path / f"other{file.suffix}") for file in (path, weights)]
    assert isinstance(load_detector(renamed[0]), Artefact)


def test_weights_of_openvino_are_not_judged_where_the_model_does_not_know_them(tmp_path):
    path = copy("openvino", tmp_path)
    path.write_text(path.read_text().replace("ssd_keras_weights", "of_others"))
    assert isinstance(load_detector(path), Artefact)


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


@pytest.mark.parametrize("shapes", [[], [[]], [[1, 3]], [[1, 3], [1, 3]], [[None, None]]])
def test_networks_of_others(shapes, tmp_path):
    import onnx
    import openvino
    from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

    types = [onnx.TensorProto.FLOAT] * len(shapes)
    names = [f"in{number}" for number in range(len(shapes))]
    values = [make_tensor_value_info(*one) for one in zip(names, types, shapes, strict=True)]
    node = make_node("Sum", names, ["out"]) if names else make_node("Constant", [], ["out"], value_float=1.0)
    out = make_tensor_value_info("out", onnx.TensorProto.FLOAT, shapes[0] if shapes else [])
    graph = make_graph([node], "graph", values, [out])
    opset = [make_opsetid("", 18)]
    onnx.save(make_model(graph, opset_imports=opset, ir_version=9, producer_name="x"), tmp_path / "x.onnx")
    openvino.save_model(openvino.convert_model(tmp_path / "x.onnx"), tmp_path / "x.xml")
    for file in ("x.onnx", "x.xml"):
        with pytest.raises(InputError, match=rf"{file} has no metadata of ssd-keras"):
            load_detector(tmp_path / file)


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"[" * 100_000, b'{"format_version": Infinity}'])
@pytest.mark.parametrize("kind", ["litert", "saved_model"])
def test_metadata_that_are_no_text(kind, content, tmp_path):
    path = copy(kind, tmp_path)
    if kind == "saved_model":
        (path / "assets.extra" / "ssd_keras.json").write_bytes(content)
    else:
        with zipfile.ZipFile(path) as archive:
            network = path.read_bytes()[: archive.infolist()[0].header_offset]
        path.write_bytes(network)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("ssd_keras.json", content)
    with pytest.raises(InputError, match=r"the metadata of .* is damaged \(") as error:
        load_detector(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"image_size": [96, 64]},
            "takes any × 64 × 96 × 3, and its metadata says any × 96 × 64 × 3: export",
        ),
        ({"image_size": [3_000_000] * 2}, "takes .* says any × 3000000 × 3000000 × 3"),
        ({"gives": "raw"}, "gives no offsets"),
        ({"class_names": ["only"]}, "finds objects with label 1"),
    ],
)
def test_metadata_of_another_network(change, said, tmp_path):
    import onnx

    model = onnx.load(artefact("onnx"))
    (entry,) = model.metadata_props
    entry.value = json.dumps({**json.loads(entry.value), **change})
    onnx.save(model, tmp_path / "x.onnx")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    with pytest.raises(InputError, match=rf"x\.onnx {said}"):
        load_detector(tmp_path / "x.onnx").detect(image, threshold=0)


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


@pytest.mark.parametrize(("stated", "threads"), [("1", 1), ("3", 3), ("0", 1), ("many", None)])
def test_workers_that_share_a_machine_say_how_many_threads_each_has(monkeypatch, stated, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    usual = sessions.threads()
    monkeypatch.setenv("OMP_NUM_THREADS", stated)
    assert sessions.threads() == (threads or usual)
