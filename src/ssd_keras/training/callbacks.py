"""What happens around the training steps: evaluation, saving, progress, and the stop at a lost loss."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ssd_keras.data.loader import TrainingLoader
from ssd_keras.data.samples import Split
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import save_detector
from ssd_keras.inference.scoring import evaluate
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import RunFolder


class EvaluateAndSave(keras.callbacks.Callback):
    """After an epoch: measure mAP on the val split when it is due, save the last model and the best.

    Adds `val_mAP` (NaN where not measured), `images_per_second` and `learning_rate` to the epoch's logs.
    """

    def __init__(self, folder: RunFolder, recipe: Recipe, images_per_epoch: int, split: Split | None) -> None:
        super().__init__()
        self.folder = folder
        self.recipe = recipe
        self.images_per_epoch = images_per_epoch
        self.split = split
        self.best = -math.inf
        self.finished_epochs = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock of the epoch."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Evaluate, save, and complete the logs."""
        if logs is None or not math.isfinite(logs["loss"]):
            return
        logs["images_per_second"] = self.images_per_epoch / (time.perf_counter() - self._started)
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["val_mAP"] = self._evaluate() if self._is_due(epoch) else math.nan
        self.finished_epochs = epoch + 1
        save_detector(self.model, self.folder.last_model)
        if logs["val_mAP"] > self.best:
            self.best = logs["val_mAP"]
            save_detector(self.model, self.folder.best_model)

    def _is_due(self, epoch: int) -> bool:
        finished = epoch + 1
        return finished % self.recipe.evaluate_every == 0 or finished == self.recipe.epochs

    def _evaluate(self) -> float:
        if self.split is None:
            return math.nan
        return evaluate(self.model, self.split, self.recipe.protocol).mAP


class StopAtLostLoss(keras.callbacks.Callback):
    """Stop the run at a loss that is not finite, and say which images were in that batch."""

    def __init__(self, folder: RunFolder, loader: TrainingLoader) -> None:
        super().__init__()
        self.folder = folder
        self.loader = loader
        self._step = -1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Check the loss of the step; `InputError` where it is lost."""
        self._step += 1
        if logs is None or math.isfinite(float(logs["loss"])):
            return
        kept = self.folder.last_model
        good = (
            f"the last good model is {kept}"
            if kept.exists()
            else "no epoch was finished, so no model was saved"
        )
        raise InputError(
            f"the loss is not finite at step {self._step + 1}, with the images "
            f"{', '.join(self.loader.names_of_batch(self._step))}: "
            f"look at their labels, or lower learning_rate; {good}"
        )


class EpochLog(keras.callbacks.CSVLogger):
    """Keras's log, with the epochs counted from 1 as everywhere people see them."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the line of the epoch."""
        super().on_epoch_end(epoch + 1, logs)


class ShowProgress(keras.callbacks.Callback):
    """Show rates, losses and the remaining time: a bar on a terminal, a line an epoch elsewhere."""

    def __init__(self, epochs: int, steps_per_epoch: int, batch_size: int, quiet: bool = False) -> None:
        super().__init__()
        self.epochs = epochs
        self.batch_size = batch_size
        self._console = Console(stderr=True, quiet=quiet)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} images/s, loss {task.fields[loss]:.3f}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("training", total=epochs * steps_per_epoch, rate=0.0, loss=math.nan)

    def on_train_begin(self, logs: Any = None) -> None:
        """Show the bar."""
        self._started = time.perf_counter()
        self._bar.start()

    def close(self) -> None:
        """Take the bar away, however the training ended."""
        self._bar.stop()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Move the bar on by one step."""
        done = self._bar.tasks[0].completed + 1
        rate = done * self.batch_size / (time.perf_counter() - self._started)
        self._bar.update(self._task, advance=1, rate=rate, loss=float((logs or {}).get("loss", math.nan)))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Print the line of the epoch."""
        if not logs or not math.isfinite(logs["loss"]):
            return
        elapsed = time.perf_counter() - self._started
        remaining = elapsed / (epoch + 1) * (self.epochs - epoch - 1)
        score = f", mAP {logs['val_mAP']:.3f}" if math.isfinite(logs.get("val_mAP", math.nan)) else ""
        self._console.print(
            f"epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.3f}{score}, "
            f"{logs['images_per_second']:.1f} images/s, {readable_time(remaining)} left",
            highlight=False,
        )


def readable_time(seconds: float) -> str:
    """Give a time as a person says it: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
