"""Checkpoints: all of a model's state goes in and comes out; damage is found."""

import os
import zipfile

import keras
import numpy as np
import pytest

from ssd_keras.errors import InputError
from ssd_keras.training.checkpoints import Checkpoints, Progress
from ssd_keras.training.optimizers import SGD

pytestmark = pytest.mark.backends


def small_model(units=3):
    inputs = keras.Input((4,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(keras.layers.Dense(units)(inputs)))
    model = keras.Model(inputs, hidden)
    optimizer = SGD(learning_rate=0.1, momentum=0.9, use_ema=True, gradient_accumulation_steps=2)
    model.compile(optimizer, loss="mse")
    return model


def trained(steps, model=None):
    model = model or small_model()
    rng = np.random.default_rng(steps)
    for _ in range(steps):
        model.train_on_batch(rng.normal(size=(8, 4)), rng.normal(size=(8, 3)))
    return model


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def test_what_is_saved_comes_back(tmp_path):
    model, checkpoints = trained(5), Checkpoints(tmp_path / "checkpoints")
    progress = Progress(
        step=5, epochs=1, best=0.5, best_epoch=1, log=[{"epoch": 1, "loss": 2.0, "mAP": None}]
    )
    checkpoints.save(model, progress)
    other = small_model()
    assert checkpoints.restore(other) == progress
    for mine, theirs in zip(state_of(other), state_of(model), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_next_step_is_the_same(tmp_path):
    model, checkpoints = trained(3), Checkpoints(tmp_path)
    checkpoints.save(model, Progress(step=3))
    expected = state_of(trained(4, model))
    other = trained(2)
    checkpoints.restore(other)
    for mine, theirs in zip(state_of(trained(4, other)), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_two_are_kept(tmp_path):
    model, checkpoints = small_model(), Checkpoints(tmp_path)
    for step in (9, 10, 11, 100):
        checkpoints.save(model, Progress(step=step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000011.npz", "step-00000100.npz"]
    assert checkpoints.newest_step() == 100
    assert Checkpoints(tmp_path / "none").newest_step() == 0


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def another_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no arrays")


def change_a_field_of_the_directory(path, offset):
    """Change a byte of an entry in the archive's list of files, which no checksum covers."""
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] ^= 0x40
    path.write_bytes(content)


def unknown_compression(path):
    change_a_field_of_the_directory(path, 10)


def later_version_of_zip(path):
    change_a_field_of_the_directory(path, 6)


def encrypted(path):
    with zipfile.ZipFile(path) as archive:
        header = archive.infolist()[0].header_offset
    content = bytearray(path.read_bytes())
    for flags in (header + 6, content.index(b"PK\x01\x02") + 8):
        content[flags] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [cut, empty, flip_a_bit, another_archive, unknown_compression, later_version_of_zip, encrypted],
)
def test_a_damaged_one_is_named_and_the_one_before_it_used(tmp_path, caplog, damage):
    model, checkpoints = small_model(units=1000), Checkpoints(tmp_path)
    checkpoints.save(model, Progress(step=1))
    damage(checkpoints.save(model, Progress(step=2)))
    assert checkpoints.restore(model).step == 1
    assert "step-00000002.npz is damaged" in caplog.text
    assert "\n" not in caplog.messages[0]


def test_without_an_undamaged_one_it_says_so(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(InputError, match="no undamaged checkpoint"):
        checkpoints.restore(small_model())
    cut(checkpoints.save(small_model(), Progress()))
    with pytest.raises(InputError, match="no undamaged checkpoint"):
        checkpoints.restore(small_model())


def test_one_of_another_model_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(small_model(5), Progress())
    with pytest.raises(InputError, match="checkpoint of another model"):
        checkpoints.restore(small_model(3))


def test_an_unfinished_one_is_no_checkpoint(tmp_path, monkeypatch):
    model, checkpoints = small_model(), Checkpoints(tmp_path)
    checkpoints.save(model, Progress(step=1))

    def killed(*arguments, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(model, Progress(step=2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]


def test_one_that_is_not_to_be_taken_changes_nothing(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(trained(3), Progress(step=3, epochs=2))
    model = trained(1)
    before = state_of(model)

    def refuse(progress):
        raise InputError(f"epoch {progress.epochs}")

    with pytest.raises(InputError, match="epoch 2"):
        checkpoints.restore(model, refuse)
    for mine, theirs in zip(state_of(model), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
