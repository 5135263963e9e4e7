"""ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.metadata import METADATA_KEY
from ssd_keras.runtimes.sessions import Outputs, Shape, damaged_artefact_said, import_runtime, threads

ONLY_ERRORS = 3
"""Of ONNX Runtime's levels of logging."""


class OnnxSession:
    """An ONNX file in ONNX Runtime, on the CPU; see `Session`."""

    def __init__(self, path: Path, precision: Precision) -> None:
        runtime = import_runtime("onnxruntime", "onnx", path)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = ONLY_ERRORS
        with damaged_artefact_said(path, "ONNX Runtime"):
            self._session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            self.metadata = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
            taken = self._session.get_inputs()
            self.outputs = [output.name for output in self._session.get_outputs()]
        self.inputs = [_shape_of(one) for one in taken]
        self._input = taken[0].name if taken else None

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        return dict(zip(self.outputs, self._session.run(None, {self._input: images}), strict=True))


def _shape_of(taken: Any) -> Shape:
    """Give the shape of an input; axes of any length have names there, or nothing."""
    return tuple(length if isinstance(length, int) else None for length in taken.shape)
