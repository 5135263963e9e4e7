"""Anchors chosen for the boxes that are to be learned, by the same search as `ssd anchors` suggests them."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.anchors import PaperAnchors
from ssd_keras.boxes.coverage import Coverage, changed_settings, measure_coverage, suggest_anchors
from ssd_keras.data.inspection.anchor_fit import Network, boxes_of
from ssd_keras.data.samples import Dataset
from ssd_keras.training.expectations import choose_splits
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.settings import AnchorSettings

logger = logging.getLogger(__name__)


class Suggestion(NamedTuple):
    """Anchors for some boxes.

    Attributes:
        network: whose anchors were compared with the boxes.
        present: what these cover.
        suggested: what better ones cover; the same where none were found.
        changes: settings of the better ones, by their keys under `anchors` in a recipe; empty for none.
    """

    network: Network
    present: Coverage
    suggested: Coverage
    changes: dict[str, Any]


def with_fitted_anchors(recipe: Recipe, dataset: Dataset) -> Recipe:
    """Write anchors for the boxes of the train split into a recipe that asks for it; else give it as it is.

    Raises:
        InputError: the split does not exist, or the recipe describes no model.
    """
    if not recipe.anchors.fit:
        return recipe
    recipe = _with_anchors_as_they_are(recipe)
    boxes = boxes_of(choose_splits(dataset, recipe)[0])
    found = suggest_for(recipe, boxes) if len(boxes) else None
    if found is None or not found.changes:
        logger.info("anchors: none better than the model's own were found for the boxes of the data set")
        return recipe
    stated = "; ".join(f"{name} {' '.join(map(str, values))}" for name, values in found.changes.items())
    logger.info(
        "anchors fitted to %d boxes, %.1f %% of them covered by half in place of %.1f %%: %s",
        len(boxes),
        100 * found.suggested.share,
        100 * found.present.share,
        stated,
    )
    fitted = AnchorSettings.model_validate({**recipe.anchors.model_dump(), **found.changes})
    return recipe.model_copy(update={"anchors": fitted})


def suggest_for(recipe: Recipe, boxes: NDArray[np.float64]) -> Suggestion:
    """Search for anchors of the model of a recipe that cover `boxes` (N, 4), relative; N is at least 1."""
    network = network_of(recipe)
    size, features = network.image_size, network.feature_sizes
    better = suggest_anchors(network.anchors, size, features, boxes)
    changes = changed_settings(network.anchors, better)
    if isinstance(better, PaperAnchors) and "aspect_ratios" in changes:
        changes["aspect_ratios_per_layer"] = changes.pop("aspect_ratios")
    return Suggestion(
        network,
        measure_coverage(network.anchors, size, features, boxes),
        measure_coverage(better, size, features, boxes),
        changes,
    )


def network_of(recipe: Recipe) -> Network:
    """Build the model of a recipe and give what boxes are compared with: its anchors and its feature maps.

    Nothing is fetched: where anchors lie does not depend on what the base network has learned.
    """
    recipe = _with_anchors_as_they_are(recipe)
    if recipe.weights == "imagenet":
        recipe = recipe.model_copy(update={"weights": None})
    detector = build_model(recipe, ("object",))
    feature_sizes = [(feature.shape[1], feature.shape[2]) for feature in detector.backbone.outputs]
    name = recipe.weights or recipe.backbone or recipe.model
    return Network(name, detector.anchors, detector.image_size, feature_sizes)


def _with_anchors_as_they_are(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"anchors": recipe.anchors.model_copy(update={"fit": False})})
