"""OpenVINO."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
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

MOST_STREAMS = 8
"""Images of a batch that are computed at the same time; more cores than that share the work on each."""


class OpenVinoSession:
    """An OpenVINO model (.xml, and .bin beside it) on the CPU; see `Session`.

    A lone image gets all cores. Of several, each has its own: no core waits for another that has something
    else to do, such as to decode images.
    """

    def __init__(self, path: Path, precision: Precision) -> None:
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise InputError(
                f"{path} has no {weights.name} beside it, which holds the weights: keep both together"
            )
        openvino = import_runtime("openvino", "openvino", path)
        self._settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": threads(),
        }
        self._path = path
        self._openvino = openvino
        self._core = openvino.Core()
        with damaged_artefact_said(path, "OpenVINO"):
            self._model = self._core.read_model(path)
            self.metadata = _written_in(self._model, METADATA_KEY)
            self.inputs = [_shape_of(taken.partial_shape) for taken in self._model.inputs]
            self.outputs = [output.any_name if output.names else "" for output in self._model.outputs]
        _check_belongs(weights, path, _written_in(self._model, WEIGHTS_KEY))
        self._lone: Any = None
        self._queue: Any = None
        self._turn = threading.Lock()  # a request holds one image or batch

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute the outputs, by name, of images (B, H, W, 3) uint8."""
        with self._turn:
            is_split = len(images) > 1 and self.inputs[0][0] is None
            found = self._each(images) if is_split else self._at_once(images)
        return dict(zip(self.outputs, found, strict=True))

    def _at_once(self, images: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """Compute a lone image, or a batch of the only size that the model takes."""
        if self._lone is None:
            self._lone = self._compiled({"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
        found = self._lone.infer({0: images})
        return [found[number] for number in range(len(self.outputs))]

    def _each(self, images: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """Compute each image of a batch for itself, several at the same time."""
        if self._queue is None:
            streams = min(threads(), MOST_STREAMS)
            compiled = self._compiled({"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": streams})
            self._queue = self._openvino.AsyncInferQueue(compiled, streams)
        found: list[list[NDArray[Any]]] = [[]] * len(images)

        def keep(request: Any, number: int) -> None:
            found[number] = [
                request.get_output_tensor(index).data.copy() for index in range(len(self.outputs))
            ]

        self._queue.set_callback(keep)
        for number in range(len(images)):
            self._queue.start_async({0: images[number : number + 1]}, number)
        self._queue.wait_all()
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _compiled(self, settings: Mapping[str, str | int]) -> Any:
        """Compile the model, where it takes any number of images, for one."""
        model = self._model.clone()
        if self.inputs[0][0] is None:
            model.reshape([1, *self.inputs[0][1:]])
        with damaged_artefact_said(self._path, "OpenVINO"):
            return self._core.compile_model(model, "CPU", {**self._settings, **settings})


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
