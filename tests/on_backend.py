"""Tensor functions under test, run as training runs them, with NumPy arrays in and out."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

SLOW_ON_JAX = [pytest.mark.slow] if keras.backend.backend() == "jax" else []
"""Marks of what JAX compiles for a minute and the other backends have done by then."""


def slow_on_jax(test: Callable[..., Any]) -> Callable[..., Any]:
    """Leave a test to `make test-all` on JAX."""
    return pytest.mark.slow(test) if SLOW_ON_JAX else test


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of tensors on the backend in use; it takes and gives NumPy arrays."""
    run = _compile(function)

    def call(*arrays: np.ndarray) -> Any:
        result = run(*[ops.convert_to_tensor(array) for array in arrays])
        return keras.tree.map_structure(ops.convert_to_numpy, result)

    return call


def called_once(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Call a function of tensors with NumPy arrays, in the way that is quickest for a single call."""
    if keras.backend.backend() == "jax":
        return compiled(function)(*arrays)
    result = function(*[ops.convert_to_tensor(array) for array in arrays])
    return keras.tree.map_structure(ops.convert_to_numpy, result)


def gradients(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Give the gradients of a scalar function with respect to each of its arguments."""
    tensors = [ops.convert_to_tensor(array) for array in arrays]
    match keras.backend.backend():
        case "jax":
            import jax

            found = jax.jit(jax.grad(function, argnums=tuple(range(len(tensors)))))(*tensors)
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = function(*tensors)
            found = tape.gradient(value, tensors, unconnected_gradients="zero")
        case "torch":
            for tensor in tensors:
                tensor.requires_grad_(True)
            function(*tensors).backward()
            found = [tensor.grad for tensor in tensors]
        case other:
            raise NotImplementedError(other)
    return [ops.convert_to_numpy(gradient) for gradient in found]


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    match keras.backend.backend():
        case "jax":
            import jax

            return jax.jit(function)
        case "tensorflow":
            import tensorflow as tf

            return tf.function(function, jit_compile=True)
        case _:
            return function
