"""What happens around the training steps: counting, evaluation, saving, and the stop at a lost loss.

The callbacks of a run share one `Progress`, which a checkpoint holds, so that a resumed run goes on with what
they knew. Their order matters and is that of this file: the checkpoint comes last.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.loader import TrainingLoader
from ssd_keras.data.samples import Split
from ssd_keras.errors import InputError
from ssd_keras.files import write_text_whole
from ssd_keras.inference.detector import save_detector
from ssd_keras.inference.scoring import evaluate
from ssd_keras.models.ssd import SSD
from ssd_keras.training.averaging import averaged_weights
from ssd_keras.training.checkpoints import Checkpoints, Progress
from ssd_keras.training.devices import bring_variables_up_to_date
from ssd_keras.training.optimizers import solver_of
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import RunFolder
from ssd_keras.training.waiting import TimedBatches


class LazyLogs(keras.callbacks.CallbackList):
    """Hands the means after a step on as they are: making numbers of them lets every step wait on a GPU."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call each callback."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class KeepProgress(keras.callbacks.Callback):
    """Count steps and time, go on with the running means of an epoch begun earlier, and complete its log.

    Adds `images_per_second`, `waiting` (the share of time in which a step waited for data), `gradient_norm`
    (mean over the steps) and `learning_rate` to the epoch's logs.
    """

    def __init__(self, progress: Progress, batches: TimedBatches, loader: TrainingLoader) -> None:
        super().__init__()
        self.progress = progress
        self.batches = batches
        self.loader = loader
        self._means: list[NDArray[Any]] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Keep the means that a checkpoint brought: Keras sets them to 0 when the epoch begins."""
        if self.progress.epoch_seconds:
            self._means = [keras.ops.convert_to_numpy(mean) for mean in self.model.metrics_variables]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clocks of the epoch, or let them go on."""
        if self._means is not None:
            for mean, value in zip(self.model.metrics_variables, self._means, strict=True):
                mean.assign(value)
            self._means = None
        else:
            solver_of(self.model.optimizer).gradient_norms.assign(0.0)
        self.batches.seconds = self.progress.waited
        self._started = time.perf_counter() - self.progress.epoch_seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step."""
        self.progress.step += 1
        self.progress.waited = self.batches.seconds
        self.progress.epoch_seconds = time.perf_counter() - self._started

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Complete the logs."""
        seconds = time.perf_counter() - self._started
        solver = solver_of(self.model.optimizer)
        steps = self.loader.steps_per_epoch
        logs["images_per_second"] = steps * self.loader.batch_size / seconds
        logs["waiting"] = self.progress.waited / seconds
        logs["gradient_norm"] = value_of(solver.gradient_norms) / steps
        logs["learning_rate"] = value_of(solver.learning_rate) * value_of(solver.rate_factor)


class StopAtLostLoss(keras.callbacks.Callback):
    """Stop the run when the loss or the weights are no longer finite, and keep the batch for inspection.

    The loss of a step is looked at when the next one was sent off, so that no step waits for it.
    """

    def __init__(self, folder: RunFolder, loader: TrainingLoader, progress: Progress) -> None:
        super().__init__()
        self.folder = folder
        self.loader = loader
        self.progress = progress
        self._earlier: tuple[int, Any] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Check the loss of the step before this one; `InputError` where it is lost."""
        self._check()
        self._earlier = (self.progress.step, logs["loss"]) if logs else None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Check the loss of the last step, and all that is about to be saved."""
        self._check()
        if not are_finite(self.model.variables):
            self._stop(self.progress.step, "the weights are")
        if not state_is_finite(self.model):
            self._stop(self.progress.step, "the gradients are")

    def _kept(self, step: int) -> Path:
        return self.folder.keep_batch(
            self.folder.path / f"lost-batch-{step}.npz", self.loader.batch(step - 1)
        )

    def _check(self) -> None:
        if self._earlier and not math.isfinite(float(self._earlier[1])):
            self._stop(self._earlier[0], "the loss is")
        self._earlier = None

    def _stop(self, step: int, what: str) -> None:
        kept = self.folder.last_model
        good = f"the last good model is {kept}" if kept.exists() else "no epoch was finished"
        raise InputError(
            f"{what} not finite at step {step}, with the images "
            f"{', '.join(self.loader.names_of_batch(step - 1))}: look at that batch in "
            f"{self._kept(step)}, or lower learning_rate; {good}"
        )


