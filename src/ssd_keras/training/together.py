"""What the callbacks of a run do otherwise on several devices and in several processes.

On several devices, a copy of the model on a single one is what is measured and saved. Of several processes,
the first does that and writes; the others wait and then know what it knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from ssd_keras.data.loader import TrainingLoader
from ssd_keras.data.samples import Split
from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.training import callbacks
from ssd_keras.training.averaging import averaged_weights
from ssd_keras.training.checkpoints import Progress
from ssd_keras.training.devices import Devices, copy_variables
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import RunFolder
from ssd_keras.training.several_hosts import Hosts


@dataclass(frozen=True)
class Together:
    """Makes the callbacks that depend on where a run computes.

    Attributes:
        detector: what is measured and saved: the model itself, or its copy on one device.
        devices: on which the model trains.
        hosts: in which processes.
    """

    detector: SSD
    devices: Devices
    hosts: Hosts

    def stop_at_lost_loss(
        self, folder: RunFolder, loader: TrainingLoader, progress: Progress
    ) -> callbacks.StopAtLostLoss:
        """Give what stops the run at a loss that is not finite; process 0 says why."""
        kind = callbacks.StopAtLostLoss if self.hosts.first else _StopToo
        return kind(folder, loader, progress)

    def evaluate(
        self, folder: RunFolder, recipe: Recipe, progress: Progress, split: Split | None
    ) -> keras.callbacks.Callback:
        """Give what measures and saves the detector after an epoch, or waits for that."""
        if not self.hosts.first:
            return _WaitForScore(self, progress)
        if self.devices.strategy is None:
            return callbacks.EvaluateAndSave(folder, recipe, progress, split)
        return _EvaluateCopy(self, folder, recipe, progress, split)

    def bring_detector_up_to_date(self, trained: SSD) -> None:
        """Give the copy the weights of the model that trains, or their average.

        In all processes, as JAX has them agree on every value that a variable of all is given.
        """
        with averaged_weights(trained):
            copy_variables(trained, self.detector)

    def save(
        self, folder: RunFolder, progress: Progress, steps_per_epoch: int, minutes: float
    ) -> callbacks.SaveCheckpoints:
        """Give what counts epochs and, in process 0, saves checkpoints."""
        kind = callbacks.SaveCheckpoints if self.hosts.first else _CountEpochs
        return kind(folder.checkpoints, progress, steps_per_epoch, minutes)


class _EvaluateCopy(callbacks.EvaluateAndSave):
    """Evaluate and save the copy on one device, and let the other processes know the score."""

    def __init__(self, together: Together, *settings: Any) -> None:
        super().__init__(*settings)
        self.together = together

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(epoch, logs)
        score = logs["val_mAP"]
        told = {
            "score": score if math.isfinite(score) else None,
            "best": self.progress.best,
            "best_epoch": self.progress.best_epoch,
        }
        self.together.hosts.share(f"epoch {epoch}", told)

    @contextmanager
    def _detector(self) -> Iterator[SSD]:
        self.together.bring_detector_up_to_date(self.model)
        with self.together.devices.left():
            yield self.together.detector


class _WaitForScore(keras.callbacks.Callback):
    """Wait until process 0 has measured and saved, and know the score as it does."""

    def __init__(self, together: Together, progress: Progress) -> None:
        super().__init__()
        self.together = together
        self.progress = progress

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.together.bring_detector_up_to_date(self.model)
        told = self.together.hosts.share(f"epoch {epoch}")
        self.progress.best, self.progress.best_epoch = told["best"], told["best_epoch"]
        logs["val_mAP"] = math.nan if told["score"] is None else told["score"]


class _StopToo(callbacks.StopAtLostLoss):
    """Stop where process 0 stops: all see the same loss and the same weights."""

    def _stop(self, step: int, what: str) -> None:
        raise InputError(f"{what} not finite at step {step}: process 0 says with which images")


class _CountEpochs(callbacks.SaveCheckpoints):
    """Count the epochs, and leave saving to process 0."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass

    def _save(self) -> None:
        pass
