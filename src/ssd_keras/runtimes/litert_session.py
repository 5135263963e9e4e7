"""LiteRT, once TensorFlow Lite."""

from __future__ import annotations

import threading
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.metadata import METADATA_KEY, unreadable_metadata
from ssd_keras.runtimes.sessions import Outputs, Shape, damaged_artefact_said, import_runtime, threads

METADATA_FILE = f"{METADATA_KEY}.json"
"""In the zip archive at the end of the file: the format's convention for files that go with a model."""


class LiteRTSession:
    """A LiteRT file on the CPU; see `Session`."""

    def __init__(self, path: Path, precision: Precision) -> None:
        self.metadata = _metadata_of(path)
        interpreter = import_runtime("ai_edge_litert.interpreter", "litert", path).Interpreter
        with damaged_artefact_said(path, "LiteRT"):
            self._interpreter = interpreter(str(path), num_threads=threads())
            self._run = self._interpreter.get_signature_runner()
            taken = self._run.get_input_details()
            self.outputs = list(self._run.get_output_details())
        self.inputs = [_shape_of(details["shape_signature"]) for details in taken.values()]
        self._input = next(iter(taken), "")
        self._turn = threading.Lock()  # the interpreter holds one batch

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        with self._turn:
            return dict(self._run(**{self._input: images}))


def _shape_of(signature: Iterable[int]) -> Shape:
    """Give the shape of an input; axes of any length are -1 there."""
    return tuple(int(length) if length >= 0 else None for length in signature)


def _metadata_of(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(METADATA_FILE).decode("utf-8")
    except KeyError:
        return None
    except zipfile.BadZipFile:
        # Cut off, the archive at the end is what is missing; foreign files have none.
        return None
    except (OSError, ValueError, NotImplementedError, RuntimeError, zlib.error) as error:
        # Damaged, or packed in a way that we never pack it.
        raise unreadable_metadata(path, error) from error
