"""Int8: what is quantised, what stays exact, and what is refused for its cost."""

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from export.artefacts import CLASSES, artefact, found_in_check_images, keras_file
from scenes import sample, write_data

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.errors import InputError
from ssd_keras.export import exporting, int8, worker
from ssd_keras.export.exporting import export_detector
from ssd_keras.export.heads import end_of_graph
from ssd_keras.export.int8 import Int8, make_int8
from ssd_keras.inference.scoring import choose_split
from ssd_keras.runtimes.artefact import load_artefact
from ssd_keras.runtimes.formats import SUFFIXES

KINDS = ("onnx", "openvino")
MARKS = ("exact_heads", "measured_on_calibration_images")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "set", train=6, val=0, test=3)


@pytest.fixture
def scores(monkeypatch):
    """Let the evaluation give these values of mAP, one after the other."""

    def give(*values):
        left = iter(values)
        monkeypatch.setattr(int8, "evaluate", lambda *_: SimpleNamespace(mAP=next(left)))

    return give


def quantised(kind, folder, data, max_drop=1.0):
    out = folder / f"int8{SUFFIXES[kind]}"
    return out, make_int8(artefact(kind), kind, out, Int8(data, max_drop))


def convolutions_of(path):
    """Tell by the names of an ONNX file's convolutions whether they are computed in int8."""
    graph = onnx.load(path).graph
    dequantised = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return {node.name: node.input[0] in dequantised for node in graph.node if node.op_type == "Conv"}


def test_heads_are_the_last_convolutions():
    followers = {
        "image": ["conv1"],
        "conv1": ["relu1"],
        "relu1": ["loc1", "conv2"],
        "loc1": ["reshape"],
        "conv2": ["depthwise"],
        "depthwise": ["pointwise"],
        "pointwise": ["reshape"],
        "reshape": ["decode"],
        "decode": [],
    }
    end = end_of_graph(followers, ["conv1", "conv2", "loc1", "depthwise", "pointwise"])
    assert end.heads == ["loc1", "pointwise"]
    assert end.decoding == ["reshape", "decode"]


def test_a_graph_without_convolutions_has_no_heads():
    assert end_of_graph({"image": ["dense"], "dense": []}, []) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_in_int8_and_detects(kind, tmp_path, data, scores):
    scores(0.8, 0.795)
    path, cost = quantised(kind, tmp_path, data)
    assert (cost.split, cost.images, cost.exact_heads, cost.seen) == ("test", 3, False, False)
    assert cost.drop == pytest.approx(0.5)
    made = load_artefact(path)
    assert made.metadata == load_artefact(artefact(kind)).metadata.model_copy(update={"precision": "int8"})
    found = made.predict(found_in_check_images()["images"])
    exact = load_artefact(artefact(kind)).predict(found_in_check_images()["images"])
    assert 0 < np.abs(found["scores"][:, 0] - exact["scores"][:, 0]).max() < 0.2


def test_every_convolution_of_onnx_is_in_int8(tmp_path, data, scores):
    scores(0.8, 0.8)
    path, _ = quantised("onnx", tmp_path, data)
    assert len(convolutions_of(path)) == 7 + 8
    assert all(convolutions_of(path).values())


def test_heads_stay_exact_where_that_protects_the_accuracy(tmp_path, data, scores):
    scores(0.8, 0.7, 0.799)
    path, cost = quantised("onnx", tmp_path, data)
    assert cost.exact_heads
    assert cost.int8 == 0.799
    assert sorted(convolutions_of(path).values()) == [False] * 8 + [True] * 7


@pytest.mark.parametrize("kind", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_what_costs_too_much_is_not_kept(kind, tmp_path, data, scores, monkeypatch):
    monkeypatch.setattr(exporting, "_run_worker", lambda job, folder: worker.make_artefact(job))
    scores(0.8, 0.7, 0.75)
    out = tmp_path / f"model{SUFFIXES[kind]}"
    with pytest.raises(InputError, match=r"costs 5\.0 points of mAP \(0\.800 to 0\.750 on 3 images") as error:
        export_detector(keras_file(), kind, out, int8=Int8(data))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_was_measured_is_in_the_document(tmp_path, data, scores, monkeypatch):
    scores(0.8, 0.7)
    monkeypatch.setattr(exporting, "_run_worker", lambda job, folder: worker.make_artefact(job))
    exported = export_detector(keras_file(), "onnx", tmp_path / "model.onnx", int8=Int8(data, 100))
    measured = exported.as_json()["int8"]
    assert measured.keys() == {"mAP", "mAP_float32", "drop", "split", "images", *MARKS}
    assert exported.bytes < artefact("onnx").stat().st_size
    assert exported.max_difference > 0


def test_what_cannot_be_in_int8_is_refused(tmp_path, data):
    with pytest.raises(InputError, match="--int8 is for onnx and openvino, not for litert"):
        export_detector(keras_file(), "litert", tmp_path / "m.tflite", int8=Int8(data))
    with pytest.raises(InputError, match="leave --raw out"):
        export_detector(keras_file(), "onnx", tmp_path / "m.onnx", raw=True, int8=Int8(data))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_model_that_finds_nothing_in_float32_is_refused(value, tmp_path, data, scores):
    """Then mAP in int8 says nothing, either."""
    scores(value)
    with pytest.raises(InputError, match=r"finds no object of split 'test', so .*cannot be measured: give"):
        quantised("onnx", tmp_path, data)
    assert not list(tmp_path.iterdir())


def test_ranges_are_not_taken_from_what_is_measured_on_where_there_is_other(tmp_path):
    def names_of(**counts):
        dataset = open_dataset(write_data(tmp_path / "-".join(counts), **counts), CLASSES)
        measured = choose_split(dataset)
        samples = int8._samples_for_ranges(dataset, measured)
        return {one.name for one in dataset.values() if set(one) & set(samples)}, samples is measured

    assert names_of(train=2, val=1, test=1) == ({"train"}, False)
    assert names_of(trainval=2, test=1) == ({"trainval"}, False)
    assert names_of(val=2, test=1) == ({"val"}, False)
    assert names_of(test=1) == ({"test"}, True)
    assert names_of(train=1) == ({"train"}, True)


def test_one_image_to_calibrate_and_to_measure_on(tmp_path, scores):
    scores(0.8, 0.8)
    _, cost = quantised("onnx", tmp_path, write_data(tmp_path / "one", train=1))
    assert (cost.images, cost.seen) == (1, True)
    assert cost.as_json()["measured_on_calibration_images"]


def test_data_that_are_none_are_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_run_worker", lambda *_: pytest.fail("the worker was started"))
    for name, said in (("none", "none does not exist"), ("empty", "empty is an empty folder")):
        if name == "empty":
            (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=said):
            export_detector(keras_file(), "onnx", tmp_path / "m.onnx", int8=Int8(tmp_path / name))
    assert [one.name for one in tmp_path.iterdir()] == ["empty"]


def test_data_without_objects_are_refused(tmp_path):
    write_voc(tmp_path / "bare", {"test": [sample(0, objects=0)]}, CLASSES)
    with pytest.raises(InputError, match="no labelled object"):
        quantised("onnx", tmp_path, tmp_path / "bare")
    assert open_dataset(tmp_path / "bare", CLASSES)
