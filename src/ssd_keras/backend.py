"""Which backend Keras computes with, decided before Keras is imported."""

import importlib.util
import os


def choose_backend() -> str:
    """Set `KERAS_BACKEND` where the user has not, and give its value; nothing heavy is imported.

    JAX where it is installed for a GPU, else TensorFlow, by far the fastest on a CPU, else what there is.
    """
    if "KERAS_BACKEND" not in os.environ:
        jax_on_gpu = _installed("jax") and any(map(_installed, ("jax_cuda13_plugin", "jax_cuda12_plugin")))
        order = ("jax", "tensorflow", "torch") if jax_on_gpu else ("tensorflow", "jax", "torch")
        found = [name for name in order if _installed(name)]
        if found:
            os.environ["KERAS_BACKEND"] = found[0]
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
