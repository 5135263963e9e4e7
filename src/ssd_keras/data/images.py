"""Reading images: from a file or from bytes to RGB pixels, upright, or one clear error."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})

REDUCED_MODES = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""JPEG can be decoded at 1/2, 1/4 and 1/8 of its size in a fraction of the time."""

ImageSource = Path | str | bytes | NDArray[np.uint8]


def read_image(source: ImageSource, reduction: int = 1, name: str = "image") -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) uint8 RGB; the EXIF orientation is applied.

    Args:
        source: a file, the bytes of an encoded image, or pixels, which are checked and handed back.
        reduction: 1, 2, 4 or 8: decode at this fraction of the size (rounded up).
        name: what to call bytes or pixels in an error.

    Raises:
        InputError: the file is missing or does not decode as an image.
    """
    if isinstance(source, np.ndarray):
        return _checked_pixels(source, name)
    if not isinstance(source, bytes):
        name = str(source)
    try:
        image = cv2.imdecode(np.frombuffer(encoded_bytes(source), np.uint8), REDUCED_MODES[reduction])
    except cv2.error as error:  # empty input, or more pixels than OpenCV is willing to decode
        raise InputError(f"{name} does not decode as an image ({_reason(error)}): replace it") from error
    if image is None:
        raise InputError(f"{name} does not decode as an image: replace it, or take it out of the data set")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)  # type: ignore[no-any-return]


def encoded_bytes(source: Path | str | bytes) -> bytes:
    """Give the encoded bytes of an image, from its file if need be; `InputError` if that cannot be read."""
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}): check the path") from error


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Warp an image (H, W, 3) to `size` (height, width).

    Bilinear, as the original does when testing; where both sides shrink to half or less, from the average of
    all pixels, so that fine structures of a large photograph do not turn into noise.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] >= 2 * height and image.shape[1] >= 2 * width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=interpolation)  # type: ignore[no-any-return]


def _checked_pixels(image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(
            f"{name} has shape {image.shape}, type {image.dtype}: give RGB pixels (height, width, 3) as uint8"
        )
    return image


def _reason(error: cv2.error) -> str:
    return str(getattr(error, "err", "") or error).strip().splitlines()[-1]
