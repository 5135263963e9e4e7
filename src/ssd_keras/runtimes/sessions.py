"""What runs the network of an artefact: one class a format, all with the same members."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.formats import Format

Outputs = dict[str, NDArray[Any]]

Shape = tuple[int | None, ...]
"""Of an array that a network takes; None where any number will do."""


class Session(Protocol):
    """A network that is ready to run.

    Attributes:
        metadata: the document of `METADATA_KEY`, or None where it has none.
        inputs: the shape of each thing that it takes; a detector takes images (B, H, W, 3).
        outputs: the names of what it gives.
    """

    metadata: str | None
    inputs: list[Shape]
    outputs: list[str]

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""


def open_session(path: Path, kind: Format, precision: Precision) -> Session:
    """Load an artefact in its own runtime.

    Raises:
        InputError: the runtime is not installed, or the artefact is damaged.
    """
    return _opener(kind)(path, precision)


def threads() -> int:
    """Give the number of cores that this process may use: every runtime takes them all.

    `OMP_NUM_THREADS`, where it is set, says how many: workers that share a machine have one each.
    """
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def import_runtime(module: str, extra: str, path: Path) -> Any:
    """Import the library that runs an artefact, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise InputError(
            f'{path} needs {library}, which is not installed: pip install "ssd-keras[{extra}]"'
        ) from error


@contextmanager
def damaged_artefact_said(path: Path, library: str) -> Iterator[None]:
    """Turn what a runtime raises while it loads an artefact into one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each library has errors of its own
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{path} cannot be loaded by {library} ({said}): it is damaged or for another version, export "
            "the model again"
        ) from error


def _opener(kind: Format) -> Callable[[Path, Precision], Session]:
    if kind == "onnx":
        from ssd_keras.runtimes.onnx_session import OnnxSession

        return OnnxSession
    if kind == "openvino":
        from ssd_keras.runtimes.openvino_session import OpenVinoSession

        return OpenVinoSession
    if kind == "litert":
        from ssd_keras.runtimes.litert_session import LiteRTSession

        return LiteRTSession
    from ssd_keras.runtimes.saved_model_session import SavedModelSession

    return SavedModelSession
