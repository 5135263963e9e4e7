"""From a recipe to the detector that training starts with."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any

import keras
import numpy as np

from ssd_keras.backend import set_random_seed
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_model
from ssd_keras.models.building import build_on_backbone, build_preset
from ssd_keras.models.ssd import SSD
from ssd_keras.training.freezing import freeze
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.settings import AnchorSettings
from ssd_keras.weights.selection import select_classes

SETTINGS_OF_THE_MODEL = (
    *("model", "backbone", "backbone_options", "image_size"),
    *("preprocessing", "anchors", "variances", "iou_threshold", "neutral_threshold"),
)
"""Those that a recipe cannot give where the model comes from a file."""

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}

OBJECT_PRIOR = 0.01
"""With focal loss, the probability that a new head gives to all classes together."""

CONFIDENCE_HEAD = "_mbox_conf"

logger = logging.getLogger(__name__)


def build_model(recipe: Recipe, class_names: tuple[str, ...]) -> SSD:
    """Make the untrained detector that a recipe describes, its initial weights drawn from the recipe's seed.

    Raises:
        InputError: there is no such model, its anchors do not fit it, or they are still to be chosen.
    """
    if recipe.anchors.fit:
        raise InputError("anchors.fit needs a data set: give what with_fitted_anchors makes of the recipe")
    set_random_seed(recipe.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISIONS[recipe.precision])
    try:
        model = _start_from(recipe, class_names) if _is_file(recipe.weights) else _build(recipe, class_names)
    finally:
        keras.config.set_dtype_policy(before)
    changes = recipe.loss.model_dump(exclude_none=True)
    if "focal_alpha" in recipe.loss.model_fields_set:  # where null has a meaning
        changes["focal_alpha"] = recipe.loss.focal_alpha
    model.multibox_loss = dataclasses.replace(model.multibox_loss, **changes)
    model.decoding = dataclasses.replace(model.decoding, **recipe.decoding.model_dump(exclude_none=True))
    if recipe.loss.classification == "focal" and not _is_file(recipe.weights):
        expect_background(model)
    freeze(model, recipe.freeze)
    return model


def expect_background(model: SSD) -> None:
    """Let new heads begin by taking nearly every anchor for background, as nearly every one is.

    Focal loss counts them all: at even odds their sum would be hundreds of times that of the objects.
    Source: Lin et al. 2017, section 4.1.
    """
    background = math.log(len(model.class_names) * (1 - OBJECT_PRIOR) / OBJECT_PRIOR)
    for layer in model.layers:
        if layer.name.endswith(CONFIDENCE_HEAD):
            bias = np.zeros(layer.bias.shape, np.float32)
            bias[:: len(model.class_names) + 1] = background
            layer.bias.assign(bias)


def _is_file(weights: str | None) -> bool:
    return weights not in (None, "imagenet")


def _build(recipe: Recipe, class_names: tuple[str, ...]) -> SSD:
    """Build the detector of a preset, or one on any other base network."""
    settings = {
        "image_size": recipe.image_size,
        "variances": recipe.variances,
        "iou_threshold": recipe.iou_threshold,
        "neutral_threshold": recipe.neutral_threshold,
        "weights": recipe.weights,
        "anchors": recipe.anchors.sizes,
        "anchor_changes": _anchor_changes(recipe.anchors),
        "preprocessing_changes": recipe.preprocessing.model_dump(exclude_none=True),
        "backbone_options": recipe.backbone_options,
    }
    changes: dict[str, Any] = {
        name: value for name, value in settings.items() if value is not None and value != {}
    }
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
    model = load_model(str(recipe.weights))
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
    changes = settings.model_dump(exclude_none=True, exclude={"fit", "sizes", "aspect_ratios_per_layer"})
    if settings.aspect_ratios_per_layer:
        changes["aspect_ratios"] = settings.aspect_ratios_per_layer
    return changes
