"""TensorFlow's SavedModel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.metadata import METADATA_KEY, unreadable_metadata
from ssd_keras.runtimes.sessions import Outputs, damaged_artefact_said, import_runtime

METADATA_FILE = Path("assets.extra") / f"{METADATA_KEY}.json"
"""In the folder: `assets.extra` is where the format keeps what its users add."""

SIGNATURE = "serving_default"


class SavedModelSession:
    """A SavedModel folder in TensorFlow; see `Session`."""

    def __init__(self, path: Path, precision: Precision) -> None:
        self.metadata = _metadata_of(path)
        self._tensorflow = import_runtime("tensorflow", "tensorflow", path)
        with damaged_artefact_said(path, "TensorFlow"):
            self._loaded = self._tensorflow.saved_model.load(str(path))  # which owns the variables
            self._run = self._loaded.signatures[SIGNATURE]
            taken = self._run.structured_input_signature[1]
            self.inputs = [tuple(spec.shape) for spec in taken.values()]
        self.outputs = list(self._run.structured_outputs)
        self._input = next(iter(taken), "")

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        found = self._run(**{self._input: self._tensorflow.constant(images)})
        return {name: tensor.numpy() for name, tensor in found.items()}


def _metadata_of(path: Path) -> str | None:
    file = path / METADATA_FILE
    try:
        return file.read_text(encoding="utf-8") if file.is_file() else None
    except (OSError, ValueError) as error:
        raise unreadable_metadata(file, error) from error
