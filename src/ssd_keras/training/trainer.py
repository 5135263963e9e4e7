"""From a data set and a recipe to a trained model in a run folder, at once or after stops."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from ssd_keras.data.loader import Batch, TrainingLoader
from ssd_keras.data.samples import Dataset
from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.training import callbacks
from ssd_keras.training.averaging import EndWithOwnWeights, keep_average
from ssd_keras.training.checkpoints import Progress
from ssd_keras.training.curves import draw_curves
from ssd_keras.training.devices import choose_devices, copy_variables
from ssd_keras.training.expectations import (
    choose_measured_split,
    choose_splits,
    look_before_training,
)
from ssd_keras.training.feeding import digest_of, make_augmentation, make_cache
from ssd_keras.training.optimizers import make_optimizer
from ssd_keras.training.progress_bar import ShowProgress
from ssd_keras.training.recipe import Recipe, with_absolute_paths, with_rate
from ssd_keras.training.report import write_report
from ssd_keras.training.run_folder import RunFolder
from ssd_keras.training.several_hosts import ALONE, Hosts, telling_of_lost_processes
from ssd_keras.training.stopped import refuse_changes, refuse_other_data, stopped_model, write_architecture
from ssd_keras.training.together import Together
from ssd_keras.training.waiting import TimedBatches

PICTURES = 16
"""So many images of the first batch are kept to be shown."""

STOPPED = "stopped after step %d; saved is step %d: go on from there with 'ssd resume %s'"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
        folder: where everything lies.
        model: the best model in it, or the last where none was measured.
        epochs: how many were trained.
        images_per_second: over all of the training, evaluation and saving included.
        seconds: how long it took.
        metrics: the last losses, the best mAP on the val split (None without one).
        skipped: what was wrong with images that could not be read, by name.
    """

    folder: Path
    model: Path
    epochs: int
    images_per_second: float
    seconds: float
    metrics: dict[str, float | None]
    skipped: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Give what `ssd train --json` prints."""
        return {
            "run": str(self.folder),
            "model": str(self.model),
            "epochs": self.epochs,
            "images_per_second": round(self.images_per_second, 2),
            "seconds": round(self.seconds, 1),
            "metrics": self.metrics,
            "skipped_images": len(self.skipped),
        }


def train(model: SSD, dataset: Dataset, recipe: Recipe, quiet: bool = False, hosts: Hosts = ALONE) -> Run:
    """Train a detector and leave model, log and curves in the run folder.

    Args:
        model: of `build_model`, or any other `SSD`.
        dataset: opened with the model's class names.
        recipe: all settings but those of the model.
        quiet: show no progress.
        hosts: of `connect`, where several processes train together; all but the first write nothing.

    Raises:
        InputError: a split does not exist or has no image, its classes are not the model's, the run folder is
            taken, the loss is lost, or another process is gone.
    """
    recipe = with_rate(recipe)
    training = _Training(model, dataset, recipe, quiet, hosts)
    if not hosts.first:
        return training.follow(Path(hosts.share("folder")))
    folder = RunFolder.create(recipe)
    hosts.share("folder", str(folder.path))
    write_architecture(model, folder)
    with folder.locked():
        folder.checkpoints.save(training.model, training.progress)
        folder.keep_batch(folder.first_batch, training.first_images())
        folder.begin(recipe)
        return training.run(folder)


def resume(
    path: Path, dataset: Dataset, model: SSD | None = None, quiet: bool = False, hosts: Hosts = ALONE
) -> Run:
    """Go on with a run exactly where its last checkpoint was saved.

    Args:
        path: the run folder.
        dataset: the one of the run, with the same images and labels.
        model: of `stopped_model`, which is the default.
        quiet: show no progress.
        hosts: as of `train`; the run folder lies on storage that all of them share.

    Raises:
        InputError: the run is finished or cannot go on, the data set is another one, or a process is gone.
    """
    folder = RunFolder.open(path)
    model = model or stopped_model(path)
    refuse_other_data(path, dataset.class_names == model.class_names)
    training = _Training(model, dataset, folder.recipe, quiet, hosts)
    with folder.locked() if hosts.first else nullcontext():
        now = training.progress

        def check(then: Progress) -> None:
            refuse_changes(path, then.recipe, now.recipe)
            refuse_other_data(path, then.digest == now.digest)

        training.progress = folder.checkpoints.restore(training.model, check)
        step = training.progress.step
        if hosts.share("step", step) != step:
            raise InputError(
                f"{path} is at step {step} here and not in process 0: put it on storage that all hosts share"
            )
        training.forget_a_lost_best(folder)
        if not hosts.first:
            return training.follow(path)
        logger.info("going on after step %d", step)
        if training.progress.log:  # what stands in the folder may be damaged, or an epoch ahead
            callbacks.write_log(folder, training.progress)
        return training.run(folder)


class _Training:
    """A run in this process: what it is made of, and how it goes on from its progress."""

    def __init__(self, model: SSD, dataset: Dataset, recipe: Recipe, quiet: bool, hosts: Hosts) -> None:
        train_split, val_split = choose_splits(dataset, recipe)
        self.val_split = choose_measured_split(val_split, recipe)
        look_before_training(model, dataset, train_split, self.val_split, recipe)
        self.devices = choose_devices(recipe, model.multibox_loss, hosts.count)
        hosts.meet("model")
        self.model = self.devices.model_on_all(model)
        self.hosts = hosts
        self.together = Together(model, self.devices, hosts)
        self.recipe = recipe
        self.quiet = quiet or not hosts.first
        self.loader = TrainingLoader(
            train_split,
            model.image_size,
            recipe.batch_size,
            make_augmentation(recipe.augmentation, train_split),
            recipe.seed,
            recipe.workers,
            make_cache(recipe),
            (hosts.index, hosts.count),
        )
        self.progress = Progress(
            digest=digest_of(train_split, self.val_split),
            recipe=with_absolute_paths(recipe).model_dump(mode="json"),
        )
        with self.devices.making():
            self.model.compile(optimizer=make_optimizer(recipe, self.model, self.loader.steps_per_epoch))
            self.model.optimizer.build(self.model.trainable_variables)

    def forget_a_lost_best(self, folder: RunFolder) -> None:
        """Let the next model that is measured be the best one, where the best so far was removed."""
        if self.progress.best is not None and not folder.best_model.exists():
            logger.warning("%s is gone: the best model from here on takes its place", folder.best_model)
            self.progress.best, self.progress.best_epoch = None, 0

    def first_images(self) -> Batch:
        """Give the first images that are trained on, to be shown in the report."""
        images, truth = self.loader.batch(0)
        return images[:PICTURES], {name: values[:PICTURES] for name, values in truth.items()}

    def follow(self, path: Path) -> Run:
        """Train with process 0, which writes the run folder `path`; what is left here is thrown away."""
        with tempfile.TemporaryDirectory() as scratch:
            return replace(self.run(RunFolder(Path(scratch)), str(path)), folder=path)

    def run(self, folder: RunFolder, name: str | None = None) -> Run:
        """Train from the progress to the end, and leave what a finished run leaves."""
        steps = self.loader.steps_per_epoch
        batch_size = self.recipe.batch_size
        bar = ShowProgress(self.recipe.epochs, steps, batch_size, self.progress.step, self.quiet)
        try:
            with self.devices.training(), telling_of_lost_processes(self.hosts, name or str(folder.path)):
                self.hosts.meet("start")
                self._fit(folder, bar)
        except KeyboardInterrupt:
            if self.hosts.first:
                saved = folder.checkpoints.newest_step()
                logger.info(STOPPED, self.progress.step, saved, folder.path)
            raise
        finally:  # also where the loss is lost
            bar.close()
            if self.progress.log and self.hosts.first:
                self._draw(folder)
        run = self._result(folder)
        folder.write_json(folder.metrics.name, run.as_json())
        if self.model is not self.together.detector:
            copy_variables(self.model, self.together.detector)
        if self.hosts.first:
            self._report(folder)
        self.hosts.share("end")  # until then, process 0 may still be writing
        return run

    def _draw(self, folder: RunFolder) -> None:
        """Leave the curves; where that fails, why the run ended is told all the same."""
        try:
            draw_curves(folder)
        except InputError as error:
            logger.warning("no curves: %s", error)

    def _report(self, folder: RunFolder) -> None:
        """Leave the report; a finished run is not lost where that fails."""
        try:
            write_report(folder, self.val_split)
        except InputError as error:
            logger.warning("no report: %s", error)

    def _fit(self, folder: RunFolder, bar: ShowProgress) -> None:
        """Call `fit` for the epochs that are left; for one that was begun, separately, as it is shorter."""
        steps = self.loader.steps_per_epoch
        begun = self.progress.step % steps
        if begun:
            end = EndWithOwnWeights()
            self._fit_epochs(folder, bar, self.progress.epochs + 1, steps - begun, [end])
            end.restore()
        if callbacks.is_over(self.recipe, self.progress, self.progress.epochs):
            keep_average(self.model)
            return
        self._fit_epochs(folder, bar, self.recipe.epochs, steps, [])

    def _fit_epochs(
        self,
        folder: RunFolder,
        bar: ShowProgress,
        until: int,
        steps: int,
        more: list[keras.callbacks.Callback],
    ) -> None:
        recipe, progress = self.recipe, self.progress
        batches = TimedBatches(self.loader.batches_from(progress.step))
        chosen = [
            callbacks.KeepProgress(progress, batches, self.loader),
            self.together.stop_at_lost_loss(folder, self.loader, progress),
            self.together.evaluate(folder, recipe, progress, self.val_split),
            bar,
            callbacks.WatchScore(recipe, progress),
            callbacks.LogEpoch(folder, progress),
            *(callbacks.tensorboard(folder) if recipe.tensorboard and self.hosts.first else ()),
            self.together.save(folder, progress, self.loader.steps_per_epoch, recipe.save_minutes),
            *more,
        ]
        with self.loader.telling_failure():
            self.model.fit(
                batches,
                epochs=until,
                initial_epoch=progress.epochs,
                steps_per_epoch=steps,
                callbacks=callbacks.LazyLogs(chosen, add_history=True, model=self.model),
                shuffle=False,
                verbose=0,
            )

    def _result(self, folder: RunFolder) -> Run:
        progress = self.progress
        images = len(progress.log) * self.loader.steps_per_epoch * self.recipe.batch_size
        last = progress.log[-1]
        metrics = {name: value for name, value in last.items() if "loss" in name}
        return Run(
            folder.path,
            folder.model,
            len(progress.log),
            images / progress.seconds,
            progress.seconds,
            {**metrics, "mAP": progress.best},
            self.loader.skipped,
        )
