"""The formats of artefacts, and how a file or folder is known to be one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Format = Literal["onnx", "openvino", "litert", "saved_model"]

SUFFIXES: dict[Format, str] = {
    "onnx": ".onnx",
    "openvino": ".xml",
    "litert": ".tflite",
    "saved_model": "_saved_model",
}
"""How the name of an artefact ends; a SavedModel is a folder."""

TFLITE_IDENTIFIER = b"TFL3"
"""At byte 4 of a LiteRT file, as FlatBuffers have it."""


def recognise_format(path: Path) -> Format | None:
    """Say which format of artefact a file or folder has, by what it begins with; None if it is none."""
    if path.is_dir():
        return "saved_model" if (path / "saved_model.pb").is_file() else None
    try:
        if not path.is_file():  # a pipe would be waited for
            return None
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError:
        return None
    if start[4:8] == TFLITE_IDENTIFIER:
        return "litert"
    if b"<net" in start and start.lstrip().startswith((b"<?xml", b"<net")):
        return "openvino"
    return "onnx" if _begins_as_onnx(start) else None


def _begins_as_onnx(start: bytes) -> bool:
    """Tell whether bytes begin as a protobuf message with ONNX's fields.

    Field 1 is the version of the format, a small number; field 2 the name of the producer, or field 7 the
    graph, or field 8 the operators.
    """
    return len(start) > 2 and start[0] == 0x08 and 2 < start[1] < 32 and start[2] in (0x12, 0x3A, 0x42)
