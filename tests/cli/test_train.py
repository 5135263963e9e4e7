"""`ssd train`: what a hand slips on while it types."""

from pathlib import Path

import pytest
from scenes import write_data

from ssd_keras.cli.options import Output
from ssd_keras.cli.train import FEW_IMAGES, print_run
from ssd_keras.training.trainer import Run


def test_a_recipe_behind_the_data_is_told_from_a_data_set(call, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("epochs: 1\n", encoding="utf-8")
    data = write_data(tmp_path / "photos", train=2)
    status, out, err = call("train", "--data", data, recipe)
    assert (status, out) == (1, "")
    right = f"ssd train {recipe} --data {data}"
    assert (
        err == f"ssd: {recipe} is a recipe, and stands among the data sets: write it first, as in '{right}'\n"
    )


def test_a_flag_may_need_what_stands_in_the_recipe(call, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("milestones: [1]\n", encoding="utf-8")
    status, _, err = call("train", recipe, "--schedule", "multi_step", "--data", tmp_path / "none")
    assert status == 1
    assert "none" in err
    assert "milestones" not in err
    status, _, err = call("train", "--schedule", "multi_step")
    assert (status, err.startswith("ssd: ssd train: schedule multi_step needs milestones")) == (1, True)


def test_the_file_of_a_yolo_data_set_is_no_recipe(call, tmp_path):
    yolo = tmp_path / "data.yaml"
    yolo.write_text("names: [a, b]\ntrain: images\n", encoding="utf-8")
    status, _, err = call("train", "--data", write_data(tmp_path / "photos", train=2), yolo)
    assert status == 1
    assert "is a recipe" not in err


@pytest.mark.parametrize("flag", ["--lr", "--class-weights"])
def test_what_other_programs_can_set_is_told(call, flag):
    status, _, err = call("train", flag, "1", "--data", "photos")
    assert status == 2
    assert err.startswith(f"ssd: Unknown option: {flag}: ")
    assert "Did you mean" not in err


@pytest.mark.parametrize(("score", "is_told"), [(0.02, True), (0.5, False), (None, False)])
def test_a_beginner_is_told_what_helps(score, is_told, capsys):
    run = Run(Path("runs/mine"), Path("runs/mine/best.keras"), 12, 7.5, 60.0, {"mAP": score}, {})
    print_run(run, Output())
    assert (FEW_IMAGES in capsys.readouterr().err) == is_told
    assert (Path(__file__).parents[2] / FEW_IMAGES).is_file()


def test_a_data_set_in_the_place_of_a_recipe_is_told(call, tmp_path):
    status, _, err = call("train", tmp_path)
    assert status == 1
    assert (
        err
        == f"ssd: {tmp_path} is a folder, and no recipe (a YAML file): for a data set, --data {tmp_path}\n"
    )


@pytest.mark.parametrize("command", ["resume", "report"])
def test_a_run_that_is_not_there_is_told(call, tmp_path, command):
    status, _, err = call(command, tmp_path / "none")
    assert (status, err) == (1, f"ssd: there is no run folder {tmp_path / 'none'}: check the path\n")
