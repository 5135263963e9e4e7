"""ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.metadata import METADATA_KEY
from ssd_keras.runtimes.sessions import Outputs, damaged_artefact_said, import_runtime, threads

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
        (image,) = self._session.get_inputs()
        self._input = image.name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.batch_size = image.shape[0] if isinstance(image.shape[0], int) else None
        self.metadata = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        return dict(zip(self._outputs, self._session.run(None, {self._input: images}), strict=True))
