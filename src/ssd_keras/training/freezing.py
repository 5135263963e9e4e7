"""Keeping layers as they are while others are trained, and what names of layers in a recipe mean."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import keras

from ssd_keras.errors import InputError
from ssd_keras.models.backbones.blocks import is_extra_layer
from ssd_keras.models.ssd import SSD

logger = logging.getLogger(__name__)

BACKBONE = "backbone"

HEAD_MARK = "_mbox"
"""What only the names of predictor heads have."""


def freeze(model: SSD, names: Iterable[str]) -> None:
    """Freeze some layers of a detector, and thaw all others.

    Batch normalisation in a frozen layer neither learns nor follows the statistics of the batches: Keras runs
    it as in inference.

    Args:
        model: the detector.
        names: of layers, or what comes before an underscore in their names: "conv1" for conv1_1 and conv1_2,
            which does not mean predictor heads; "backbone" for the base network without the layers that SSD
            adds to it.

    Raises:
        InputError: no layer has such a name, or none is left to be trained.
    """
    meant = [layer.name for name in names for layer in _called(name, model, "freeze")]
    freeze_exactly(model, meant)
    with_weights = [layer for layer in _layers(model) if layer.weights]
    frozen = sum(not layer.trainable for layer in with_weights)
    if frozen == len(with_weights):
        raise InputError("freeze: no layer is left that could learn: leave out at least the predictor heads")
    if frozen:
        logger.info("%d of %d layers with weights are frozen", frozen, len(with_weights))


def freeze_exactly(model: SSD, names: Iterable[str]) -> None:
    """Freeze the layers of just these names, and thaw all others."""
    frozen = set(names)
    model.trainable = True
    for layer in _layers(model):
        layer.trainable = layer.name not in frozen


def frozen_layers(model: SSD) -> list[str]:
    """Name the layers that stay as they are, whoever froze them; for `freeze_exactly`."""
    return [layer.name for layer in _layers(model) if not layer.trainable]


def variables_of(model: SSD, name: str) -> list[keras.Variable]:
    """Give the trainable weights of the layers that `name` means as in `freeze`; `InputError` without any."""
    layers = _called(name, model, "learning_rate_factors")
    return [variable for layer in layers for variable in layer.trainable_variables]


def _layers(model: SSD) -> list[keras.layers.Layer]:
    return [layer for layer in (*model.backbone.layers, *model.layers) if layer is not model.backbone]


def _called(name: str, model: SSD, setting: str) -> list[keras.layers.Layer]:
    found = [layer for layer in _layers(model) if _is_meant(name, layer, model)]
    if not found:
        known = ", ".join(layer.name for layer in _layers(model) if layer.weights)
        raise InputError(f"{setting}: no layer is called {name!r}: choose from {BACKBONE}, {known}")
    return found


def _is_meant(name: str, layer: keras.layers.Layer, model: SSD) -> bool:
    if name == BACKBONE:
        return layer in model.backbone.layers and not is_extra_layer(layer.name)
    # The heads on conv4_3 are called after it, and are the last that should stay as they are.
    is_head = HEAD_MARK in layer.name and HEAD_MARK not in name
    return bool(layer.name == name or (layer.name.startswith(f"{name}_") and not is_head))
