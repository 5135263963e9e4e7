"""From the bytes of an upload to pixels as the detector takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.checks import is_cut_short
from ssd_keras.data.image_headers import read_resized
from ssd_keras.data.pixel_limit import declared_size
from ssd_keras.errors import InputError
from ssd_keras.serving.refusals import BAD_REQUEST, TOO_LARGE, Refusal

FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF or PPM"


class Upload(NamedTuple):
    """An encoded image as it was sent; `name` is None where the client gave none."""

    name: str | None
    data: bytes


class ReadImage(NamedTuple):
    """An image that was read: its (height, width), upright, and (H, W, 3) uint8 RGB at the input's size."""

    size: tuple[int, int]
    pixels: NDArray[np.uint8]


def read_upload(upload: Upload, called: str, image_size: tuple[int, int], most_pixels: int) -> ReadImage:
    """Decode an upload and resize it.

    Args:
        upload: the encoded image.
        called: what to call it in an error.
        image_size: (height, width) of the detector's input.
        most_pixels: an image that declares more is not decoded.

    Raises:
        Refusal: 400 for what is no image or damaged, 413 for too many pixels.
    """
    size = declared_size(upload.data)
    if size is None:
        raise Refusal(BAD_REQUEST, f"{called} is not an image: send {FORMATS}")
    if size[0] * size[1] > most_pixels:
        raise Refusal(
            TOO_LARGE,
            f"{called} has {size[1]} × {size[0]} pixels, and {most_pixels:,} at most are taken: shrink it",
        )
    if is_cut_short(upload.data):
        raise Refusal(BAD_REQUEST, f"{called} is cut short: send the whole file")
    try:
        return ReadImage(*read_resized(upload.data, image_size, called))
    except InputError as error:
        raise Refusal(BAD_REQUEST, f"{called} is damaged and does not decode: save it anew") from error
