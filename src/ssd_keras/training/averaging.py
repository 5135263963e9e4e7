"""The average of the weights over the steps, put in their place for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from ssd_keras.training.optimizers import solver_of


def keep_average(model: keras.Model) -> None:
    """Leave a model its averaged weights, where its optimizer keeps any, as `fit` does when it ends."""
    solver = solver_of(model.optimizer)
    if not solver.use_ema:
        return
    solver.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:
        # On JAX the average is the same array, which predicting deletes.
        variable.assign(np.array(keras.ops.convert_to_numpy(variable)))


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Let a model have its averaged weights, where its optimizer keeps any, and its own again afterwards.

    Keras's `SwapEMAWeights` swaps by adding and subtracting on TensorFlow, which changes the last digits of
    the weights, and a run that went on from there would not be the same as one that never stopped.
    """
    solver = solver_of(model.optimizer)
    if not solver.use_ema:
        yield
        return
    own = [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.trainable_variables]
    keep_average(model)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


class EndWithOwnWeights(keras.callbacks.Callback):
    """Keep `fit` from leaving the averaged weights in the model when it ends, where training goes on then.

    `restore` has to be called then: the optimizer averages again.
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Let the optimizer know of no average while `fit` ends; the compiled step is not touched by that."""
        solver = solver_of(self.model.optimizer)
        self._averaged, solver.use_ema = solver.use_ema, False

    def restore(self) -> None:
        """Let the optimizer know of its average again."""
        solver_of(self.model.optimizer).use_ema = self._averaged
