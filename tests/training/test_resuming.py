"""A run that is killed goes on as if nothing had happened: bit for bit, on one CPU."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from scenes import CLASSES, write_data

from ssd_keras.cli import main
from ssd_keras.data.formats import open_dataset
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector
from ssd_keras.training import trainer
from ssd_keras.training.callbacks import SaveCheckpoints
from ssd_keras.training.checkpoints import Checkpoints
from ssd_keras.training.feeding import digest_of
from ssd_keras.training.freezing import frozen_layers
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.recipe import make_recipe, write_recipe
from ssd_keras.training.run_folder import RunFolder
from ssd_keras.training.stopped import refuse_changes, stopped_model, write_architecture
from ssd_keras.training.trainer import resume, train

STEPS = 3
EPOCHS = 4
SETTINGS = {
    "image_size": (64, 96),
    "epochs": EPOCHS,
    "batch_size": 4,
    "evaluate_every": 2,
    "anchors": {"scales": [0.25, 0.35, 0.5, 0.7, 0.9]},
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "weight_decay": 5e-4,
    "accumulate": 2,
    "ema_momentum": 0.9,
    "save_minutes": 0,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "set", train=4 * STEPS + 1, val=3, test=0)


@pytest.fixture(scope="module")
def dataset(data):
    return open_dataset(data, CLASSES)


@pytest.fixture(scope="module")
def recipe(data):
    return make_recipe({**SETTINGS, "data": data, "class_names": CLASSES})


def in_folder(recipe, folder, **changes):
    return make_recipe({**recipe.model_dump(exclude_unset=True), "out": folder, **changes})


@pytest.fixture(scope="module")
def whole(dataset, recipe, tmp_path_factory):
    """The folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    chosen = in_folder(recipe, folder)
    train(build_model(chosen, CLASSES), dataset, chosen, quiet=True)
    return folder


def weights_of(folder):
    with np.load(max((folder / "checkpoints").glob("step-*.npz"))) as archive:
        return {name: archive[name] for name in archive.files if name != "progress"}


def log_of(folder):
    """The log without what the machine decides."""
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in ("images_per_second", "waiting")} for row in rows]


def assert_the_same_run(folder, whole):
    ours, theirs = weights_of(folder), weights_of(whole)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)
    assert log_of(folder) == log_of(whole)
    for file in ("best.keras", "last.keras"):
        assert_weights_of(load_detector(folder / file), whole / file)


def assert_weights_of(model, file):
    for pair in zip(model.weights, load_detector(file).weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, pair))


class KilledError(Exception):
    """Stands for a kill, at a point of the test's choice."""


@pytest.fixture
def stop_at(monkeypatch):
    """Stop runs right before or after the checkpoint of a step is written."""

    def arrange(step, before=False):
        save = Checkpoints.save

        def saving(self, model, progress):
            if before and progress.step == step:
                raise KilledError
            path = save(self, model, progress)
            if progress.step == step:
                raise KilledError
            return path

        monkeypatch.setattr(Checkpoints, "save", saving)

    yield arrange
    monkeypatch.undo()


def stopped_run(dataset, recipe, folder, monkeypatch, stop_at, step, before=False):
    chosen = in_folder(recipe, folder)
    stop_at(step, before)
    with pytest.raises(KilledError):
        train(build_model(chosen, CLASSES), dataset, chosen, quiet=True)
    monkeypatch.undo()


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, STEPS, STEPS * EPOCHS - 1])
def test_it_goes_on_bit_for_bit_from_any_step(dataset, recipe, whole, tmp_path, monkeypatch, stop_at, step):
    stopped_run(dataset, recipe, tmp_path / "run", monkeypatch, stop_at, step)
    model = stopped_model(tmp_path / "run")
    run = resume(tmp_path / "run", dataset, model, quiet=True)
    assert run.epochs == EPOCHS
    assert_the_same_run(tmp_path / "run", whole)
    assert_weights_of(model, whole / "last.keras")


