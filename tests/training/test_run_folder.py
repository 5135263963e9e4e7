"""The run folder: never over another run, never half a model."""

import json

import numpy as np
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


@pytest.mark.parametrize(
    "left", ["best.keras", "last.keras", "metrics.json", "checkpoints/step-00000120.npz"], ids=lambda x: x[:4]
)
def test_what_is_left_of_another_run_is_not_taken_for_ones_own(tmp_path, left):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / left).write_text("")
    with pytest.raises(InputError, match=f"holds {left.split('/')[-1]} of another run: remove what is left"):
        RunFolder.create(Recipe(out=tmp_path))


def test_a_start_in_vain_leaves_the_folder_free(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for file in ("versions.json", "model.json", "first-batch.npz", "checkpoints/step-00000000.npz"):
        (tmp_path / file).write_text("")
    assert RunFolder.create(Recipe(out=tmp_path)).path == tmp_path


def test_a_run_that_starts_from_the_folder_above_has_a_folder_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "old" / "now").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "old" / "now")
    assert str(RunFolder.create(Recipe(weights="..")).path) == "runs/old"
    assert str(RunFolder.create(Recipe(weights=".")).path) == "runs/now"


def test_a_damaged_first_batch_is_none(tmp_path):
    folder = RunFolder(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    folder.keep_batch(folder.first_batch, (images, {"labels": np.zeros((2, 8), np.int32)}))
    assert folder.read_first_batch() is not None
    whole = folder.first_batch.read_bytes()
    for place in range(0, len(whole), 7):  # the compressed bytes, the checksums, the list of files
        folder.first_batch.write_bytes(whole[:place] + b"\xff" * 7 + whole[place + 7 :])
        batch = folder.read_first_batch()
        assert batch is None or (batch[0].shape == images.shape)
