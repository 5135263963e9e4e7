"""The optimizer of a recipe: schedule, decay of kernels only, averaged weights."""

import keras
import numpy as np
import pytest

from ssd_keras.training.optimizers import learning_rate, make_optimizer
from ssd_keras.training.recipe import Recipe


def rate(recipe, step, steps_per_epoch=10):
    value = learning_rate(recipe, steps_per_epoch)
    return float(value if isinstance(value, float) else value(step))


def test_cosine_rises_peaks_and_falls():
    recipe = Recipe(epochs=10, learning_rate=0.1, warmup_epochs=2)
    assert rate(recipe, 0) == 0
    assert rate(recipe, 10) == pytest.approx(0.05)
    assert rate(recipe, 20) == pytest.approx(0.1)
    assert rate(recipe, 60) == pytest.approx(0.1 * (0.01 + 0.99 * 0.5))
    assert rate(recipe, 100) == pytest.approx(0.001)


def test_constant_stays_after_the_warmup():
    recipe = Recipe(epochs=10, learning_rate=0.1, warmup_epochs=1, schedule="constant")
    assert rate(recipe, 5) == pytest.approx(0.05)
    assert rate(recipe, 10) == pytest.approx(0.1)
    assert rate(recipe, 99) == pytest.approx(0.1)
    assert rate(Recipe(learning_rate=0.1, warmup_epochs=0, schedule="constant"), 3) == 0.1


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_only_kernels_decay(optimizer):
    inputs = keras.Input((4,))
    model = keras.Model(
        inputs, keras.layers.BatchNormalization()(keras.layers.Dense(3, bias_initializer="ones")(inputs))
    )
    recipe = Recipe(
        optimizer=optimizer, weight_decay=0.1, learning_rate=0.5, warmup_epochs=0, schedule="constant"
    )
    before = {v.path: np.array(v.numpy()) for v in model.trainable_variables}
    nothing = [keras.ops.zeros(v.shape) for v in model.trainable_variables]
    make_optimizer(recipe, 10).apply(nothing, model.trainable_variables)
    for variable in model.trainable_variables:
        expected = before[variable.path] * (0.95 if variable.name == "kernel" else 1)
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5)


def test_the_average_of_the_weights_is_on_demand():
    assert make_optimizer(Recipe(ema_momentum=0.9), 10).use_ema
    assert not make_optimizer(Recipe(), 10).use_ema