@pytest.mark.slow
def test_an_epoch_whose_end_was_not_saved_is_ended_again(
    dataset, recipe, whole, tmp_path, monkeypatch, stop_at
):
    end_epoch = SaveCheckpoints.on_epoch_end

    def stop_in_the_second(self, epoch, logs=None):
        if epoch == 1:
            raise KilledError
        end_epoch(self, epoch, logs)

    chosen = in_folder(recipe, tmp_path / "run")
    monkeypatch.setattr(SaveCheckpoints, "on_epoch_end", stop_in_the_second)
    with pytest.raises(KilledError):
        train(build_model(chosen, CLASSES), dataset, chosen, quiet=True)
    monkeypatch.undo()
    assert len(log_of(tmp_path / "run")) == 2
    resume(tmp_path / "run", dataset, quiet=True)
    assert_the_same_run(tmp_path / "run", whole)


@pytest.mark.slow
def test_it_survives_kills_at_random_points(data, recipe, whole, tmp_path):
    """Kill -9 the command again and again, also while it saves; what it makes in the end is the same."""
    folder = tmp_path / "run"
    chosen = in_folder(recipe, folder)
    command = [sys.executable, "-m", "ssd_keras"]
    write_recipe(chosen, tmp_path / "recipe.yaml")
    draw = random.Random(5)
    arguments, kills = ["train", str(tmp_path / "recipe.yaml")], 0
    while kills < 6:
        with subprocess.Popen(
            [*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while not list(folder.glob("checkpoints/step-*.npz")) and process.poll() is None:
                time.sleep(0.05)
            begun = {path.name for path in folder.glob("checkpoints/*")}
            while {path.name for path in folder.glob("checkpoints/*")} == begun and process.poll() is None:
                time.sleep(0.002)
            time.sleep(draw.random() * 0.4)
            if process.poll() is not None:
                break
            process.kill()
        arguments, kills = ["resume", str(folder)], kills + 1
    assert kills >= 2
    done = subprocess.run([*command, "resume", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "is finished" in done.stderr, done.stderr
    assert_the_same_run(folder, whole)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    dataset, recipe, whole, tmp_path, monkeypatch, stop_at, caplog
):
    stopped_run(dataset, recipe, tmp_path / "run", monkeypatch, stop_at, 5)
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    os.truncate(newest, newest.stat().st_size // 2)
    with caplog.at_level("INFO", "ssd_keras"):
        resume(tmp_path / "run", dataset, quiet=True)
    assert "step-00000005.npz is damaged" in caplog.text
    assert "going on after step 4" in caplog.text
    assert_the_same_run(tmp_path / "run", whole)


@pytest.fixture
def stopped(dataset, recipe, tmp_path, monkeypatch, stop_at):
    stopped_run(dataset, recipe, tmp_path / "run", monkeypatch, stop_at, 4)
    return tmp_path / "run"


def test_other_data_are_refused(stopped, tmp_path):
    other = open_dataset(write_data(tmp_path / "other", train=4 * STEPS + 2, val=3, test=0), CLASSES)
    with pytest.raises(InputError, match="other images or labels"):
        resume(stopped, other, quiet=True)


def test_a_class_that_came_into_the_data_is_refused(stopped, dataset, capsys):
    recipe = stopped / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("- blue\n", "- blue\n- green\n"))
    assert main(["resume", str(stopped)]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "was trained on other images or labels" in said


@pytest.fixture
def nearly_finished(whole, tmp_path):
    """A run that was killed after its last step: nothing is left but to say so."""
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    (folder / "metrics.json").unlink()
    return folder


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("epoch,loss\n1,ab")])
def test_a_damaged_log_is_written_anew(nearly_finished, dataset, whole, damage, monkeypatch):
    monkeypatch.setattr(trainer, "write_report", lambda *run: None)
    damage(nearly_finished / "log.csv")
    model = stopped_model(nearly_finished)
    resume(nearly_finished, dataset, model, quiet=True)
    assert log_of(nearly_finished) == log_of(whole)
    assert_weights_of(model, whole / "last.keras")  # their average, as where nothing was killed


def test_a_best_model_that_was_removed_is_no_longer_the_best(nearly_finished, dataset, caplog, monkeypatch):
    monkeypatch.setattr(trainer, "write_report", lambda *run: None)
    (nearly_finished / "best.keras").unlink()
    run = resume(nearly_finished, dataset, quiet=True)
    assert "best.keras is gone: the best model from here on takes its place" in caplog.text
    assert (run.model.name, run.metrics["mAP"]) == ("last.keras", None)


def test_layers_that_were_frozen_by_hand_stay_so(recipe, tmp_path):
    chosen = in_folder(recipe, tmp_path / "run", freeze=["conv1"])
    model, folder = build_model(chosen, CLASSES), RunFolder.create(chosen)
    model.backbone.get_layer("conv2").trainable = False
    model.get_layer("elu5_mbox_loc").trainable = False
    write_architecture(model, folder)
    folder.begin(chosen)
    again = stopped_model(folder.path)
    assert frozen_layers(again) == ["conv1", "conv2", "elu5_mbox_loc"]
    assert len(again.trainable_variables) == len(model.trainable_variables)


def test_the_digest_of_data_does_not_say_where_they_lie(data, dataset, tmp_path, monkeypatch):
    moved = Path(shutil.copytree(data, tmp_path / "moved"))
    monkeypatch.chdir(moved)
    now = open_dataset(Path(), CLASSES)
    assert digest_of(now["train"], now["val"]) == digest_of(dataset["train"], dataset["val"])
    assert digest_of(now["train"]) != digest_of(now["val"])


@pytest.mark.slow
def test_data_that_moved_or_are_named_otherwise_are_the_same(stopped, data, tmp_path, monkeypatch):
    moved = Path(shutil.copytree(data, tmp_path / "moved"))
    monkeypatch.chdir(moved)
    assert resume(stopped, open_dataset(Path(), CLASSES), quiet=True).epochs == EPOCHS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch_size: 4", "batch_size: 2", "batch_size is 2 and was 4 when the run began"),
        ("seed: 0", "seed: 1", "seed is 1 and was 0"),
        ("accumulate: 2", "accumulate: 1", "accumulate is 1 and was 2"),
        ("optimizer: sgd", "optimizer: adam", "optimizer is 'adam' and was 'sgd'"),
        ("freeze: []", "freeze: [backbone]", r"freeze is \['backbone'\] and was \[\]"),
    ],
)
def test_changed_settings_are_refused(stopped, dataset, old, new, said):
    recipe = stopped / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(InputError, match=said):
        resume(stopped, dataset, quiet=True)


