"""Pictures and videos that this library draws carry a mark: no other file is ever replaced by one.

In a JPEG it is a comment. It stands behind other pictures, and is a box without content in MP4: what decodes
them passes over it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.files import whole_file
from ssd_keras.inference.drawing import encode_picture

MARK = b"drawn by ssd-keras"

LOOKED_AT = 256
"""Bytes at either end of a file, among which the mark is."""

JPEG_START, JPEG_COMMENT, JPEG_HEADER = b"\xff\xd8", b"\xff\xfe", b"\xff\xe0"


def save_own_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a picture (H, W, 3) uint8 RGB, whole or not at all, in place of an earlier one of ours only.

    Raises:
        InputError: something else has this name, or it cannot be written.
    """
    refuse_to_replace(path)
    content = _with_mark(encode_picture(path, image))
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


def refuse_to_replace(path: Path) -> None:
    """Raise `InputError` if there is anything at `path` but a picture or video that has our mark."""
    if os.path.lexists(path) and not is_own(path):
        raise InputError(
            f"{path} is there already, and not a result of an earlier run: it is kept, choose another --out"
        )


def mark_video(path: Path) -> None:
    """Put the mark behind an MP4 file; `OSError` where that is not possible."""
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(MARK), b"free") + MARK)


def _with_mark(content: bytes) -> bytes:
    if not content.startswith(JPEG_START):
        return content + MARK
    # Readers of JFIF look for its header at once behind the start.
    has_header = content[2:4] == JPEG_HEADER
    place = 4 + int.from_bytes(content[4:6], "big") if has_header else len(JPEG_START)
    comment = JPEG_COMMENT + struct.pack(">H", 2 + len(MARK)) + MARK
    return content[:place] + comment + content[place:]


def is_own(path: Path) -> bool:
    """Tell whether a file is a picture or video that has our mark."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(LOOKED_AT)
            file.seek(max(0, path.stat().st_size - LOOKED_AT))
            return MARK in head or MARK in file.read(LOOKED_AT)
    except OSError:
        return False
