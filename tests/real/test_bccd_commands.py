"""The commands on real photographs: 205 of blood cells, two of whose boxes have no area."""

import json
import os
from pathlib import Path

import pytest

from ssd_keras.cli import main


@pytest.fixture
def bccd():
    folder = os.environ.get("SSD_KERAS_TEST_DATA")
    if not folder:
        pytest.skip("SSD_KERAS_TEST_DATA is not set")
    return str(Path(folder) / "bccd")


@pytest.mark.slow
def test_from_photographs_to_detections(bccd, tmp_path, capsys):
    assert main(["inspect", bccd, "--json"]) == 0
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert sorted(Path(problem["file"]).stem for problem in problems) == [
        "BloodImage_00338",
        "BloodImage_00343",
    ]

    run = str(tmp_path / "run")
    settings = ["--image-size", "96", "128", "--epochs", "1", "--batch-size", "16"]
    assert main(["train", "--data", bccd, "--out", run, "--json", *settings]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["epochs"] == 1
    assert len([line for line in err.splitlines() if "2 problems" in line]) == 1

    assert main(["evaluate", run, "--data", bccd, "--split", "test", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["images"] == 72
    assert set(document["per_class"]) == {"RBC", "WBC", "Platelets"}

    image = f"{bccd}/BCCD/JPEGImages/BloodImage_00000.jpg"
    assert main(["detect", run, image, "--out", str(tmp_path / "found"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["size"] == [480, 640]
