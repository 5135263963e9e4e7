"""What finds objects, whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.images import ImageSource
from ssd_keras.detections import Detections

Precision = Literal["float32", "bfloat16"]
"""In which an artefact is computed."""


class Detector(Protocol):
    """What finds objects: a Keras model (`SSD`) and an exported artefact (`Artefact`) alike."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of all classes, without background."""

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""

    def detect_batch(
        self,
        batch: NDArray[np.uint8],
        sizes: Sequence[tuple[int, int]],
        threshold: float = 0.5,
        fast: bool = False,
    ) -> list[Detections]:
        """Find objects in a batch (B, H, W, 3) uint8 RGB at the input size.

        `sizes` are (height, width) of the original images, in whose pixels the boxes are given. Images of the
        batch beyond the last of the sizes are padding.
        """

    def detect(
        self,
        images: ImageSource | Sequence[ImageSource],
        threshold: float = 0.5,
        fast: bool = False,
        batch_size: int = 8,
    ) -> list[Detections]:
        """Find objects in images of any size: files, encoded bytes, or (H, W, 3) uint8 RGB pixels."""
