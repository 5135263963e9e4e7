"""OpenVINO."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.metadata import METADATA_KEY
from ssd_keras.runtimes.sessions import Outputs, damaged_artefact_said, import_runtime, threads

HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""Without a hint OpenVINO computes in bfloat16 wherever the CPU can, and then it is not equal to Keras."""


FIXED_SIZES = 2
"""So many sizes of batches, the first that are seen, are compiled for themselves, which makes them a tenth to
a quarter faster; others share what is compiled for any size. Each holds the weights once more."""


class OpenVinoSession:
    """An OpenVINO model (.xml, and .bin beside it) on the CPU; see `Session`."""

    def __init__(self, path: Path, precision: Precision) -> None:
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise InputError(
                f"{path} has no {weights.name} beside it, which holds the weights: keep both together"
            )
        openvino = import_runtime("openvino", "openvino", path)
        self._settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",  # one image or batch at a time gets all cores
            "INFERENCE_NUM_THREADS": threads(),
        }
        self._path = path
        self._core = openvino.Core()
        with damaged_artefact_said(path, "OpenVINO"):
            self._model = self._core.read_model(path)
        self.metadata = _metadata_of(self._model)
        batch = self._model.input(0).partial_shape[0]
        self.batch_size = batch.get_length() if batch.is_static else None
        self._outputs = [output.any_name for output in self._model.outputs]
        self._requests: dict[int | None, Any] = {}
        self._turn = threading.Lock()  # a request holds one batch

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        with self._turn:
            found = self._request_for(images.shape).infer({0: images})
            return {name: found[number] for number, name in enumerate(self._outputs)}

    def _request_for(self, shape: tuple[int, ...]) -> Any:
        """Give what runs batches of this shape, compiled when it is first asked for."""
        size = shape[0] if shape[0] in self._requests or len(self._requests) < FIXED_SIZES else None
        if size not in self._requests:
            model = self._model.clone()
            if size is not None:
                model.reshape(list(shape))
            with damaged_artefact_said(self._path, "OpenVINO"):
                compiled = self._core.compile_model(model, "CPU", self._settings)
            self._requests[size] = compiled.create_infer_request()
        return self._requests[size]


def _metadata_of(model: object) -> str | None:
    if not model.has_rt_info([METADATA_KEY]):  # type: ignore[attr-defined]
        return None
    return str(model.get_rt_info([METADATA_KEY]).astype(str))  # type: ignore[attr-defined]
