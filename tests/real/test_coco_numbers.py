"""The twelve numbers of COCO on COCO's own photographs, against pycocotools on the original file."""

import json
import os
from pathlib import Path

import pytest
from coco_judge import NUMBERS, official_numbers, shifted_results

from ssd_keras.cli import main


@pytest.fixture
def coco_tiny():
    if "SSD_KERAS_TEST_DATA" not in os.environ:
        pytest.skip("SSD_KERAS_TEST_DATA is not set: there are no real data sets to read")
    return Path(os.environ["SSD_KERAS_TEST_DATA"]) / "coco-tiny"


@pytest.mark.parametrize("to", [None, "hdf5", "coco"])
def test_all_twelve_numbers_are_those_of_pycocotools(coco_tiny, tmp_path, capsys, to):
    annotations = coco_tiny / "annotations" / "instances_val2017.json"
    results = tmp_path / "results.json"
    results.write_text(json.dumps(shifted_results(annotations)))
    data = coco_tiny
    if to:
        data = tmp_path / "copy"
        assert main(["convert", str(coco_tiny), str(data), "--to", to, "--split", "val2017"]) == 0
        capsys.readouterr()
    words = ["--detections", str(results), "--data", str(data), "--protocol", "coco", "--json"]
    assert main(["evaluate", *words]) == 0
    document = json.loads(capsys.readouterr().out)
    expected = official_numbers(annotations, results)
    assert [document[name] for name in NUMBERS] == pytest.approx(expected, abs=1e-9)
