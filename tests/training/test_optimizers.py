"""The optimizer of a recipe: Caffe's decay and learning rates, averaged weights, measured gradients."""

import keras
import numpy as np
import pytest
from scenes import CLASSES

from ssd_keras.errors import InputError
from ssd_keras.models.building import build_preset
from ssd_keras.training.optimizers import SGD, Adam, make_optimizer, solver_of
from ssd_keras.training.recipe import make_recipe

pytestmark = pytest.mark.backends

CONSTANT = {"warmup_epochs": 0, "schedule": "constant", "learning_rate": 0.5, "max_gradient_norm": None}


@pytest.fixture(scope="module")
def model():
    return build_preset("ssd7", CLASSES, image_size=(96, 128))


def optimizer_of(model, **changes):
    return make_optimizer(make_recipe({**CONSTANT, **changes}), model, 10)


def values_of(variables):
    return {variable.path: np.array(keras.ops.convert_to_numpy(variable)) for variable in variables}


def apply_to(model, optimizer, gradient=0.0, steps=1):
    """Apply the same gradient everywhere for some steps; give the weights before and after."""
    before = values_of(model.trainable_variables)
    for _ in range(steps):
        gradients = [keras.ops.full(variable.shape, gradient) for variable in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
    after = values_of(model.trainable_variables)
    for variable in model.trainable_variables:
        variable.assign(before[variable.path])
    return before, after


def caffe_sgd(weight, gradient, steps, rate, momentum, decay):
    """Update a weight as Caffe's SGDSolver: ComputeUpdateValue after Regularize."""
    history = np.zeros_like(weight, dtype=np.float64)
    weight = weight.astype(np.float64)
    for _ in range(steps):
        history = momentum * history + rate * (gradient + decay * weight)
        weight = weight - history
    return weight


def test_sgd_is_caffes(model):
    settings = {"optimizer": "sgd", "weight_decay": 0.05, "learning_rate_factors": {"bias": 2}}
    before, after = apply_to(model, optimizer_of(model, **settings, learning_rate=0.01), 0.3, steps=5)
    for path, weight in before.items():
        bias, kernel = path.endswith("bias"), path.endswith("kernel")
        expected = caffe_sgd(weight, 0.3, 5, 0.02 if bias else 0.01, 0.9, 0.05 if kernel else 0)
        np.testing.assert_allclose(after[path], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_decays_kernels_only_and_directly(model, optimizer):
    before, after = apply_to(model, optimizer_of(model, optimizer=optimizer, weight_decay=0.1))
    for path, weight in before.items():
        np.testing.assert_allclose(after[path], weight * (0.95 if path.endswith("kernel") else 1), rtol=1e-5)


def test_decay_follows_the_factors_of_the_learning_rate(model):
    factors = {"conv1": 0, "elu4_mbox_conf": 0.5}
    optimizer = optimizer_of(model, optimizer="adamw", weight_decay=0.1, learning_rate_factors=factors)
    optimizer.build(model.trainable_variables)
    optimizer.rate_factor.assign(0.1)
    before, after = apply_to(model, optimizer)
    for path, kept in (("conv1/kernel", 1), ("conv2/kernel", 0.995), ("elu4_mbox_conf/kernel", 0.9975)):
        np.testing.assert_allclose(after[path], kept * before[path], rtol=1e-5)


def test_no_weight_is_decayed_twice(model):
    assert not model.losses


def test_factors_multiply_where_they_meet(model):
    factors = {"bias": 2, "backbone": 0.1, "elu4_mbox_conf": 3}
    optimizer = optimizer_of(model, optimizer="sgd", momentum=0, learning_rate_factors=factors)
    before, after = apply_to(model, optimizer, gradient=1.0)
    moved = {path: round(float((before[path] - after[path]).mean()), 4) for path in before}
    expected = {
        "conv1/kernel": 0.05, "conv1/bias": 0.1,
        "elu4_mbox_conf/kernel": 1.5, "elu4_mbox_conf/bias": 3.0,
        "elu5_mbox_conf/kernel": 0.5, "elu5_mbox_conf/bias": 1.0,
    }  # fmt: skip
    assert {path: moved[path] for path in expected} == expected


def test_a_factor_for_layers_that_are_not_there_is_refused(model):
    with pytest.raises(InputError, match="learning_rate_factors: no layer is called 'conv99'"):
        optimizer_of(model, learning_rate_factors={"conv99": 0.1})


def test_the_rate_factor_lowers_every_rate(model):
    optimizer = optimizer_of(model, optimizer="sgd", momentum=0)
    apply_to(model, optimizer)
    optimizer.rate_factor.assign(0.1)
    before, after = apply_to(model, optimizer, gradient=1.0)
    for path, weight in before.items():
        np.testing.assert_allclose(after[path], weight - 0.05, atol=1e-6)


def test_gradient_norms_are_summed_before_clipping(model):
    optimizer = optimizer_of(model, optimizer="sgd", max_gradient_norm=1e-3)
    apply_to(model, optimizer, gradient=2.0, steps=3)
    number = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert float(optimizer.gradient_norms) == pytest.approx(3 * 2 * number**0.5, rel=1e-4)


def test_accumulated_gradients_move_the_weights_once(model):
    settings = {"optimizer": "sgd", "momentum": 0, "accumulate": 3}
    unmoved = apply_to(model, optimizer_of(model, **settings), gradient=1.0, steps=2)
    moved = apply_to(model, optimizer_of(model, **settings), gradient=1.0, steps=3)
    for path in unmoved[0]:
        np.testing.assert_array_equal(*(values[path] for values in unmoved))
        np.testing.assert_allclose(moved[1][path], moved[0][path] - 0.5, atol=1e-6)


def test_the_average_of_the_weights_is_on_demand(model):
    assert optimizer_of(model, ema_momentum=0.9).use_ema
    assert not optimizer_of(model).use_ema


def test_the_solver_is_found_within_the_scaling_of_the_loss(model):
    optimizer = optimizer_of(model, optimizer="sgd")
    assert isinstance(solver_of(optimizer), SGD)
    assert solver_of(keras.optimizers.LossScaleOptimizer(optimizer)) is optimizer


def test_a_scale_of_channels_without_a_name_is_no_kernel():
    """As `LayerScale` of keras.applications' ConvNeXt has it."""
    optimizer = Adam(learning_rate=0.5, decay=0.1)
    variables = [keras.Variable(np.ones(shape, np.float32)) for shape in ((4,), (3, 4))]
    optimizer.apply([keras.ops.zeros(variable.shape) for variable in variables], variables)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variables[0]), 1.0)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variables[1]), 0.95, rtol=1e-6)


def test_more_gradients_than_a_run_has_steps_are_refused(model):
    with pytest.raises(InputError, match="accumulate is 21, and the run has 20 steps in all"):
        optimizer_of(model, epochs=2, accumulate=21)
    optimizer_of(model, epochs=2, accumulate=20)
