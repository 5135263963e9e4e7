"""`ssd export`, and the commands that take an artefact like a model."""

import json

import pytest
from export.artefacts import FORMATS, artefact, boxes_in, keras_file
from scenes import write_data

from ssd_keras.export import exporting, worker


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "set", test=5)


def test_its_document(call, tmp_path, data, monkeypatch):
    monkeypatch.setattr(exporting, "_run_worker", lambda job, folder: worker.make_artefact(job))
    out = tmp_path / "small.onnx"
    words = ("export", keras_file(), "--to", "onnx", "--raw", "--out", out, "--check", data)
    status, printed, _ = call(*words, "--json")
    document = json.loads(printed)
    assert status == 0
    assert document.keys() == {"path", "format", "bytes", "max_difference"}
    assert (document["path"], document["format"]) == (str(out), "onnx")
    assert document["bytes"] == out.stat().st_size
    assert 0 < document["max_difference"] < 1e-4
    status, _, err = call(*words)
    assert status == 1
    assert err == f"ssd: {out} exists already: remove it, or choose another place with --out\n"


def test_usage(call, tmp_path):
    status, _, err = call("export", keras_file(), "--to", "caffe")
    assert status == 2
    assert "saved_model" in err
    status, _, err = call("export", tmp_path / "none.keras", "--to", "onnx")
    assert status == 1
    assert err.startswith("ssd: model ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("kind", FORMATS)
def test_an_artefact_detects_like_its_model(call, data, kind):
    words = (data / "JPEGImages", "--threshold", 0.3, "--json")
    expected, found = (boxes_in(call("detect", model, *words)[1]) for model in (keras_file(), artefact(kind)))
    assert len(expected) == 5
    assert sum(len(detections) for _, detections in expected) > 20
    for (image, wanted), (same_image, got) in zip(expected, found, strict=True):
        assert image == same_image
        assert len(wanted) == len(got)
        # In the order of the boxes: equal scores may swap places.
        for one, other in zip(
            sorted(wanted, key=lambda d: d[2]), sorted(got, key=lambda d: d[2]), strict=True
        ):
            assert one[0] == other[0]
            assert one[1] == pytest.approx(other[1], abs=1e-4)
            assert one[2] == pytest.approx(other[2], abs=0.05)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_artefact_scores_like_its_model(call, data, kind):
    expected, found = (
        json.loads(call("evaluate", model, "--data", data, "--json")[1])
        for model in (keras_file(), artefact(kind))
    )
    assert found["images"] == 5
    assert found["mAP"] == pytest.approx(expected["mAP"], abs=1e-3)
    assert found["per_class"] == pytest.approx(expected["per_class"], abs=1e-3)


def test_the_fast_decoding_is_the_models(call, data):
    status, _, err = call("evaluate", artefact("onnx"), "--data", data, "--fast")
    assert status == 1
    assert "leave --fast out" in err
