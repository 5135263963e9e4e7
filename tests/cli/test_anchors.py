"""`ssd anchors` as a user calls it: what a suggestion gains, in the text and in the document."""

import json

import cv2
import numpy as np
import pytest
from scenes import write_data

from ssd_keras.cli import main
from ssd_keras.training.recipe import make_recipe


@pytest.fixture
def call(capsys):
    """Run the command line; give its exit status, standard output and standard error."""

    def run_command(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return run_command


def write_table(folder, rows, size=(100, 100)):
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((*size, 3), np.uint8))
    lines = ["image,xmin,ymin,xmax,ymax,class", *(f"a.png,{','.join(map(str, row))}" for row in rows)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_gain_stands_in_the_document_and_in_the_text(call, tmp_path):
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 80, (60, 2))
    rows = [(x, y, x + 6 + i % 3, y + 6 + i % 2, "dot") for i, (x, y) in enumerate(corners.tolist())]
    data = write_table(tmp_path / "dots", rows)
    status, out, err = call("anchors", data, "--image-size", "128", "128", "--json")
    assert status == 0, err
    document = json.loads(out)
    suggestion = document["suggestion"]
    gain = suggestion["gain"]
    assert gain["covered"] == pytest.approx(suggestion["covered"] - document["covered"], abs=2e-4)
    assert gain["mean_best_iou"] == pytest.approx(
        suggestion["mean_best_iou"] - document["mean_best_iou"], abs=2e-4
    )
    assert gain["covered"] > 0
    _, out, _ = call("anchors", data, "--image-size", "128", "128")
    assert f"({100 * gain['covered']:+.1f} points, mean IoU {gain['mean_best_iou']:+.3f})" in out
    flags = next(line for line in out.splitlines() if line.startswith("--anchors."))
    name, *values = flags.split(" --")[0].split()
    settings = make_recipe({"anchors": suggestion["anchors"]}).anchors
    assert tuple(map(float, values)) == getattr(settings, name.removeprefix("--anchors.").replace("-", "_"))


def test_sizes_without_sense_are_refused_in_one_line(call, tmp_path):
    data = write_data(tmp_path / "data", train=2)
    for size in (("0", "0"), ("-5", "10"), ("200000", "200000")):
        status, out, err = call("anchors", data, "--image-size", *size)
        assert status == 1
        assert out == ""
        assert err.startswith(f"ssd: --image-size {' '.join(size)} is no size of a network's input")
        assert err.count("\n") == 1


def test_a_data_set_of_an_odd_name_is_reported_in_one_line(call, tmp_path):
    data = write_table(tmp_path / "odd\nname\x1b[31m", [(1, 1, 50, 50, "a"), (5, 5, 5, 9, "a")])
    status, _, err = call("anchors", data)
    assert status == 0
    (line,) = err.splitlines()[:1]
    assert "odd name [31m: 1 problem, left out" in line
    assert "\x1b" not in err


BASE_NETWORK = """
from keras import layers

def features(image):
    first = layers.Conv2D(8, 3, strides=4, padding="same", name="first")(image)
    return [first, layers.Conv2D(8, 3, strides=4, padding="same", name="second")(first)]
"""


def test_a_recipe_brings_its_base_network_and_its_anchors(call, tmp_path):
    data = write_table(tmp_path / "boxes", [(0, 0, 24, 24, "a"), (38, 38, 87, 87, "a")])
    (tmp_path / "mine.py").write_text(BASE_NETWORK)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"backbone: {tmp_path}/mine.py:features\nimage_size: [64, 64]\n"
        "anchors: {min_sizes: [15, 31], max_sizes: [31, 60], aspect_ratios: [2]}\n"
    )
    status, out, err = call("anchors", data, "--recipe", recipe, "--json")
    assert status == 0, err
    document = json.loads(out)
    assert (document["model"], document["image_size"]) == (f"{tmp_path}/mine.py:features", [64, 64])
    assert [layer["feature_size"] for layer in document["layers"]] == [[16, 16], [4, 4]]
    assert document["covered"] == 1
    _, out, _ = call("anchors", data, "--recipe", recipe, "--image-size", "32", "32", "--json")
    assert json.loads(out)["image_size"] == [32, 32]


def test_a_recipe_that_is_not_there_is_named(call, tmp_path):
    data = write_data(tmp_path / "data", train=2)
    status, _, err = call("anchors", data, "--recipe", tmp_path / "none.yaml")
    assert (status, err.count("\n")) == (1, 1)
    assert "none.yaml cannot be read" in err
