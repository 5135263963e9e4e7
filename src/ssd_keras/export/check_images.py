"""The images that an artefact is compared with Keras on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.images import IMAGE_SUFFIXES, ImageSource, read_image, resize_image
from ssd_keras.data.street_scenes import street_scenes
from ssd_keras.errors import InputError

IMAGES = 4


def images_for_check(check: str | Path | None, image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """Give a few images (B, H, W, 3) uint8 RGB of `image_size`.

    They are spread over the images at `check`: an image, a folder, or a data set. Without it they are
    generated street scenes.

    Raises:
        InputError: there is no image, or one cannot be read.
    """
    if check is None:
        sources: list[ImageSource] = [image for image, _ in street_scenes(IMAGES, seed=0)]
    else:
        sources = _sources(Path(check))
    spread = np.linspace(0, len(sources) - 1, min(IMAGES, len(sources))).astype(int)
    return np.stack([resize_image(read_image(sources[index]), image_size) for index in spread])


def _sources(check: Path) -> list[ImageSource]:
    if not check.exists():
        raise InputError(f"--check {check} does not exist: give an image, a folder of images, or a data set")
    if check.is_file() and check.suffix.lower() in IMAGE_SUFFIXES:
        return [check]
    files = sorted(file for file in check.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    images: list[ImageSource] = [*files] or [
        sample.image for split in open_dataset(check).values() for sample in split
    ]
    if not images:
        raise InputError(f"--check {check} holds no image: give one that does, or leave --check out")
    return images
