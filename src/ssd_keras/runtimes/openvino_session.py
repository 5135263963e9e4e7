"""OpenVINO."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.metadata import METADATA_KEY
from ssd_keras.runtimes.sessions import Outputs, Shape, damaged_artefact_said, import_runtime, threads

HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""Without a hint OpenVINO computes in bfloat16 wherever the CPU can, and then it is not equal to Keras."""

WEIGHTS_KEY = f"{METADATA_KEY}_weights"
"""Under which the .xml file holds the SHA-256 of the .bin file."""

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
            self.metadata = _written_in(self._model, METADATA_KEY)
            self.inputs = [_shape_of(taken.partial_shape) for taken in self._model.inputs]
            self.outputs = [output.any_name if output.names else "" for output in self._model.outputs]
        _check_belongs(weights, path, _written_in(self._model, WEIGHTS_KEY))
        self._requests: dict[int | None, Any] = {}
        self._turn = threading.Lock()  # a request holds one batch

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        with self._turn:
            found = self._request_for(images.shape).infer({0: images})
            return {name: found[number] for number, name in enumerate(self.outputs)}

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


def _written_in(model: Any, key: str) -> str | None:
    return str(model.get_rt_info([key]).astype(str)) if model.has_rt_info([key]) else None


def _shape_of(shape: Iterable[Any]) -> Shape:
    """Give the shape of an input; axes of any length are dynamic there."""
    return tuple(length.get_length() if length.is_static else None for length in shape)


def _check_belongs(weights: Path, path: Path, digest: str | None) -> None:
    """Raise `InputError` where the weights are not those that were written with the .xml file.

    Those of another training have the same length, and would detect something else without a word.
    """
    if digest is not None and digest != file_digest(weights):
        raise InputError(
            f"{weights} does not belong to {path.name}, which was written with other weights: copy both "
            "files of one export, or export the model again"
        )


def file_digest(weights: Path) -> str:
    """Give the SHA-256 of a .bin file as the .xml file beside it holds it, under `WEIGHTS_KEY`."""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
