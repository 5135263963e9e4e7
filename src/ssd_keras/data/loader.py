"""The loader: samples in, batches out, in threads beside the training step, in an order that a seed fixes.

A batch is what `SSD.fit` takes: x = images, uint8 (B, H, W, 3); y = {"boxes": (B, M, 4) float32 relative
`xyxy`, "labels": (B, M) int32, −1 = padding}. Targets are made inside the step, so this is all that travels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grain
import numpy as np
from absl import flags
from numpy.typing import NDArray

from ssd_keras.data.augment.one_touch import Augmentation, AugmentedSample
from ssd_keras.data.augment.operations import OperationError
from ssd_keras.data.cache import ImageCache
from ssd_keras.data.samples import Sample, Split
from ssd_keras.data.worker_processes import WatchedBatches, WorkedBatches, refuse_second_start, start_worker
from ssd_keras.errors import InputError

Size = tuple[int, int]

PADDED_TO = 8
"""M, the number of padded boxes, is a multiple of this."""

THREADS = max(2, min(os.cpu_count() or 2, 8))
"""From two to eight: OpenCV releases the interpreter's lock, and two feed one step several times over."""

BATCHES_AHEAD = 4

MOST_CLASSES = 2**31
"""Where nobody says how many there are."""

ENDLESS = 1_000_000
"""Epochs; without a number, Grain cannot count the batches."""

Batch = tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]


class AugmentationError(InputError):
    """An operation of augmentation is at fault, not the image: nothing is left out, and the run ends."""


def _failed(sample: Sample, reason: str) -> AugmentationError:
    return AugmentationError(f"{sample.name}: its augmentation failed ({reason}): correct the operation")


class _Collated(NamedTuple):
    """A batch on its way from a worker, with the errors of the images that were left out, by their names."""

    batch: Batch
    errors: dict[str, str]


