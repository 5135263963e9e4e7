"""`ssd export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ssd_keras.cli.options import Output, print_json
from ssd_keras.runtimes.formats import Format


def export(
    model: Path,
    /,
    *,
    to: Format,
    raw: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    check: Path | None = None,
    output: Output | None = None,
) -> None:
    """Make a file of a detector that runs without Keras, and check that it finds the same.

    Args:
        model: a .keras file or a run folder.
        to: the format: onnx, openvino (.xml and .bin), litert (.tflite) or saved_model (a folder).
        raw: with onnx: offsets and logits in place of detections, for programs with a decoding of their own.
        out: where to; by default named after MODEL, in the working directory.
        check: images to compare with Keras on: one, a folder, or a data set; by default generated scenes.
        output: how to print.
    """
    output = output or Output()
    from ssd_keras.export.exporting import export_detector

    exported = export_detector(model, to, out, raw, check)
    if output.json:
        print_json(exported.as_json())
        return
    print(
        f"{exported.path}: {exported.format}, {exported.bytes / 1e6:.1f} MB; boxes and scores differ from "
        f"those of Keras by {exported.max_difference:.1g} at most"
    )
