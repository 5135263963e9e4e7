"""What is saved within an epoch is fit to be gone on from."""

import keras
import numpy as np
import pytest

from ssd_keras.training.callbacks import SaveCheckpoints, are_finite, state_is_finite
from ssd_keras.training.checkpoints import Checkpoints, Progress
from ssd_keras.training.optimizers import SGD

pytestmark = pytest.mark.backends


@pytest.fixture
def model():
    """Give a small model in the middle of gathering the gradients of four steps."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.compile(SGD(learning_rate=0.1, momentum=0.9, gradient_accumulation_steps=4), loss="mse")
    model.train_on_batch(np.ones((8, 4)), np.ones((8, 2)))
    return model


def save_after_a_step(model, folder):
    saving = SaveCheckpoints(Checkpoints(folder), Progress(step=1), steps_per_epoch=10, minutes=0)
    saving.set_model(model)
    saving.on_train_batch_end(0)
    return [file.name for file in folder.glob("*.npz")]


def test_a_step_that_went_well_is_saved(model, tmp_path):
    assert save_after_a_step(model, tmp_path) == ["step-00000001.npz"]


@pytest.mark.parametrize("kind", ["variables", "optimizer.variables", "metrics_variables"])
def test_nothing_that_is_not_finite_is_saved(model, tmp_path, kind):
    """A gradient that is no number waits among those of other steps while all weights are finite still."""
    variables = {
        "variables": model.variables,
        "optimizer.variables": model.optimizer.variables,
        "metrics_variables": model.metrics_variables,
    }[kind]
    last = [variable for variable in variables if variable.name != "gradient_norms"][-1]
    last.assign(np.full(last.shape, np.nan, np.float32))
    assert not state_is_finite(model)
    assert are_finite(model.variables) == (kind != "variables")
    assert save_after_a_step(model, tmp_path) == []


def test_a_norm_that_is_only_shown_decides_nothing(model):
    model.optimizer.gradient_norms.assign(np.inf)
    assert state_is_finite(model)