class EvaluateAndSave(keras.callbacks.Callback):
    """After an epoch: measure mAP on the val split when it is due, save the last model and the best.

    With averaged weights where the optimizer keeps any. Adds `val_mAP` (NaN where not measured) to the logs.
    """

    def __init__(self, folder: RunFolder, recipe: Recipe, progress: Progress, split: Split | None) -> None:
        super().__init__()
        self.folder = folder
        self.recipe = recipe
        self.progress = progress
        self.split = split

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate and save."""
        with self._detector() as detector:
            due = self.split and is_measured(self.recipe, epoch + 1)
            score = self._evaluate(detector) if due else math.nan
            save_detector(detector, self.folder.last_model)
            if score > (-math.inf if self.progress.best is None else self.progress.best):
                self.progress.best, self.progress.best_epoch = score, epoch + 1
                save_detector(detector, self.folder.best_model)
        logs["val_mAP"] = score

    @contextmanager
    def _detector(self) -> Iterator[SSD]:
        """Give the detector that is measured and saved."""
        with averaged_weights(self.model):
            yield self.model

    def _evaluate(self, detector: SSD) -> float:
        assert self.split is not None
        return evaluate(detector, self.split, self.recipe.protocol).mAP


class WatchScore(keras.callbacks.Callback):
    """Lower the learning rate on a plateau of the score, and stop early, where the recipe says so."""

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        super().__init__()
        self.recipe = recipe
        self.progress = progress

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Act on how long ago the score was best."""
        finished = epoch + 1
        if self.recipe.schedule == "plateau" and is_measured(self.recipe, finished):
            since = finished - max(self.progress.best_epoch, self.progress.lowered_epoch)
            if since >= self.recipe.plateau_patience:
                factor = solver_of(self.model.optimizer).rate_factor
                factor.assign(factor * self.recipe.decay_factor)
                self.progress.lowered_epoch = finished
        if is_over(self.recipe, self.progress, finished):
            self.model.stop_training = True


def is_measured(recipe: Recipe, finished: int) -> bool:
    """Tell whether the score is measured after `finished` epochs."""
    return finished % recipe.evaluate_every == 0 or finished == recipe.epochs


def is_over(recipe: Recipe, progress: Progress, finished: int) -> bool:
    """Tell whether training ends after `finished` epochs: all of them, or stopped early."""
    if finished >= recipe.epochs:
        return True
    if recipe.early_stopping is None or not is_measured(recipe, finished):
        return False
    return finished - progress.best_epoch >= recipe.early_stopping


class LogEpoch(keras.callbacks.Callback):
    """Add the epoch to `log.csv`, which is written whole."""

    def __init__(self, folder: RunFolder, progress: Progress) -> None:
        super().__init__()
        self.folder = folder
        self.progress = progress

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the log; epochs count from 1, as everywhere people see them."""
        measured = {name: float(value) for name, value in sorted(logs.items())}
        row = {name: value if math.isfinite(value) else None for name, value in measured.items()}
        self.progress.log.append({"epoch": epoch + 1, **row})
        write_log(self.folder, self.progress)


def write_log(folder: RunFolder, progress: Progress) -> None:
    """Write `log.csv` of the epochs that are finished."""
    write_text_whole(folder.log, as_csv(progress.log))


def as_csv(rows: Sequence[dict[str, float | None]]) -> str:
    """Lay rows of the same columns out as CSV; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class SaveCheckpoints(keras.callbacks.Callback):
    """Save a checkpoint at the end of each epoch, and in it whenever the last one is old."""

    def __init__(
        self, checkpoints: Checkpoints, progress: Progress, steps_per_epoch: int, minutes: float
    ) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.progress = progress
        self.steps_per_epoch = steps_per_epoch
        self.seconds = minutes * 60
        self._saved = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock of the epoch with what follows its steps."""
        self._epoch_started = time.perf_counter() - self.progress.epoch_seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save if it is time, but not after the last step of an epoch, which has to be ended first."""
        is_last = self.progress.step % self.steps_per_epoch == 0
        if is_last or time.monotonic() - self._saved < self.seconds:
            return
        bring_variables_up_to_date(self.model)
        if state_is_finite(self.model):  # else the next step says so
            self._save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save with the epoch counted."""
        self.progress.epochs = epoch + 1
        self.progress.seconds += time.perf_counter() - self._epoch_started
        self.progress.epoch_seconds = self.progress.waited = 0.0
        self._save()

    def _save(self) -> None:
        self.checkpoints.save(self.model, self.progress)
        self._saved = time.monotonic()


def tensorboard(folder: RunFolder) -> list[keras.callbacks.Callback]:
    """Give the callback that logs for TensorBoard; `InputError` where that is not installed."""
    for package in ("tensorflow", "tensorboard"):
        if importlib.util.find_spec(package) is None:
            raise InputError(f"tensorboard: the package {package} is not installed: pip install {package}")
    return [keras.callbacks.TensorBoard(folder.path / "tensorboard")]


def value_of(variable: Any) -> float:
    """Give the value of a scalar variable, wherever it lies."""
    return float(keras.ops.convert_to_numpy(variable))


def state_is_finite(model: keras.Model) -> bool:
    """Tell whether nothing a run goes on from became infinite or NaN: weights, gradients kept, means."""
    measured = solver_of(model.optimizer).gradient_norms  # which decides nothing
    kept = [variable for variable in model.optimizer.variables if variable is not measured]
    return are_finite([*model.variables, *kept, *model.metrics_variables])


def are_finite(variables: Iterable[keras.Variable]) -> bool:
    """Tell whether all these variables are finite."""
    return all(np.isfinite(keras.ops.convert_to_numpy(variable)).all() for variable in variables)
