"""What a training run is told before it starts: what its data cannot teach, and what cannot be measured."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ssd_keras.boxes.coverage import measure_coverage
from ssd_keras.data.checks import counted, image_size
from ssd_keras.data.images import StoredImage, read_image
from ssd_keras.data.inspection.anchor_fit import boxes_of
from ssd_keras.data.inspection.class_names import misspelt_classes
from ssd_keras.data.samples import ALL, Dataset, GroundTruth, Split
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe

if TYPE_CHECKING:
    from ssd_keras.models.loss import MultiBoxLoss
    from ssd_keras.models.ssd import SSD

logger = logging.getLogger(__name__)

IMAGES_COMPARED = 200
"""The objects of so many images are compared with the anchors: enough to see that hardly any fits."""

BADLY_COVERED = 0.9

USED_BY = {
    "milestones": ("schedule", ("multi_step",)),
    "decay_factor": ("schedule", ("multi_step", "plateau")),
    "plateau_patience": ("schedule", ("plateau",)),
    "momentum": ("optimizer", ("sgd", "rmsprop")),
    "cache_mb": ("cache", ("encoded", "decoded")),
}
"""Settings of a recipe that are used with some values of another one only."""

USED_BY_LOSS = {
    "focal_gamma": ("classification", ("focal",)),
    "focal_alpha": ("classification", ("focal",)),
    "negatives": ("classification", ("softmax",)),
    "neg_pos_ratio": ("classification", ("softmax",)),
    "min_negatives": ("negatives", ("batch",)),
}
"""The same under `loss`."""


def choose_splits(dataset: Dataset, recipe: Recipe) -> tuple[Split, Split | None]:
    """Give the split to train on and the one to evaluate on during training, if there is one.

    Raises:
        InputError: a split the recipe names does not exist, or nothing says which one to train on.
    """
    train_split = _named(dataset, recipe.train_split) if recipe.train_split else dataset.usual("train")
    if train_split is None and len(dataset) == 1:
        train_split = next(iter(dataset.values()))
    if train_split is None:
        raise InputError(f"none of the splits {', '.join(dataset)} is 'train': name one with --train-split")
    if recipe.val_split:
        return train_split, dataset[recipe.val_split]
    val_split = dataset.usual("val")
    return train_split, None if val_split is train_split else val_split


def choose_measured_split(val_split: Split | None, recipe: Recipe) -> Split | None:
    """Give the split to evaluate on during training; None, with a word, where there is nothing to measure.

    Raises:
        InputError: the recipe asks for what needs a score.
    """
    if val_split is None:
        reason = "no val split"
    elif not any(_has_something_to_find(sample.ground_truth) for sample in val_split):
        reason = f"split {val_split.name!r} has no object to be found"
    else:
        return val_split
    for setting, asked in (
        ("early_stopping", recipe.early_stopping),
        ("schedule: plateau", recipe.schedule == "plateau"),
    ):
        if asked:
            raise InputError(f"{setting} needs a score: {reason}; name another with --val-split")
    logger.info("%s: nothing is measured during training, and the last model is kept as it is", reason)
    if val_split is None:
        logger.info("ssd convert DATA OUT --to voc --fractions.train 0.8 --fractions.val 0.2 makes one")
    return None


def look_before_training(
    model: SSD, dataset: Dataset, train_split: Split, val_split: Split | None, recipe: Recipe
) -> None:
    """Refuse what would fail later, and log what will not come of the training as it is set up.

    Raises:
        InputError: the classes are not the model's, or there is no image, or none where the score needs it.
    """
    refuse_other_classes(model, train_split)
    refuse_unreadable(val_split)
    say_what_is_missing(model, train_split, recipe.batch_size)
    say_what_is_left_aside(dataset, train_split, recipe)
    say_what_is_remembered(train_split, val_split)
    say_what_is_unused(recipe, model.multibox_loss)


def refuse_other_classes(model: SSD, split: Split) -> None:
    """Raise `InputError` where the labels of a split do not mean the classes of the model."""
    if split.class_names != model.class_names:
        raise InputError(
            f"the model knows the classes {', '.join(model.class_names)}, and split {split.name!r} has "
            f"{', '.join(split.class_names)}: open the data set with the classes of the model, in their order"
        )


def refuse_unreadable(split: Split | None) -> None:
    """Raise `InputError` where an image that the score needs cannot be read: not only after hours.

    Only the beginning of each file is looked at.
    """
    for sample in split or ():
        if image_size(sample.image) is None:
            read_image(sample.image, name=sample.name)  # which says why


def say_what_is_left_aside(dataset: Dataset, train_split: Split, recipe: Recipe) -> None:
    """Log that images of no split are not learned from, as those of a second data set that nobody divided."""
    undivided = dataset.splits.get(ALL)
    if undivided and train_split.name != ALL and not recipe.train_split:
        logger.info(
            "%s of the split %r, which nobody has divided, are not learned from: --train-split %s does",
            counted(len(undivided), "image"),
            ALL,
            f"{train_split.name}+{ALL}",
        )


def say_what_is_unused(recipe: Recipe, loss: MultiBoxLoss) -> None:
    """Log which settings were changed that have no effect beside the others; `loss` is the model's."""
    for group, prefix, used_by, chosen in (
        (recipe, "", USED_BY, recipe),
        (recipe.loss, "loss.", USED_BY_LOSS, loss),
    ):
        for name, (choice, values) in used_by.items():
            usual = type(group).model_fields[name].get_default()
            if getattr(group, name) != usual and getattr(chosen, choice) not in values:
                logger.info(
                    "%s%s has no effect with %s%s %s: it is used only by %s",
                    prefix,
                    name,
                    prefix,
                    choice,
                    getattr(chosen, choice),
                    " or ".join(values),
                )


