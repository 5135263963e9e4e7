"""The optimizer of a recipe, with the meaning that its settings had for the authors of SSD.

Caffe's solver, with which SSD was trained, adds weight decay to the gradient of kernels, so that it runs
through the momentum, and gives biases twice the learning rate. Keras's own `weight_decay` acts on the weights
directly, as in AdamW, which is ten times weaker with a momentum of 0.9. `SGD` and `RMSprop` here decay as
Caffe does, `Adam` decays the weights directly; the rate of the biases is a setting of the recipe
(`learning_rate_factors`). One thing is not as in Caffe: the scale of conv4_3_norm does not decay here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.training.devices import sum_over_devices
from ssd_keras.training.freezing import variables_of
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.schedules import learning_rate

NOT_DECAYED = ("bias", "gamma", "beta")
"""Weight decay is for kernels only (Caffe: `decay_mult: 0`, but for the scale of conv4_3_norm)."""

BIASES = "bias"
"""In a recipe's learning_rate_factors: the biases of all layers."""

RateFactor = Callable[[keras.Variable], float]


class _SolverTerms:
    """What the optimizers below add to Keras's: factors of the learning rate, Caffe's decay, gradient norms.

    Attributes:
        rate_factor: a float32 variable that multiplies the learning rate of all weights; a plateau lowers it.
        gradient_norms: a float32 variable, the sum over the steps of the Euclidean norms of all gradients
            together, before they are shortened.
    """

    def __init__(
        self, *, factor_of: RateFactor | None = None, l2: float = 0.0, decay: float = 0.0, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self._factor_of = factor_of or (lambda variable: 1.0)
        self._l2 = l2
        self._decay = decay

    def build(self: Any, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)  # type: ignore[misc]
        self._factors = [self._factor_of(variable) for variable in variables]
        self._decays = [float(_is_decayed(variable)) for variable in variables]
        self.rate_factor = self.add_variable((), initializer="ones", name="rate_factor", dtype="float32")
        self.gradient_norms = self.add_variable(
            (), initializer="zeros", name="gradient_norms", dtype="float32", aggregation="mean"
        )

    def apply(self: Any, grads: list[Array], trainable_variables: Any = None) -> None:
        if not self.built:
            self.build(list(trainable_variables))
        grads = sum_over_devices(grads)
        squares = [ops.sum(ops.square(ops.cast(grad, "float32"))) for grad in grads if grad is not None]
        if squares:
            self.gradient_norms.assign(self.gradient_norms + ops.sqrt(sum(squares)))
        super().apply(grads, trainable_variables)  # type: ignore[misc]

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """Leave the gradients: Keras adds those of TensorFlow's devices up here, after it shortened them."""
        return grads_and_vars

    def update_step(self: Any, gradient: Array, variable: Any, rate: Array) -> None:
        index = self._get_variable_index(variable)
        rate = rate * self._factors[index] * ops.convert_to_tensor(self.rate_factor)
        if self._l2 and self._decays[index]:
            gradient = gradient + self._l2 * ops.convert_to_tensor(variable)
        if self._decay and self._decays[index]:
            self.assign_sub(variable, rate * self._decay * ops.convert_to_tensor(variable))
        super().update_step(gradient, variable, rate)  # type: ignore[misc]


class SGD(_SolverTerms, keras.optimizers.SGD):
    """Stochastic gradient descent as Caffe's `SGDSolver`: V ← μV − η(g + λw), w ← w + V."""


class RMSprop(_SolverTerms, keras.optimizers.RMSprop):
    """Keras's RMSprop, with weight decay added to the gradient, as Caffe's `RMSPropSolver`."""


class Adam(_SolverTerms, keras.optimizers.Adam):
    """Keras's Adam; with `decay` it is AdamW, whose decay follows all factors of the learning rate."""


def make_optimizer(recipe: Recipe, model: SSD, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Make the optimizer that `recipe` describes for `model`.

    Raises:
        InputError: learning_rate_factors names layers that the model does not have, or the run ends before
            the weights would move for the first time.
    """
    steps = recipe.epochs * steps_per_epoch
    if recipe.accumulate > steps:
        raise InputError(
            f"accumulate is {recipe.accumulate}, and the run has {steps} steps in all: no weight would ever "
            "move, choose less or more epochs"
        )
    settings: dict[str, Any] = {
        "learning_rate": learning_rate(recipe, steps_per_epoch),
        "factor_of": _rate_factors(recipe, model),
        "global_clipnorm": recipe.max_gradient_norm,
        "gradient_accumulation_steps": recipe.accumulate if recipe.accumulate > 1 else None,
    }
    if recipe.ema_momentum:
        settings |= {"use_ema": True, "ema_momentum": recipe.ema_momentum}
    if recipe.optimizer == "sgd":
        return SGD(momentum=recipe.momentum, l2=recipe.weight_decay, **settings)
    if recipe.optimizer == "rmsprop":
        return RMSprop(momentum=recipe.momentum, l2=recipe.weight_decay, **settings)
    return Adam(decay=recipe.weight_decay, **settings)


def solver_of(optimizer: keras.optimizers.Optimizer) -> Any:
    """Give the optimizer that moves the weights: in float16, Keras wraps it to scale the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _is_decayed(variable: keras.Variable) -> bool:
    """Tell whether a variable is a kernel: it has two axes or more; a scale of channels may have no name."""
    return len(variable.shape) > 1 and not any(name in variable.name for name in NOT_DECAYED)


def _rate_factors(recipe: Recipe, model: SSD) -> RateFactor:
    """Multiply the factors of all entries that mean a variable."""
    factors: dict[str, float] = {}
    for name, factor in recipe.learning_rate_factors.items():
        for variable in model.trainable_variables if name == BIASES else variables_of(model, name):
            if name != BIASES or variable.name == BIASES:
                factors[variable.path] = factors.get(variable.path, 1.0) * factor
    return lambda variable: factors.get(variable.path, 1.0)
