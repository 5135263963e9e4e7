import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.errors import InputError
from ssd_keras.runtimes.metadata import FORMAT_VERSION, ArtefactMetadata, DecodingSettings, parse_metadata

METADATA = ArtefactMetadata(
    library_version="0.1.0",
    model="ssd7",
    gives="raw",
    class_names=("a car", 'with "quotes" & <marks>', "Fußgänger"),
    image_size=(300, 480),
    decoding=DecodingSettings(min_score=0.01, iou_threshold=0.45, candidates=400, max_detections=200),
    variances=(0.1, 0.1, 0.2, 0.2),
    anchors=((0.0, 0.1, 0.25, 1.0),),
)


def test_it_comes_back_as_it_was(tmp_path):
    assert parse_metadata(METADATA.as_text(), tmp_path) == METADATA


@pytest.mark.parametrize("text", [None, ""])
def test_none(tmp_path, text):
    with pytest.raises(InputError, match=r"x\.onnx has no metadata of ssd-keras.*'ssd export'"):
        parse_metadata(text, tmp_path / "x.onnx")


def test_of_a_newer_library(tmp_path):
    newer = {"format_version": FORMAT_VERSION + 1, "library_version": "9.9", "something": "else"}
    with pytest.raises(InputError, match=r"made by ssd-keras 9\.9 .*upgrade ssd-keras"):
        parse_metadata(json.dumps(newer), tmp_path / "x.onnx")


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": 3},
        {"class_names": []},
        {"class_names": ["a", "b", "a"]},
        {"class_names": ["a", " "]},
        {"image_size": [300]},
        {"image_size": [0, 0]},
        {"image_size": [-3, 4]},
        {"gives": "?"},
        {"decoding": {}},
        {"format_version": 0},
        {"format_version": -5},
    ],
)
def test_a_field_that_is_wrong_is_named(tmp_path, change):
    text = json.dumps({**METADATA.model_dump(), **change})
    with pytest.raises(InputError, match=rf"metadata of .*x\.onnx is damaged \({next(iter(change))}"):
        parse_metadata(text, tmp_path / "x.onnx")


@pytest.mark.parametrize("text", ['{"format_version": Infinity}', '{"format_version": NaN}', "[" * 100_000])
def test_numbers_and_depths_that_json_should_not_have(tmp_path, text):
    with pytest.raises(InputError, match=r"metadata of .*x\.onnx is damaged \(") as error:
        parse_metadata(text, tmp_path / "x.onnx")
    assert "\n" not in str(error.value)


@given(st.text(min_size=1) | st.integers(0, len(METADATA.as_text()) - 1).map(METADATA.as_text().__getitem__))
def test_anything_else_is_said_in_one_line(tmp_path_factory, text):
    with pytest.raises(InputError, match=r"metadata of .* is damaged"):
        parse_metadata(text, tmp_path_factory.getbasetemp() / "x.onnx")


@given(st.integers(1, len(METADATA.as_text()) - 1))
def test_cut_off(length):
    from pathlib import Path

    with pytest.raises(InputError, match=r"metadata of x\.onnx is damaged"):
        parse_metadata(METADATA.as_text()[:length], Path("x.onnx"))
