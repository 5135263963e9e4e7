"""The size of an encoded image before it is decoded: augmentation is sampled first, decoding comes after."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.images import ImageSource, StoredImage, encoded_bytes, read_image, resize_image
from ssd_keras.errors import InputError

JPEG_START = b"\xff\xd8"
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segments that hold a JPEG's size; the three others are tables and reserved."""
JPEG_SCAN, JPEG_END, JPEG_APP1 = 0xDA, 0xD9, 0xE1
JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length and content."""
EXIF_START = b"Exif\0\0"
PNG_START = b"\x89PNG\r\n\x1a\n"
ORIENTATION_TAG = 0x0112
UPRIGHT = 1


def encoded_image_size(data: bytes) -> tuple[int, int] | None:
    """Give (height, width) from the header of a JPEG or PNG, without decoding it.

    None where the header does not settle it: another format, a damaged header, or an EXIF orientation other
    than upright, which decoding would apply. Decode the image then.
    """
    try:
        if data.startswith(JPEG_START):
            size = _jpeg_size(data)
        elif data.startswith(PNG_START):
            size = _png_size(data)
        else:
            return None
    except (struct.error, IndexError):  # the header ends too early
        return None
    return size if size and min(size) > 0 else None


def fitting_reduction(shrinking: float) -> int:
    """Give the reduction (1, 2, 4 or 8) to decode at where the image then shrinks by `shrinking` in all."""
    return next(reduction for reduction in (8, 4, 2, 1) if shrinking >= reduction or reduction == 1)


class DeferredImage:
    """An image whose size is known before its pixels are decoded, where its header allows that.

    Args:
        source: a file, the bytes of an encoded image, an image of a pack, or (H, W, 3) uint8 RGB pixels.
        name: what to call the image in an error.

    Attributes:
        size: (height, width) of the upright image in pixels.

    Raises:
        InputError: the file cannot be read or does not decode as an image.
    """

    def __init__(self, source: ImageSource, name: str) -> None:
        if isinstance(source, StoredImage):
            name, source = source.name, source.load()
        self._name = name
        self._data = b""
        header_size = None
        if not isinstance(source, np.ndarray):
            self._data = encoded_bytes(source)
            header_size = encoded_image_size(self._data)
        self._pixels = None
        if header_size is None:
            self._pixels = read_image(self._data or source, name=name)
            header_size = (self._pixels.shape[0], self._pixels.shape[1])
        self.size = header_size

    def pixels(self, reduction: int = 1) -> tuple[NDArray[np.uint8], int]:
        """Decode the image, at 1/2, 1/4 or 1/8 of its size where it is a JPEG.

        Args:
            reduction: 1, 2, 4 or 8: the largest reduction that will do.

        Returns:
            pixels: (ceil(height / reduction), ceil(width / reduction), 3) uint8 RGB.
            reduction: the one used, 1 where the image cannot be decoded any smaller.

        Raises:
            InputError: the image does not decode, or to another size than its header says.
        """
        if self._pixels is not None:
            return self._pixels, 1
        if not self._data.startswith(JPEG_START):
            reduction = 1
        pixels = read_image(self._data, reduction, self._name)
        height, width = self.size
        if pixels.shape[:2] != (-(-height // reduction), -(-width // reduction)):
            raise InputError(
                f"{self._name} is not of the {height}×{width} pixels that its header says: save it anew"
            )
        return pixels, reduction


def read_resized(
    source: ImageSource, size: tuple[int, int], name: str
) -> tuple[tuple[int, int], NDArray[np.uint8]]:
    """Read an image and warp it to `size`: its original (height, width), and (H, W, 3) uint8 RGB.

    A large JPEG is decoded at a fraction of its size. `name` is what to call bytes or pixels in an error.
    """
    image = DeferredImage(source, str(source) if isinstance(source, str | Path) else name)
    (height, width), (to_height, to_width) = image.size, size
    pixels, _ = image.pixels(fitting_reduction(min(height / to_height, width / to_width)))
    return image.size, resize_image(pixels, size)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = len(JPEG_START)
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in JPEG_BARE:  # padding before a marker is made of 0xFF
            position += 1 if marker == 0xFF else 2
            continue
        if marker in (JPEG_SCAN, JPEG_END):
            return None
        content = position + 4
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, content + 1)
            return height, width
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + length
        if marker == JPEG_APP1 and data.startswith(EXIF_START, content):
            exif = data[content + len(EXIF_START) : position]
            if _exif_orientation(exif) != UPRIGHT:
                return None
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from(">II", data, 16)
    position = len(PNG_START)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 8
        if kind == b"eXIf" and _exif_orientation(data[position : position + length]) != UPRIGHT:
            return None
        position += length + 4  # the checksum ends each chunk
    return height, width


def _exif_orientation(exif: bytes) -> int:
    """Give the orientation (1-8) of an EXIF block; 0 if it cannot be read, upright if it is not told."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 0
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    (entries,) = struct.unpack_from(order + "H", exif, directory)
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from(order + "H", exif, entry)
        if tag == ORIENTATION_TAG:
            (orientation,) = struct.unpack_from(order + "H", exif, entry + 8)
            return int(orientation)
    return UPRIGHT
