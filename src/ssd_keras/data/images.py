"""Reading images: from a file, from bytes or from a pack to RGB pixels, upright, or one clear error."""

import hashlib
import stat
from abc import ABC, abstractmethod
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.pixel_limit import MOST_PIXELS, declared_size
from ssd_keras.data.tiff_alpha import keep_colours
from ssd_keras.errors import InputError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Of the images of data sets, whose formats all of them can hold."""

READABLE_SUFFIXES = IMAGE_SUFFIXES | {".gif", ".jfif", ".jpe", ".pbm", ".pgm", ".pnm"}
"""Of all images that can be read, and so looked at."""

REDUCED_MODES = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""JPEG can be decoded at 1/2, 1/4 and 1/8 of its size in a fraction of the time."""


class StoredImage(ABC):
    """An image inside of a larger file, read when it is needed: small, frozen, made to be pickled."""

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """What to call the image in messages: no other image of the file has this name."""

    @property
    def file_name(self) -> str:
        """The name of the file that it was once in; empty where it came from none."""
        return ""

    @abstractmethod
    def load(self) -> bytes | NDArray[np.uint8]:
        """Give its encoded bytes, or its pixels (H, W, 3) uint8 RGB; `InputError` if it cannot be read."""


ImageSource = Path | str | bytes | NDArray[np.uint8] | StoredImage


def read_image(source: ImageSource, reduction: int = 1, name: str = "image") -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) uint8 RGB; the EXIF orientation is applied.

    Args:
        source: a file, the bytes of an encoded image, an image of a pack, or pixels, which are checked and
            handed back.
        reduction: 1, 2, 4 or 8: decode at this fraction of the size (rounded up).
        name: what to call bytes or pixels in an error.

    Raises:
        InputError: the file is missing, does not decode as an image, or declares more than `MOST_PIXELS`
            pixels (`data/pixel_limit`); arrays of pixels may be of any size.
    """
    if isinstance(source, StoredImage):
        return read_image(source.load(), reduction, source.name)
    if isinstance(source, np.ndarray):
        return _checked_pixels(source, name)
    if not isinstance(source, bytes):
        name = str(source)
    data = keep_colours(encoded_bytes(source))
    _check_declared_size(data, name)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), REDUCED_MODES[reduction])
    except cv2.error as error:  # empty input, or more pixels than OpenCV is willing to decode
        raise InputError(f"{name} does not decode as an image ({_reason(error)}): replace it") from error
    if image is None:
        raise _undecodable(name)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)  # type: ignore[no-any-return]


def loaded(source: ImageSource) -> Path | str | bytes | NDArray[np.uint8]:
    """Give what a pack holds of its image, encoded bytes or pixels (H, W, 3); any other source as it is."""
    return source.load() if isinstance(source, StoredImage) else source


def encoded_bytes(source: Path | str | bytes | StoredImage) -> bytes:
    """Give the encoded bytes of an image, from its file if need be; `InputError` if that cannot be read.

    Where a pack holds pixels they are encoded as PNG, which loses nothing.
    """
    if isinstance(source, StoredImage):
        content = source.load()
        return content if isinstance(content, bytes) else _as_png(content)
    if isinstance(source, bytes):
        return source
    path = Path(source)
    try:
        if not is_readable_kind(path):
            raise InputError(f"{path} is a pipe or a device, not an image file: take it out, or give a file")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}): check the path") from error


def is_readable_kind(path: Path) -> bool:
    """Tell whether a path leads to a file or folder: to open a pipe may wait for ever, and a device act.

    Raises:
        OSError: there is nothing, or it may not be looked at.
    """
    kind = path.stat().st_mode
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind)


def image_content(source: ImageSource) -> bytes | NDArray[np.uint8]:
    """Give an image as it is stored: encoded bytes or pixels (H, W, 3); `InputError` if it cannot be read."""
    content = loaded(source)
    return content if isinstance(content, np.ndarray) else encoded_bytes(content)


def content_digest(content: bytes | NDArray[np.uint8]) -> bytes:
    """Give 16 bytes by which images with the same content, bytes or pixels (H, W, 3), are known."""
    return hashlib.blake2b(
        content if isinstance(content, bytes) else content.tobytes(), digest_size=16
    ).digest()


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


def _check_declared_size(data: bytes, name: str) -> None:
    size = declared_size(data)
    if size is None:
        raise _undecodable(name)
    if size[0] * size[1] > MOST_PIXELS:
        raise InputError(
            f"{name} says it has {size[1]} × {size[0]} pixels, and {MOST_PIXELS:,} at most are decoded: "
            "make it smaller, or cut it into several"
        )


def _undecodable(name: str) -> InputError:
    return InputError(f"{name} does not decode as an image: replace it, or take it out of the data set")


def _checked_pixels(image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(
            f"{name} has shape {image.shape}, type {image.dtype}: give RGB pixels (height, width, 3) as uint8"
        )
    return image


def _as_png(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _reason(error: cv2.error) -> str:
    return str(getattr(error, "err", "") or error).strip().splitlines()[-1]