@dataclass
class TrainingLoader:
    """Endless augmented batches of a split, shuffled anew each epoch.

    Whatever the number of threads and processes, the batches are the same: all is drawn from the seed and the
    position of an image in the endless order. (What a cache keeps, bytes or pixels, decides how JPEGs are
    decoded; how much it keeps decides nothing.)

    Attributes:
        samples: of the training split.
        image_size: (height, width) of the batches' images.
        batch_size: B, of all shards together.
        augmentation: a chain of `data/augment/chains`.
        seed: fixes the order and all that the augmentation draws.
        workers: processes that make batches; 0: threads of this process do.
        cache: keeps images in memory, or None.
        shard: (index, count): make only this part of each batch, B / count images, for one of several
            processes that train together.
        skipped: the errors of images that could not be read, by name. In the place of such an image comes the
            next one of the split.
        failure: the user's error with which the batches ended, or None. `fit` on TensorFlow hides it in an
            error of its own; `telling_failure` gives it back.

    Raises:
        InputError: there is no sample, the batch cannot be divided among the shards, or this is a worker that
            runs a script which does not say what is for the main process alone.
    """

    samples: Sequence[Sample] = field(repr=False)  # Grain asks for the text of what it calls
    image_size: Size
    batch_size: int
    augmentation: Augmentation
    seed: int
    workers: int = 0
    cache: ImageCache | None = None
    shard: tuple[int, int] = (0, 1)
    skipped: dict[str, str] = field(default_factory=dict)
    failure: InputError | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.workers:
            refuse_second_start()
        if not self.samples:
            raise InputError("there is no image to train on: check the data set with 'ssd inspect DATA'")
        if self.batch_size % self.shard[1]:
            raise InputError(
                f"a batch of {self.batch_size} images cannot be divided among {self.shard[1]} processes: "
                f"choose a multiple of {self.shard[1]} as batch_size"
            )
        mixed = getattr(self.augmentation, "most_samples", 1)  # only chains of operations add objects
        most = mixed * max(len(sample.ground_truth) for sample in self.samples)
        self._padded_boxes = max(1, -(-most // PADDED_TO)) * PADDED_TO

    @property
    def steps_per_epoch(self) -> int:
        """How many batches show about every sample once."""
        return max(1, len(self.samples) // self.batch_size)

    @property
    def batches(self) -> grain.IterDataset:
        """The batches, as `fit` takes them."""
        return self.batches_from(0)

    def batches_from(self, step: int) -> grain.IterDataset:
        """Give the batches from number `step` on, counted from 0: there a stopped run goes on."""
        index, count = self.shard
        mine = self._augmented().slice(slice(step * self.batch_size + index, None, count))
        batches = mine.batch(self.batch_size // count, batch_fn=self._collate)
        reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=BATCHES_AHEAD)
        made = batches.to_iter_dataset(reading)
        if self.workers:
            if not flags.FLAGS.is_parsed():  # Grain's processes read absl's flags, which this program has not
                flags.FLAGS.mark_as_parsed()
            made = made.mp_prefetch(grain.MultiprocessingOptions(num_workers=self.workers), start_worker)
            made = WorkedBatches(made)
        return WatchedBatches(made.map(self._taken), self._remember)

    def _remember(self, failure: InputError) -> None:
        self.failure = failure

    @contextmanager
    def telling_failure(self) -> Iterator[None]:
        """Raise the error with which the batches ended in place of any that it became on its way.

        Raises:
            InputError: `failure`.
        """
        try:
            yield
        except Exception as error:
            if self.failure is None or error is self.failure:
                raise
            raise self.failure from error

    def batch(self, step: int) -> Batch:
        """Make the batch number `step`, counted from 0, of all shards, again."""
        augmented = self._augmented()
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        return self._collate([augmented[position] for position in positions]).batch

    def names_of_batch(self, step: int) -> list[str]:
        """Name the images of the batch number `step`, counted from 0, of all shards."""
        order = self._order()
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [
            next(sample.name for _, sample in self._from(order[position]) if sample.name not in self.skipped)
            for position in positions
        ]

    def _order(self) -> grain.MapDataset:
        return grain.MapDataset.range(len(self.samples)).seed(self.seed).shuffle().repeat(ENDLESS)

    def _augmented(self) -> grain.MapDataset:
        return self._order().random_map(self._augment)

    def _from(self, number: int) -> Iterator[tuple[int, Sample]]:
        """Give the sample `number`, then those that take its place if it cannot be read."""
        count = len(self.samples)
        for index in range(number, number + count):
            yield index % count, self.samples[index % count]

    def _augment(self, number: int, rng: np.random.Generator) -> tuple[AugmentedSample, dict[str, str]]:
        """Augment the sample `number`, or the next that can be read; with the errors of the others.

        Raises:
            AugmentationError: an operation is at fault.
            InputError: no image can be read.
        """
        errors: dict[str, str] = {}
        for index, sample in self._from(int(number)):
            try:
                return self._augment_one(index, sample, rng), errors
            except AugmentationError:
                raise
            except InputError as error:
                errors[sample.name] = str(error)
        first = next(iter(errors.values()))
        raise InputError(f"no image of the train split can be read; the first: {first}")

    def _augment_one(self, index: int, sample: Sample, rng: np.random.Generator) -> AugmentedSample:
        try:
            loaded = sample if self.cache is None else self.cache.load(index, sample)
            augmented = self.augmentation(loaded, rng, self.image_size)
        except OperationError as error:
            raise _failed(sample, str(error)) from error
        except InputError:
            raise
        except Exception as error:  # of an operation of the user's
            raise _failed(sample, f"{type(error).__name__}: {error}") from error
        self._check_objects(sample, augmented)
        return augmented

    def _check_objects(self, sample: Sample, augmented: AugmentedSample) -> None:
        """Raise `AugmentationError` where there are more objects than there is room, or of other classes."""
        count, labels = len(augmented.labels), augmented.labels
        if count > self._padded_boxes:
            raise _failed(
                sample,
                f"{count} objects where there is room for {self._padded_boxes}; a function that adds objects "
                "says in its attribute partner_count of how many other images",
            )
        classes = len(self.samples.class_names) if isinstance(self.samples, Split) else MOST_CLASSES
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise _failed(sample, f"it gave the label {wrong[0]}, and they go from 0 to {classes - 1}")

    def _collate(self, rows: Sequence[tuple[AugmentedSample, dict[str, str]]]) -> _Collated:
        boxes = np.zeros((len(rows), self._padded_boxes, 4), np.float32)
        labels = np.full((len(rows), self._padded_boxes), -1, np.int32)
        errors: dict[str, str] = {}
        for row, (sample, failed) in enumerate(rows):
            boxes[row, : len(sample.boxes)] = sample.boxes
            labels[row, : len(sample.labels)] = sample.labels
            errors |= failed
        images = np.stack([sample.image for sample, _ in rows])
        return _Collated((images, {"boxes": boxes, "labels": labels}), errors)

    def _taken(self, made: _Collated) -> Batch:
        """Take a batch over from whoever made it, in this process."""
        self.skipped.update(made.errors)
        images, truth = made.batch
        if not self.workers:
            return images, truth
        # Grain's processes hand over shared memory; what is copied out of it can be freed at once.
        return images.copy(), {name: values.copy() for name, values in truth.items()}
