"""LiteRT, once TensorFlow Lite."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.metadata import METADATA_KEY
from ssd_keras.runtimes.sessions import Outputs, damaged_artefact_said, import_runtime, threads

METADATA_FILE = f"{METADATA_KEY}.json"
"""In the zip archive at the end of the file: the format's convention for files that go with a model."""


class LiteRTSession:
    """A LiteRT file on the CPU; see `Session`."""

    def __init__(self, path: Path, precision: Precision) -> None:
        self.batch_size: int | None = None
        self.metadata = _metadata_of(path)
        interpreter = import_runtime("ai_edge_litert.interpreter", "litert", path).Interpreter
        with damaged_artefact_said(path, "LiteRT"):
            self._interpreter = interpreter(str(path), num_threads=threads())
            self._run = self._interpreter.get_signature_runner()
        ((self._input, details),) = self._run.get_input_details().items()
        signature = details["shape_signature"]
        if len(signature) and signature[0] > 0:
            self.batch_size = int(signature[0])
        self._turn = threading.Lock()  # the interpreter holds one batch

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        with self._turn:
            return dict(self._run(**{self._input: images}))


def _metadata_of(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(METADATA_FILE).decode("utf-8")
    except KeyError:
        return None
    except zipfile.BadZipFile:
        # Cut off, the archive at the end is what is missing; foreign files have none.
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): export the model again") from error
