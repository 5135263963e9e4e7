"""Where one geometric operation puts the pixels and the boxes of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.augment.box_map import BoxMap
from ssd_keras.data.augment.geometry import Geometry
from ssd_keras.data.augment.one_touch import whole


@dataclass(frozen=True)
class Placement:
    """What a geometric operation has drawn: pixels and boxes follow the same numbers.

    Attributes:
        geometry: its window has whole pixels for corners, so that nothing has to be rounded for the pixels.
    """

    geometry: Geometry

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the output in pixels."""
        return self.geometry.size

    @property
    def boxes(self) -> BoxMap:
        """The map from pixels of the image to pixels of the output."""
        return self.geometry.box_map

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give the output (H, W, 3) uint8 of an image; the one given is not changed."""
        patch = self.geometry.resize(pixels) if self.geometry.shows_image else None
        return self.geometry.place(patch)


def unmoved(image_size: tuple[int, int]) -> Placement:
    """Give the placement that leaves an image of `image_size` (height, width) as it is."""
    return Placement(Geometry(image_size, whole(image_size), image_size))
