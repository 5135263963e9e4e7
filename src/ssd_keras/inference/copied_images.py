"""The images that were looked at, copied beside the labels of what was found in them.

Together they are a data set, to be corrected with a labelling program and trained with.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssd_keras.data.images import IMAGE_SUFFIXES, encoded_bytes, read_image
from ssd_keras.data.readers.writing import JPEG_QUALITY, SIGNATURES, as_jpeg, new_folder
from ssd_keras.files import whole_file
from ssd_keras.inference.drawing import encode_picture
from ssd_keras.inference.results.names import ResultNames
from ssd_keras.inference.sources.images import SourceImage


class ImageFile(NamedTuple):
    """What a file of an image contains, and the suffix of its name."""

    content: bytes
    suffix: str


def as_file(image: SourceImage) -> ImageFile:
    """Give an image as a file that every data set can hold.

    Files stay as they are, with their EXIF orientation. Pixels, such as frames of videos, become JPEG; what
    data sets do not hold, such as GIF, becomes PNG.

    Raises:
        InputError: it cannot be read.
    """
    if isinstance(image.content, np.ndarray):
        return ImageFile(as_jpeg(image.content, JPEG_QUALITY), ".jpg")
    content = encoded_bytes(image.content)
    usual = next((suffix for start, suffix in SIGNATURES.items() if content.startswith(start)), None)
    if usual is None:
        return ImageFile(encode_picture(Path("image.png"), read_image(content, name=image.name)), ".png")
    own = Path(image.name).suffix
    return ImageFile(content, own if own.lower() in IMAGE_SUFFIXES else usual)


class CopiedImages:
    """A folder of copies, each under a name by which labels find it.

    Args:
        path: the folder, which is made; there may be nothing in it.
        image_root: the folder that all images are in, if there is one; folders below it stay folders.

    Raises:
        InputError: the folder cannot be written, or has something in it.
    """

    def __init__(self, path: Path, image_root: Path | None = None) -> None:
        self.path = new_folder(path)
        self._names = ResultNames(image_root, labels=path)

    def add(self, image: SourceImage, file: ImageFile) -> Path:
        """Write an image, and give the path of its copy; `InputError` where that is not possible."""
        place = self.path / f"{self._names.of(image.name, image.frame)}{file.suffix}"
        with whole_file(place) as unfinished:
            unfinished.write_bytes(file.content)
        return place
