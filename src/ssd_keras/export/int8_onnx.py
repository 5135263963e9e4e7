"""Int8 for ONNX Runtime, by its own static quantisation."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.export.heads import GraphEnd, end_of_graph
from ssd_keras.runtimes.metadata import METADATA_KEY

QUANTIZED = ("Conv", "MaxPool", "Relu", "Clip", "Add", "Concat", "GlobalAveragePool")
"""Operators that are computed in int8 in the network: a float one between two of them would cost twice."""


def quantize_onnx(
    float32: Path, out: Path, images: Sequence[NDArray[np.uint8]], metadata: str, exact_heads: bool
) -> None:
    """Write an int8 model of a float32 one; arguments as of `quantize_openvino`, files end in .onnx."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(float32, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        end = _end_of(graph)
        quantize_static(
            prepared,
            out,
            _Reader(graph.input[0].name, images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            nodes_to_exclude=[*end.decoding, *(end.heads if exact_heads else ())],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    quantized = onnx.load(out)
    onnx.helper.set_model_props(quantized, {METADATA_KEY: metadata})
    onnx.save_model(quantized, out)


class _Reader:
    """The images, one after the other, as ONNX Runtime asks for them."""

    def __init__(self, name: str, images: Sequence[NDArray[np.uint8]]) -> None:
        self._feeds: Iterator[dict[str, Any]] = ({name: image} for image in images)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def _end_of(graph: Any) -> GraphEnd:
    takers: dict[str, list[str]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            takers[name].append(node.name)
    followers = {
        node.name: [taker for output in node.output for taker in takers[output]] for node in graph.node
    }
    return end_of_graph(followers, [node.name for node in graph.node if node.op_type == "Conv"])