def test_settings_that_came_later_are_no_change(tmp_path):
    now = make_recipe(SETTINGS).model_dump(mode="json")
    then = {key: value for key, value in now.items() if key not in ("decoding", "iou_threshold")}
    then["anchors"] = {"scales": now["anchors"]["scales"]}
    refuse_changes(tmp_path, then, now)
    with pytest.raises(InputError, match=r"anchors is .*'clip': True"):
        refuse_changes(tmp_path, then, {**now, "anchors": {**now["anchors"], "clip": True}})
    with pytest.raises(InputError, match=r"iou_threshold is 0\.6 and was None"):
        refuse_changes(tmp_path, then, {**now, "iou_threshold": 0.6})


@pytest.mark.slow
def test_data_given_relative_are_kept_absolute(data, recipe, dataset, tmp_path, monkeypatch, stop_at):
    for step, is_a_run in ((0, False), (1, True)):  # killed before it was a run, the folder stays free
        monkeypatch.chdir(data.parent)
        chosen = in_folder(recipe, tmp_path / "run", data=data.name)
        stop_at(step)
        with pytest.raises(KilledError):
            train(build_model(chosen, CLASSES), dataset, chosen, quiet=True)
        monkeypatch.undo()
        assert (tmp_path / "run" / "recipe.yaml").exists() == is_a_run
    assert RunFolder(tmp_path / "run").recipe.data == (data.absolute(),)


