"""Writing an OpenVINO model: an .xml file that knows the .bin file beside it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from ssd_keras.export.full_disks import unwritable_said
from ssd_keras.runtimes.metadata import METADATA_KEY
from ssd_keras.runtimes.openvino_session import WEIGHTS_KEY, file_digest


def save_openvino(model: Any, path: Path, metadata: str) -> None:
    """Write a model to `path`, an .xml file, with its metadata; the weights go to a .bin file beside it.

    What the .bin file contains is known only when both are written: the .xml file holds a mark until then.

    Raises:
        InputError: they cannot be written.
    """
    import openvino

    mark = secrets.token_hex(32)
    model.set_rt_info(metadata, [METADATA_KEY])
    model.set_rt_info(mark, [WEIGHTS_KEY])
    with unwritable_said(path, RuntimeError):
        openvino.save_model(model, path, compress_to_fp16=False)
    digest = file_digest(path.with_suffix(".bin"))
    path.write_bytes(path.read_bytes().replace(mark.encode(), digest.encode()))