def say_what_is_remembered(train_split: Split, val_split: Split | None) -> None:
    """Log how many images are learned from and measured on as well."""
    if val_split is None:
        return
    learned = {sample.name for sample in train_split if isinstance(sample.image, Path | StoredImage)}
    both = sum(sample.name in learned for sample in val_split)
    if both:
        logger.info(
            "%d of the %d images of split %r are learned from as well: the score during training says what "
            "is remembered, not how well the detector works",
            both,
            len(val_split),
            val_split.name,
        )


def say_what_is_missing(model: SSD, split: Split, batch_size: int) -> None:
    """Log what a split cannot teach a detector; `InputError` where it has no image."""
    if not len(split):
        raise InputError(f"split {split.name!r} has no image to learn from: name another with --train-split")
    if len(split) < batch_size:
        logger.info(
            "batch_size %d is more than the images there are (%d): a step shows them repeatedly, lower it",
            batch_size,
            len(split),
        )
    labels = [sample.ground_truth.labels for sample in split]
    counts = np.bincount(np.concatenate(labels), minlength=len(model.class_names))
    missing = [name for name, count in zip(model.class_names, counts, strict=True) if not count]
    if missing:
        logger.info("split %r has no object of %s to learn from", split.name, ", ".join(missing))
    for name, likely in misspelt_classes(dict(zip(model.class_names, counts.tolist(), strict=True))).items():
        logger.info("class %r is probably %r misspelt: ssd inspect says where it is", name, likely)
    _say_what_anchors_miss(model, split)


def _say_what_anchors_miss(model: SSD, split: Split) -> None:
    """Log if many objects overlap with no anchor by half: they are hardly learned."""
    labelled = [sample for sample in split if len(sample.ground_truth)][:IMAGES_COMPARED]
    compared = boxes_of(labelled)
    if not len(compared):
        return
    feature_sizes = [(feature.shape[1], feature.shape[2]) for feature in model.backbone.outputs]
    coverage = measure_coverage(model.anchors, model.image_size, feature_sizes, compared)
    if coverage.share < BADLY_COVERED:
        logger.info(
            "only %d %% of the objects overlap with an anchor by half: --anchors.fit chooses anchors for "
            "them ('ssd anchors DATA --image-size %d %d' shows which), and a larger image_size helps as well",
            int(100 * coverage.share),
            *model.image_size,
        )


def _named(dataset: Dataset, name: str) -> Split:
    """Give a split, or several joined with +, as in trainval+test; an image in two of them comes once."""
    if name in dataset or "+" not in name:
        return dataset[name]
    samples = {id(sample): sample for part in name.split("+") for sample in dataset[part]}
    return Split(name, tuple(samples.values()), dataset.class_names)


def _has_something_to_find(truth: GroundTruth) -> bool:
    return not (truth.difficult | truth.crowd).all()
