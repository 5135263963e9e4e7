"""Writing a detector in each of the formats; all on TensorFlow."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssd_keras.export.full_disks import unwritable_said
from ssd_keras.export.onnx_graph import make_onnx_graph
from ssd_keras.export.openvino_files import save_openvino
from ssd_keras.export.tracing import trace_detector
from ssd_keras.runtimes import litert_session, saved_model_session
from ssd_keras.runtimes.formats import Format
from ssd_keras.runtimes.metadata import METADATA_KEY

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD


def write_artefact(model: SSD, kind: Format, path: Path, metadata: str, raw: bool) -> None:
    """Write a detector to `path` with its metadata; OpenVINO's weights go to a .bin file beside it."""
    if kind == "onnx":
        _write_onnx(model, path, metadata, raw)
    elif kind == "openvino":
        _write_openvino(model, path, metadata)
    elif kind == "litert":
        _write_litert(model, path, metadata)
    else:
        _write_saved_model(model, path, metadata)


def _write_onnx(model: SSD, path: Path, metadata: str, raw: bool) -> None:
    import onnx

    graph = make_onnx_graph(model, raw)
    _name_batch(graph)
    onnx.helper.set_model_props(graph, {METADATA_KEY: metadata})
    onnx.save_model(graph, path)


def _name_batch(graph: Any) -> None:
    """Call the first axis of input and outputs "batch": the conversion makes names up."""
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _write_openvino(model: SSD, path: Path, metadata: str) -> None:
    """Write the .xml and the .bin file of OpenVINO; from ONNX, whose operator for suppression it knows."""
    import onnx
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        onnx.save_model(make_onnx_graph(model), file)
        save_openvino(openvino.convert_model(file), path, metadata)


def _write_litert(model: SSD, path: Path, metadata: str) -> None:
    """Write a LiteRT file of built-in operators only, so that it runs where there is no TensorFlow."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        _save_function(model, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(litert_session.METADATA_FILE, metadata)


def _write_saved_model(model: SSD, path: Path, metadata: str) -> None:
    _save_function(model, path)
    file = path / saved_model_session.METADATA_FILE
    file.parent.mkdir()
    file.write_text(metadata, encoding="utf-8")


def _save_function(model: SSD, folder: Path) -> None:
    """Save the traced detector, and its weights with it, as a SavedModel."""
    import tensorflow as tf

    module = tf.Module()
    module.detect = trace_detector(model)
    module.weights = [weight.value for weight in model.weights]
    signatures = {saved_model_session.SIGNATURE: module.detect}
    with unwritable_said(folder, tf.errors.OpError):
        tf.saved_model.save(module, str(folder), signatures=signatures)