@pytest.mark.slow
def test_a_base_network_of_the_users_with_layers_of_its_own_goes_on(
    dataset, recipe, tmp_path, monkeypatch, stop_at
):
    (tmp_path / "net.py").write_text(
        "import keras\n"
        "class Twice(keras.layers.Layer):\n"
        "    def call(self, inputs):\n"
        "        return 2 * inputs\n"
        "def net(image):\n"
        "    one = keras.layers.Conv2D(8, 3, strides=8, padding='same', activation='relu')(Twice()(image))\n"
        "    maps = [one]\n"
        "    for _ in range(2):\n"
        "        maps.append(keras.layers.Conv2D(8, 3, strides=2, padding='same')(maps[-1]))\n"
        "    return maps\n"
    )
    chosen = in_folder(
        recipe, tmp_path / "run", backbone=f"{tmp_path / 'net.py'}:net", epochs=2, anchors={"sizes": "voc"}
    )
    stop_at(4)
    with pytest.raises(KilledError):
        train(build_model(chosen, CLASSES), dataset, chosen, quiet=True)
    monkeypatch.undo()
    assert resume(tmp_path / "run", dataset, quiet=True).epochs == chosen.epochs


def test_ctrl_c_says_how_to_go_on(dataset, recipe, tmp_path, monkeypatch, caplog):
    def interrupted(self, batch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(SaveCheckpoints, "on_train_batch_end", interrupted)
    chosen = in_folder(recipe, tmp_path / "run")
    with caplog.at_level("INFO", "ssd_keras"), pytest.raises(KeyboardInterrupt):
        train(build_model(chosen, CLASSES), dataset, chosen, quiet=True)
    assert f"saved is step 0: go on from there with 'ssd resume {tmp_path / 'run'}'" in caplog.text


@pytest.mark.parametrize("file", ["recipe.yaml", "model.json"])
def test_a_run_folder_without_its_parts_is_refused_in_one_line(stopped, capsys, file):
    (stopped / file).unlink()
    assert main(["resume", str(stopped)]) == 1
    said = capsys.readouterr().err
    assert f"it has no {file}" in said
    assert said.count("\n") == 1


def test_a_damaged_description_of_the_model_is_refused(stopped, capsys):
    (stopped / "model.json").write_text('{"module": "os"}')
    assert main(["resume", str(stopped)]) == 1
    assert "model.json cannot be read" in capsys.readouterr().err


def test_a_finished_run_says_so(whole, capsys):
    assert main(["resume", str(whole)]) == 1
    assert "is finished: to train on, ssd train --data DATA --weights" in capsys.readouterr().err


def test_two_processes_do_not_train_in_one_folder(stopped, capsys):
    with RunFolder(stopped).locked():
        assert main(["resume", str(stopped)]) == 1
    assert "another process is training in" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_goes_on_from_any_working_directory(stopped, whole, capsys, monkeypatch):
    monkeypatch.chdir("/")
    assert main(["resume", str(stopped), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["run"] == str(stopped)
    assert printed["epochs"] == EPOCHS
    assert_the_same_run(stopped, whole)


@pytest.mark.slow
def test_a_full_disk_stops_the_run_in_one_line_and_it_goes_on_when_there_is_room(
    dataset, recipe, whole, tmp_path
):
    """A limit on the size of files stands for the full disk: the system refuses to write more."""
    folder = tmp_path / "run"
    largest = max(path.stat().st_size for path in (whole / "checkpoints").iterdir())
    chosen = in_folder(recipe, folder)
    train_until_full = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from ssd_keras.training.checkpoints import Checkpoints\n"
        "save = Checkpoints.save\n"
        "def saving(self, model, progress):\n"
        "    if progress.step == 4:\n"
        f"        resource.setrlimit(resource.RLIMIT_FSIZE, ({largest // 2}, {largest // 2}))\n"
        "    return save(self, model, progress)\n"
        "Checkpoints.save = saving\n"
        "from ssd_keras.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    write_recipe(chosen, tmp_path / "recipe.yaml")
    command = [sys.executable, "-c", train_until_full, "train", str(tmp_path / "recipe.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "step-00000004.npz cannot be written" in last
    assert "Traceback" not in done.stderr
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {
        "step-00000002.npz", "step-00000003.npz"
    }  # fmt: skip
    resume(folder, dataset, quiet=True)
    assert_the_same_run(folder, whole)
    shutil.rmtree(folder)


def test_two_runs_of_one_seed_are_the_same(dataset, recipe, whole, tmp_path):
    chosen = in_folder(recipe, tmp_path / "again")
    train(build_model(chosen, CLASSES), dataset, chosen, quiet=True)
    assert_the_same_run(tmp_path / "again", whole)
