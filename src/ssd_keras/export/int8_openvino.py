"""Int8 for OpenVINO, by NNCF."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.export.heads import GraphEnd, end_of_graph
from ssd_keras.export.openvino_files import save_openvino

CONVOLUTIONS = ("Convolution", "GroupConvolution")


def quantize_openvino(
    float32: Path, out: Path, images: Sequence[NDArray[np.uint8]], metadata: str, exact_heads: bool
) -> None:
    """Write an int8 model of a float32 one.

    Args:
        float32: the .xml file of the model.
        out: the .xml file to write; the weights go to a .bin file beside it.
        images: for the ranges of the values, (1, H, W, 3) uint8 each.
        metadata: of the new model.
        exact_heads: leave the predictor heads in floating point.
    """
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = openvino.Core().read_model(float32)
    end = _end_of(model)
    left_out = [*end.decoding, *(end.heads if exact_heads else ())]
    with contextlib.redirect_stdout(sys.stderr):  # NNCF shows its progress where results belong
        quantized = nncf.quantize(
            model,
            nncf.Dataset(images),
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=left_out, validate=False),
        )
    save_openvino(quantized, out, metadata)


def _end_of(model: Any) -> GraphEnd:
    operations = model.get_ordered_ops()
    followers = {
        operation.get_friendly_name(): [
            taken.get_node().get_friendly_name()
            for output in operation.outputs()
            for taken in output.get_target_inputs()
        ]
        for operation in operations
    }
    convolutions = [
        operation.get_friendly_name() for operation in operations if operation.get_type_name() in CONVOLUTIONS
    ]
    return end_of_graph(followers, convolutions)
