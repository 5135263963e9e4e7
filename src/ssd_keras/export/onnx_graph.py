"""A detector as an ONNX graph, with ONNX's own operator for the suppression.

The loop by which `boxes.suppression` iterates to a fixed point is made for XLA. Runtimes of ONNX graphs are
slow at loops and have `NonMaxSuppression`: so the tracing leaves a mark where boxes are suppressed, and the
conversion puts the operator there.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ssd_keras.export.onnx_operators import HANDLERS, check_operators
from ssd_keras.export.tracing import trace_detector

if TYPE_CHECKING:
    from ssd_keras.boxes.arrays import Array
    from ssd_keras.models.ssd import SSD

OPSET = 18
"""Of the operators: what ONNX Runtime and OpenVINO of the last years know."""

MARK = "PyFunc"
"""The operator that stands where boxes are suppressed until the graph is converted; no network has it."""

BOOL = 9
"""The type, as ONNX numbers it."""


def make_onnx_graph(model: SSD, raw: bool = False) -> Any:
    """Convert a detector to an `onnx.ModelProto`: "images" in, detections or raw predictions out.

    Raises:
        InputError: the model has layers that are not converted.
    """
    import tf2onnx

    function = trace_detector(model, raw, _mark_suppression)
    suppression = functools.partial(_suppress_in_onnx, iou_threshold=model.decoding.iou_threshold)
    graph, _ = tf2onnx.convert.from_function(
        function,
        function.input_signature,
        opset=OPSET,
        custom_op_handlers={**HANDLERS, MARK: (suppression, [])},
    )
    check_operators(graph, model.name)
    return graph


def _mark_suppression(boxes: Array, valid: Array, iou_threshold: float) -> Array:
    """Stand for `suppress` in the traced function."""
    import tensorflow as tf

    kept = tf.numpy_function(lambda boxes, valid: valid, [boxes, valid], tf.bool, name="suppress")
    return tf.ensure_shape(kept, valid.shape)


def _suppress_in_onnx(graph: Any, node: Any, name: str, _: Any, *, iou_threshold: float) -> None:
    """Put the operator in place of the mark: (..., K, 4) boxes and (..., K) valid in, (..., K) kept out.

    Every list of boxes is a batch element of the operator's; the scores that it sorts by are the places in
    the list, so that its order is the decoding's, and equal scores cannot swap places.
    """
    boxes, valid = node.input[:2]
    (kept,) = node.output
    shape = graph.get_shape(valid)
    count = shape[-1]
    graph.remove_node(node.name)

    numbers = itertools.count()

    def constant(values: Any, dtype: Any) -> str:
        return str(graph.make_const(f"{name}_{next(numbers)}", np.array(values, dtype)).output[0])

    def make(operator: str, inputs: list[str], **attributes: Any) -> str:
        return str(graph.make_node(operator, inputs, attr=attributes).output[0])

    lists = make("Reshape", [boxes, constant([-1, count, 4], np.int64)])
    counts = make("Reshape", [valid, constant([-1, 1, count], np.int64)])
    places = constant(np.arange(count, 0, -1).reshape(1, 1, count), np.float32)
    scores = make("Where", [counts, places, constant(0, np.float32)])
    limits = [constant([count], np.int64), constant([iou_threshold], np.float32), constant([0.5], np.float32)]
    selected = make("NonMaxSuppression", [lists, scores, *limits])  # rows of (list, 0, place in the list)
    where = make("Gather", [selected, constant([0, 2], np.int64)], axis=1)
    rows = make("Slice", [make("Shape", [where]), constant([0], np.int64), constant([1], np.int64)])
    ones = make("Expand", [constant([1], np.float32), rows])
    none = make("Mul", [make("Squeeze", [scores, constant([1], np.int64)]), constant(0, np.float32)])
    flags = make("Cast", [make("ScatterND", [none, where, ones])], to=BOOL)
    graph.make_node("Reshape", [flags, make("Shape", [valid])], outputs=[kept], shapes=[shape], dtypes=[BOOL])
