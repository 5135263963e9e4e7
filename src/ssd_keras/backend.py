"""Which backend Keras computes with, decided before Keras is imported."""

import contextlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator

RETRACING = "triggered tf.function retracing"
"""TensorFlow's remark where a process has several models, each compiled for itself, as it should be."""


def choose_backend() -> str:
    """Set `KERAS_BACKEND` where the user has not, and give its value; nothing heavy is imported.

    JAX where it is installed for a GPU, else TensorFlow, the fastest on a CPU, else what there is.
    """
    if "KERAS_BACKEND" not in os.environ:
        jax_on_gpu = _installed("jax") and any(map(_installed, ("jax_cuda13_plugin", "jax_cuda12_plugin")))
        order = ("jax", "tensorflow", "torch") if jax_on_gpu else ("tensorflow", "jax", "torch")
        found = [name for name in order if _installed(name)]
        if found:
            os.environ["KERAS_BACKEND"] = found[0]
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def quieten_tensorflow() -> None:
    """Let TensorFlow say errors only, unless the user has set `TF_CPP_MIN_LOG_LEVEL`, and none of retracing.

    Before anything else is imported: JAX sets the variable, too, and Grain imports JAX.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").addFilter(lambda record: RETRACING not in record.getMessage())


def import_keras_quietly() -> None:
    """Import Keras and its backend without what TensorFlow says about its build while it is loaded.

    It writes to the file descriptor itself, before any of its settings is read. Where the user has set
    `TF_CPP_MIN_LOG_LEVEL` to something else than 3, everything is shown.
    """
    if "keras" not in sys.modules:
        with _silent_loading():
            importlib.import_module("keras")


def set_random_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras, which loads TensorFlow for that beside any backend: quietly, as above."""
    keras = importlib.import_module("keras")
    with contextlib.nullcontext() if "tensorflow" in sys.modules else _silent_loading():
        keras.utils.set_random_seed(seed)


def _silent_loading() -> contextlib.AbstractContextManager[None]:
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        return contextlib.nullcontext()
    return silent_standard_error()


@contextlib.contextmanager
def silent_standard_error() -> Iterator[None]:
    """Let nothing reach standard error, not what libraries in C++ write to its file descriptor either."""
    try:
        terminal = os.dup(2)
    except OSError:  # a process without standard error
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
