"""Images kept in memory, within a budget, so that later epochs need not read them again."""

from __future__ import annotations

import dataclasses
import threading
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.images import image_content, read_image
from ssd_keras.data.samples import Sample

Kept = Literal["encoded", "decoded"]
"""What is kept of an image: its encoded bytes, or its pixels, which take ten times the room, no decoding.

With encoded bytes, batches are those without a cache. For its pixels each image is decoded in full, kept or
not: batches are those of chains with `reduced_decoding=False`, whatever the budget.
"""


class ImageCache:
    """Keeps the images of samples in memory until the budget is used up; the rest is read each time.

    Nothing is ever thrown out: images are shown in random order, so all are alike likely to be the next.
    Safe in threads. A copy for another process begins empty.
    """

    def __init__(self, kept: Kept, budget: int) -> None:
        """Make an empty cache of `budget` bytes."""
        self.kept = kept
        self.budget = budget
        self.used = 0
        self._images: dict[int, Sample] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Kept, int]:
        return self.kept, self.budget

    def __setstate__(self, state: tuple[Kept, int]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._images)

    def load(self, number: int, sample: Sample) -> Sample:
        """Give the sample `number` of a split with its image in memory, which is kept where there is room.

        Raises:
            InputError: the image cannot be read.
        """
        if isinstance(sample.image, np.ndarray):
            return sample
        known = self._images.get(number)
        if known is not None:
            return known
        loaded = dataclasses.replace(sample, image=self._read(sample))
        size = memoryview(loaded.image).nbytes  # type: ignore[arg-type]
        with self._lock:
            if number not in self._images and self.used + size <= self.budget:
                self._images[number] = loaded
                self.used += size
        return loaded

    def _read(self, sample: Sample) -> bytes | NDArray[np.uint8]:
        if self.kept == "decoded":
            return read_image(sample.image, name=sample.name)
        return image_content(sample.image)
