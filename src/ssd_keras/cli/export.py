"""`ssd export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from ssd_keras.cli.options import Output, print_json
from ssd_keras.data.checks import counted
from ssd_keras.errors import InputError
from ssd_keras.runtimes.formats import Format

if TYPE_CHECKING:
    from ssd_keras.export.exporting import Exported


def export(
    model: Path,
    /,
    *,
    to: Format,
    raw: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    check: Path | None = None,
    int8: Annotated[bool, Parameter(negative="")] = False,
    calibrate: Path | None = None,
    max_drop: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=100))] = 1.0,
    output: Output | None = None,
) -> None:
    """Make a file of a detector that runs without Keras, and check that it finds the same.

    Args:
        model: A .keras file or a run folder.
        to: The format: onnx, openvino (.xml and .bin), litert (.tflite) or saved_model (a folder).
        raw: For onnx: offsets and logits in place of detections, for programs with a decoding of their own.
        out: The file or folder to write; by default named after MODEL, in the working directory.
        check: Images on which it is compared with Keras: one, a folder, or a data set; by default generated
            scenes.
        int8: Compute the network in int8, with onnx or openvino: a little less exact, and up to four times as
            fast where convolutions are large.
        calibrate: For --int8, a labelled data set: of its training images the ranges of the values are taken,
            and on its test images (or val) the mAP is measured before and after.
        max_drop: How many points of mAP (of 100) int8 may cost.
        output: How to print.
    """
    output = output or Output()
    if int8 != (calibrate is not None):
        raise InputError("--int8 and --calibrate DATA go together: give both, or none")
    from ssd_keras.export.exporting import export_detector
    from ssd_keras.export.int8 import Int8

    exported = export_detector(model, to, out, raw, check, Int8(calibrate, max_drop) if calibrate else None)
    if output.json:
        print_json(exported.as_json())
        return
    print(f"{exported.path}: {exported.format}, {exported.bytes / 1e6:.1f} MB; {_difference(exported)}")


def _difference(exported: Exported) -> str:
    """Say how an artefact differs from the model it was made of."""
    cost = exported.int8
    if cost is None:
        return f"boxes and scores differ from those of Keras by {exported.max_difference:.1g} at most"
    seen = ", the same that it was calibrated on: with others it may cost more" if cost.seen else ""
    heads = ", predictor heads in float32" if cost.exact_heads else ""
    return (
        f"mAP {cost.int8:.3f} in int8{heads}, {cost.float32:.3f} in float32 "
        f"({counted(cost.images, 'image')} of split {cost.split!r}{seen})"
    )
