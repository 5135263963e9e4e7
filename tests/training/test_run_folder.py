"""The run folder: never over another run, never half a model."""

import json

import pytest

from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe, read_recipe
from ssd_keras.training.run_folder import RunFolder, free_folder


def test_recipe_and_versions_are_written(tmp_path):
    recipe = Recipe(out=tmp_path / "run", epochs=3)
    folder = RunFolder.create(recipe)
    assert not (folder.path / "recipe.yaml").exists()  # it is no run yet
    folder.begin(recipe)
    assert read_recipe(folder.path / "recipe.yaml").epochs == 3
    versions = json.loads((folder.path / "versions.json").read_text())
    assert {"backend", "python", "machine", "keras", "numpy"} <= versions.keys()


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    RunFolder.create(Recipe(out=tmp_path)).begin(Recipe(out=tmp_path))
    with pytest.raises(InputError, match="already holds a run"):
        RunFolder.create(Recipe(out=tmp_path))


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        RunFolder.create(Recipe(out=tmp_path / "file" / "run"))


def test_without_a_name_the_next_free_one_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(RunFolder.create(Recipe()).path) == "runs/ssd7"
    assert str(RunFolder.create(Recipe()).path) == "runs/ssd7-2"
    assert free_folder(tmp_path / "runs" / "ssd7").name == "ssd7-3"
    assert str(RunFolder.create(Recipe(backbone="keras:ResNet50")).path) == "runs/keras_ResNet50"
    assert str(RunFolder.create(Recipe(weights="old/voc.keras")).path) == "runs/voc"


def test_the_best_model_is_used_if_there_is_one(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.model == folder.last_model
    folder.best_model.write_text("")
    assert folder.model == folder.best_model
