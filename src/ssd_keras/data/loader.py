"""The loader: samples in, batches out, in threads beside the training step, in an order that a seed fixes.

A batch is what `SSD.fit` takes: x = images, uint8 (B, H, W, 3); y = {"boxes": (B, M, 4) float32 relative
`xyxy`, "labels": (B, M) int32, −1 = padding}. Targets are made inside the step, so this is all that travels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grain
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.augment.one_touch import Augmentation, AugmentedSample
from ssd_keras.data.image_headers import read_resized
from ssd_keras.data.images import ImageSource
from ssd_keras.data.samples import Sample
from ssd_keras.errors import InputError

Size = tuple[int, int]

PADDED_TO = 8
"""M, the number of padded boxes, is a multiple of this."""

THREADS = 2
"""OpenCV releases the interpreter's lock, so two threads feed one training step several times over."""


@dataclass
class TrainingLoader:
    """Endless augmented batches of a split, shuffled anew each epoch.

    Attributes:
        samples: of the training split.
        image_size: (height, width) of the batches' images.
        batch_size: B.
        augmentation: a chain of `data/augment/chains`.
        seed: fixes the order and all that the augmentation draws.
        skipped: the errors of images that could not be read, by name; the batches go on without them.

    Raises:
        InputError: there is no sample.
    """

    samples: Sequence[Sample]
    image_size: Size
    batch_size: int
    augmentation: Augmentation
    seed: int
    skipped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.samples:
            raise InputError("there is no image to train on: check the data set with 'ssd inspect DATA'")
        most = max(len(sample.ground_truth) for sample in self.samples)
        self._padded_boxes = max(1, -(-most // PADDED_TO)) * PADDED_TO

    @property
    def steps_per_epoch(self) -> int:
        """How many batches show about every sample once."""
        return max(1, len(self.samples) // self.batch_size)

    @property
    def batches(self) -> grain.IterDataset:
        """The batches, as `fit` takes them."""
        samples = self._order().map(lambda number: self.samples[number])
        augmented = samples.random_map(self._augment)
        reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=4 * self.batch_size)
        return augmented.to_iter_dataset(reading).batch(self.batch_size, batch_fn=self._collate)

    def names_of_batch(self, step: int) -> list[str]:
        """Name the images of the batch number `step`, counted from 0."""
        names: list[str] = []
        first, order, position = step * self.batch_size, self._order(), 0
        while len(names) < first + self.batch_size:
            name = self.samples[order[position]].name
            position += 1
            if name not in self.skipped:
                names.append(name)
        return names[first:]

    def _order(self) -> grain.MapDataset:
        return grain.MapDataset.range(len(self.samples)).seed(self.seed).shuffle().repeat()

    def _augment(self, sample: Sample, rng: np.random.Generator) -> AugmentedSample | None:
        """Augment, or leave the sample out (None) where its image cannot be read."""
        try:
            return self.augmentation(sample, rng, self.image_size)
        except InputError as error:
            self.skipped[sample.name] = str(error)
            if len(self.skipped) == len(self.samples):
                raise InputError(f"no image of the split can be read; the first: {error}") from error
            return None

    def _collate(self, batch: Sequence[AugmentedSample]) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
        boxes = np.zeros((len(batch), self._padded_boxes, 4), np.float32)
        labels = np.full((len(batch), self._padded_boxes), -1, np.int32)
        for row, sample in enumerate(batch):
            boxes[row, : len(sample.boxes)] = sample.boxes
            labels[row, : len(sample.labels)] = sample.labels
        return np.stack([sample.image for sample in batch]), {"boxes": boxes, "labels": labels}


class DetectionBatch(NamedTuple):
    """Images on their way to a detector.

    Attributes:
        images: (B, H, W, 3) uint8 at the detector's input size, padded with zeros up to B.
        sizes: (height, width) of the originals, as many as there are images.
        indices: which of the sources they are.
        errors: what was wrong with sources that could not be read, by their index.
    """

    images: NDArray[np.uint8]
    sizes: list[Size]
    indices: list[int]
    errors: dict[int, InputError]


def detection_batches(
    sources: Sequence[ImageSource], image_size: Size, batch_size: int
) -> Iterator[DetectionBatch]:
    """Read images, warp them to `image_size` and batch them, in order, reading ahead in threads.

    Every batch has the same shape, so that the network is compiled once.
    """

    def read(index: int) -> tuple[int, Size, NDArray[np.uint8] | InputError]:
        try:
            size, image = read_resized(sources[index], image_size, f"image {index + 1}")
        except InputError as error:
            return index, (0, 0), error
        return index, size, image

    def collate(rows: Sequence[tuple[int, Size, NDArray[np.uint8] | InputError]]) -> DetectionBatch:
        batch = DetectionBatch(np.zeros((batch_size, *image_size, 3), np.uint8), [], [], {})
        for index, size, image in rows:
            if isinstance(image, InputError):
                batch.errors[index] = image
                continue
            batch.images[len(batch.indices)] = image
            batch.sizes.append(size)
            batch.indices.append(index)
        return batch

    reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=2 * batch_size)
    rows = grain.MapDataset.range(len(sources)).map(read).to_iter_dataset(reading)
    yield from rows.batch(batch_size, batch_fn=collate)
