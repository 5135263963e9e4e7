"""TensorFlow's operators that the conversion to ONNX does not know, or stumbles over.

Each function is a handler as tf2onnx takes it: it puts nodes of ONNX in place of a node of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ssd_keras.errors import InputError


def add_in_onnx(graph: Any, node: Any, name: str, _: Any) -> None:
    """Convert AddV2; a number that is added becomes a list of one.

    Behind a convolution, as in hard swish, tf2onnx takes it for a bias, and fails where it has no axis.
    """
    node.type = "Add"
    for place, source in enumerate(node.inputs):
        other = graph.get_shape(node.input[1 - place])
        if other and source.is_const() and (value := source.get_tensor_value(as_list=False)).ndim == 0:
            listed = graph.make_const(f"{name}_listed", value.reshape(1)).output[0]
            graph.replace_input(node, node.input[place], listed, place)


def erfc_in_onnx(graph: Any, node: Any, name: str, _: Any) -> None:
    """Convert Erfc, which the exact GELU has: 1 - erf."""
    (values,), (result,) = node.input, node.output
    shape, dtype = graph.get_shape(result), graph.get_dtype(result)
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}_one", np.ones(1, np.float32)).output[0]
    erf = graph.make_node("Erf", [values]).output[0]
    graph.make_node("Sub", [one, erf], outputs=[result], shapes=[shape], dtypes=[dtype])


HANDLERS: dict[str, tuple[Callable[..., None], list[Any]]] = {
    "AddV2": (add_in_onnx, []),
    "Erfc": (erfc_in_onnx, []),
}


def check_operators(model: Any, name: str) -> None:
    """Raise `InputError` where a graph, an `onnx.ModelProto`, has operators that are not ONNX's.

    What tf2onnx cannot convert it leaves as it is.
    """
    import onnx

    unknown = sorted(
        {node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)}
    )
    if unknown:
        raise InputError(
            f"model {name} has layers that are not converted to ONNX (TensorFlow's {', '.join(unknown)}), "
            "from which OpenVINO files are made, too: export to litert or saved_model"
        )
