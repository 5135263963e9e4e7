"""What a person sees of a run while it goes on: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_UPDATES = 0.5
"""To show a loss is to wait for it, which no step on a GPU should do often."""


class ShowProgress(keras.callbacks.Callback):
    """Show rates, losses and the remaining time."""

    def __init__(
        self, epochs: int, steps_per_epoch: int, batch_size: int, first_step: int = 0, quiet: bool = False
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.steps = epochs * steps_per_epoch
        self.batch_size = batch_size
        self.first_step = first_step
        self._done = first_step
        self._shown = -math.inf
        self._started: float | None = None
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
        self._task = self._bar.add_task(
            "training", total=self.steps, completed=first_step, rate=0.0, loss=math.nan
        )

    def on_train_begin(self, logs: Any = None) -> None:
        """Show the bar."""
        if self._started is None:
            self._started = time.perf_counter()
            self._bar.start()

    def close(self) -> None:
        """Take the bar away, however the training ended."""
        self._bar.stop()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar on by one step."""
        self._done += 1
        now = time.perf_counter()
        if self._bar.disable or now - self._shown < SECONDS_BETWEEN_UPDATES:
            return
        self._shown = now
        loss = float((logs or {}).get("loss", math.nan))
        self._bar.update(
            self._task, completed=self._done, rate=self.batch_size / self._step_seconds, loss=loss
        )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the line of the epoch."""
        remaining = (self.steps - self._done) * self._step_seconds
        score = f", mAP {logs['val_mAP']:.3f}" if math.isfinite(logs["val_mAP"]) else ""
        self._console.print(
            f"epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.3f}{score}, "
            f"{logs['images_per_second']:.1f} images/s, {readable_time(remaining)} left",
            highlight=False,
        )

    @property
    def _step_seconds(self) -> float:
        """What a step took so far, with its share of evaluation and saving."""
        assert self._started is not None
        return (time.perf_counter() - self._started) / max(1, self._done - self.first_step)


def readable_time(seconds: float) -> str:
    """Give a time as a person says it: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
