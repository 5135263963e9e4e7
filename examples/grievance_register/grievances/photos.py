"""What becomes of a photograph: checked, turned upright, made smaller, and encoded anew.

Nothing of the file that was sent is kept but its pixels. So what the camera wrote beside them (EXIF: place,
time, device) is gone, and so is anything that somebody may have hidden in the file.
"""

import hashlib
import io
import threading
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from grievances.contracts import RefusedError
from grievances.settings import Settings

FORMATS = ("JPEG", "PNG", "WEBP")
"""Those that browsers send; Pillow's other decoders are never reached."""

THUMBNAIL_SIDE, QUALITY = 320, 90
SMALLEST_SIDE = 16

_decoding = threading.BoundedSemaphore(2)
"""A large photograph takes some hundred megabytes while it is decoded."""


@dataclass(frozen=True)
class Photo:
    """A photograph as it is kept: JPEG without metadata, its size in pixels, and a small one for lists."""

    jpeg: bytes
    thumbnail: bytes
    width: int
    height: int

    @property
    def digest(self) -> str:
        """Give a text by which photographs of the same content are known."""
        return hashlib.sha256(self.jpeg).hexdigest()


def clean_photo(file: BinaryIO, settings: Settings) -> Photo:
    """Give the photograph in `file` as it is to be kept.

    Raises:
        RefusedError: it is no image (400), damaged (400), too small (400), or has too many pixels (413).
    """
    with _decoding:
        try:
            image = _upright_pixels(file, settings)
        except (RefusedError, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            raise _too_many_pixels(settings) from error
        except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble over
            raise RefusedError(
                400, "the photograph cannot be read: send a JPEG, PNG or WebP that opens"
            ) from error
        small = image.copy()
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        return Photo(_as_jpeg(image), _as_jpeg(small), image.width, image.height)


def _upright_pixels(file: BinaryIO, settings: Settings) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > settings.most_photo_pixels:
            raise _too_many_pixels(settings)
        if min(image.size) < SMALLEST_SIDE:
            raise RefusedError(
                400, f"the photograph has fewer than {SMALLEST_SIDE} pixels a side: send a larger one"
            )
        image.draft(
            "RGB", (settings.kept_side, settings.kept_side)
        )  # a JPEG decodes at a fraction of its size
        upright = _with_8_bits(_turned(image)).convert("RGB")
    upright.thumbnail((settings.kept_side, settings.kept_side))
    upright.info.clear()
    return upright


def _turned(image: Image.Image) -> Image.Image:
    """Give it as the camera was held; as it is stored where a damaged EXIF block does not tell."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of damaged pixels, too: they are told when they are read
        return image


def _with_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit greys, Pillow's modes I and I;16: `convert` would cut off all above 255, to white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))


def _as_jpeg(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def _too_many_pixels(settings: Settings) -> RefusedError:
    most = settings.most_photo_pixels / 1e6
    return RefusedError(413, f"the photograph has more than {most:g} million pixels: send a smaller one")
