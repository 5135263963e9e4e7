"""From a data set and a recipe to a trained model in a run folder."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from ssd_keras.data.loader import TrainingLoader
from ssd_keras.data.samples import Dataset, Split
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector
from ssd_keras.models.building import build_on_backbone, build_preset
from ssd_keras.models.ssd import SSD
from ssd_keras.training.callbacks import EpochLog, EvaluateAndSave, ShowProgress, StopAtLostLoss
from ssd_keras.training.curves import draw_curves
from ssd_keras.training.feeding import make_augmentation, make_cache
from ssd_keras.training.freezing import freeze
from ssd_keras.training.optimizers import make_optimizer
from ssd_keras.training.recipe import AnchorSettings, Recipe
from ssd_keras.training.run_folder import RunFolder
from ssd_keras.weights.selection import select_classes

SETTINGS_OF_THE_MODEL = (
    *("model", "backbone", "backbone_options", "image_size"),
    *("anchors", "variances", "neutral_threshold"),
)
"""Those that a recipe cannot give where the model comes from a file."""

logger = logging.getLogger(__name__)

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
        folder: where everything lies.
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


def build_model(recipe: Recipe, class_names: tuple[str, ...]) -> SSD:
    """Make the untrained detector that a recipe describes, its initial weights drawn from the recipe's seed.

    Raises:
        InputError: there is no such model, or its anchors do not fit it.
    """
    keras.utils.set_random_seed(recipe.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISIONS[recipe.precision])
    try:
        model = _start_from(recipe, class_names) if _is_file(recipe.weights) else _build(recipe, class_names)
    finally:
        keras.config.set_dtype_policy(before)
    freeze(model, recipe.freeze)
    return model


def train(model: SSD, dataset: Dataset, recipe: Recipe, quiet: bool = False) -> Run:
    """Train a detector and leave model, log and curves in the run folder.

    Args:
        model: of `build_model`, or any other `SSD`.
        dataset: opened with the model's class names.
        recipe: all settings but those of the model.
        quiet: show no progress.

    Raises:
        InputError: a split does not exist or has no image, the run folder is taken, or the loss is lost.
    """
    train_split, val_split = choose_splits(dataset, recipe)
    if val_split is None:
        logger.info("no val split: nothing is measured during training, and the last model is kept as it is")
    loader = TrainingLoader(
        train_split,
        model.image_size,
        recipe.batch_size,
        make_augmentation(recipe.augmentation, train_split),
        recipe.seed,
        recipe.workers,
        make_cache(recipe),
    )
    folder = RunFolder.create(recipe)
    steps = loader.steps_per_epoch
    model.compile(optimizer=make_optimizer(recipe, steps))
    saver = EvaluateAndSave(folder, recipe, steps * recipe.batch_size, val_split)
    log = EpochLog(folder.log)
    progress = ShowProgress(recipe.epochs, steps, recipe.batch_size, quiet)
    callbacks = [
        StopAtLostLoss(folder, loader),
        saver,
        log,
        progress,
    ]
    if recipe.ema_momentum:
        # First, so that evaluation and saving at the end of an epoch see the averaged weights.
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    started = time.perf_counter()
    try:
        history = model.fit(
            loader.batches,
            epochs=recipe.epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    finally:  # also where the loss is lost or Ctrl-C is pressed
        progress.close()
        log.on_train_end()
        if saver.finished_epochs:
            draw_curves(folder)
    seconds = time.perf_counter() - started
    metrics = {key: values[-1] for key, values in history.history.items() if "loss" in key}
    metrics["mAP"] = saver.best if math.isfinite(saver.best) else None
    run = Run(
        folder.path,
        folder.model,
        saver.finished_epochs,
        recipe.epochs * steps * recipe.batch_size / seconds,
        seconds,
        metrics,
        loader.skipped,
    )
    folder.write_json("metrics.json", run.as_json())
    return run


def choose_splits(dataset: Dataset, recipe: Recipe) -> tuple[Split, Split | None]:
    """Give the split to train on and the one to evaluate on during training, if there is one.

    Raises:
        InputError: a split the recipe names does not exist, or nothing says which one to train on.
    """
    train_split = dataset[recipe.train_split] if recipe.train_split else dataset.usual("train")
    if train_split is None and len(dataset) == 1:
        train_split = next(iter(dataset.values()))
    if train_split is None:
        raise InputError(f"none of the splits {', '.join(dataset)} is 'train': name one with --train-split")
    if recipe.val_split:
        return train_split, dataset[recipe.val_split]
    val_split = dataset.usual("val")
    return train_split, None if val_split is train_split else val_split


def _is_file(weights: str | None) -> bool:
    return weights not in (None, "imagenet")


def _build(recipe: Recipe, class_names: tuple[str, ...]) -> SSD:
    """Build the detector of a preset, or one on any other base network."""
    settings = {
        "image_size": recipe.image_size,
        "variances": recipe.variances,
        "neutral_threshold": recipe.neutral_threshold,
        "weights": recipe.weights,
        "anchors": recipe.anchors.sizes,
        "anchor_changes": _anchor_changes(recipe.anchors),
        "backbone_options": recipe.backbone_options,
    }
    changes: dict[str, Any] = {name: value for name, value in settings.items() if value}
    if recipe.backbone:
        return build_on_backbone(recipe.backbone, class_names, **changes)
    return build_preset(recipe.model, class_names, **changes)


def _start_from(recipe: Recipe, class_names: tuple[str, ...]) -> SSD:
    """Load the detector that training starts from, with heads for the classes of the data set."""
    usual = Recipe()
    fixed = [name for name in SETTINGS_OF_THE_MODEL if getattr(recipe, name) != getattr(usual, name)]
    if fixed:
        raise InputError(
            f"weights {recipe.weights} bring their own model: leave {fixed[0]!r} out, or start from imagenet"
        )
    model = load_detector(str(recipe.weights))
    kept = [name for name in class_names if name in model.class_names]
    logger.info(
        "weights %s: heads kept for %s; begun anew for %s",
        recipe.weights,
        ", ".join(kept) or "the background alone, as it knows none of these classes",
        ", ".join(name for name in class_names if name not in kept) or "none",
    )
    return select_classes(model, class_names, PRECISIONS[recipe.precision])


def _anchor_changes(settings: AnchorSettings) -> dict[str, Any]:
    """Give what a recipe changes in the description of the anchors, by the names it has there."""
    changes = settings.model_dump(exclude_none=True, exclude={"sizes", "aspect_ratios_per_layer"})
    if settings.aspect_ratios_per_layer:
        changes["aspect_ratios"] = settings.aspect_ratios_per_layer
    return changes
