"""The physical limit of a network: its multiplications, and how many the machine does in a second."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

SIDE, ROUNDS = 2048, 7


def multiplications_of(model: keras.Model) -> int:
    """Count the multiplications of the convolutions of a model, an image."""
    total = 0
    for layer in model._flatten_layers(include_self=False, recursive=True):
        kernel = getattr(layer, "kernel", None)
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D) and kernel is not None:
            _, height, width, _ = layer.output.shape
            total += height * width * math.prod(kernel.shape)
    return total


@functools.cache
def gigaflops() -> dict[str, float]:
    """Measure the rate of multiplying matrices in float32 and, with PyTorch, in bfloat16 and int8."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(SIDE, SIDE)).astype(np.float32)
    rates = {"float32": _rate(lambda: matrix @ matrix)}
    try:
        import torch
    except ImportError:
        return rates
    low = torch.from_numpy(matrix).bfloat16()
    whole = torch.from_numpy(random.integers(-128, 128, (SIDE, SIDE), dtype=np.int8))
    tasks: dict[str, Callable[[], Any]] = {
        "float32": lambda: torch.from_numpy(matrix) @ torch.from_numpy(matrix),
        "bfloat16": lambda: low @ low,
        "int8": lambda: torch._int_mm(whole, whole),
    }
    return {name: max(rates.get(name, 0.0), _rate(task)) for name, task in tasks.items()}


def _rate(multiply: Callable[[], Any]) -> float:
    """The best of a few rounds, in 1e9 multiplications and additions a second."""
    multiply()
    best = math.inf
    for _ in range(ROUNDS):
        started = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - started)
    return 2 * SIDE**3 / best / 1e9
