"""Putting tensors into a detector: all that it needs, of the right shapes, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.models.backbones.blocks import CAFFE_BATCH_NORM
from ssd_keras.models.ssd import SSD
from ssd_keras.weights.weights_file import HEAD_MARK, Tensors

SHOWN = 5
"""How many names an error lists."""


@dataclass(frozen=True)
class Assignment:
    """What became of each tensor of a file.

    Attributes:
        taken: those that the detector has now.
        left: those that it has no place for.
        missing: those of the detector that the file does not have; they keep their initial values.
    """

    taken: tuple[str, ...]
    left: tuple[str, ...]
    missing: tuple[str, ...]


def assign(model: SSD, tensors: Tensors, where: str, allow_missing: bool = False) -> Assignment:
    """Put tensors into the layers they are named after.

    Args:
        model: the detector; it is changed only if everything fits.
        tensors: by "layer/variable", in Keras's layout.
        where: the file, for errors.
        allow_missing: leave variables that the file does not have as they are.

    Raises:
        InputError: a tensor has another shape than the variable of its name or holds what is no number, one
            is missing, or none fits.
    """
    variables = variables_by_name(model)
    tensors = _with_fitting_batch_norm(tensors, model, variables, where)
    taken = [name for name in variables if name in tensors]
    if not taken:
        some = ", ".join(list(tensors)[:SHOWN]) or "nothing"
        raise InputError(f"{where} has no layer of model {model.name} (it has {some}): try another model")
    for name in taken:
        expected, found = tuple(variables[name].shape), tensors[name].shape
        if expected != found:
            raise InputError(
                f"{where}: {name} has shape {found}, model {model.name} has {expected}: {_advice(name)}"
            )
        _check_values(tensors[name], name, where)
    missing = tuple(name for name in variables if name not in tensors)
    if missing and not allow_missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise InputError(
            f"{where} has no {', '.join(missing[:SHOWN])}{more} of model {model.name}: try another model, or "
            "--allow-missing to begin these anew"
        )
    for name in taken:
        variables[name].assign(np.ascontiguousarray(tensors[name]))
    left = tuple(name for name in tensors if name not in variables)
    return Assignment(tuple(taken), left, missing)


def variables_by_name(model: SSD) -> dict[str, Any]:
    """Give the variables of a detector by "layer/variable"."""
    layers = [layer for layer in (*model.backbone.layers, *model.layers) if layer is not model.backbone]
    return {f"{layer.name}/{variable.name}": variable for layer in layers for variable in layer.variables}


def _check_values(tensor: NDArray[np.float32], name: str, where: str) -> None:
    if not np.isfinite(tensor).all():
        raise InputError(f"{where}: {name} holds values that are not finite: take those of an earlier epoch")
    if name.endswith("/moving_variance") and (tensor < -CAFFE_BATCH_NORM["epsilon"]).any():
        raise InputError(f"{where}: {name} holds negative variances: the file is damaged, fetch it again")


def _with_fitting_batch_norm(tensors: Tensors, model: SSD, variables: dict[str, Any], where: str) -> Tensors:
    """Merge batch normalisation into the convolution before it, or split it off, as the model has it."""
    fitting = dict(tensors)
    for name in tensors:
        layer, _, variable = name.partition("/")
        norm = f"{layer}_bn"
        if variable == "kernel" and f"{norm}/moving_mean" in tensors and f"{norm}/gamma" not in variables:
            if f"{layer}/bias" in variables and HEAD_MARK not in layer:
                _merge(fitting, layer, norm, model, where)
        elif variable == "bias" and name not in variables and f"{norm}/gamma" in variables:
            _split(fitting, layer, norm, model)
    return fitting


def _merge(tensors: Tensors, layer: str, norm: str, model: SSD, where: str) -> None:
    """Merge y = γ · (k ∗ x + b − μ) / √(σ² + ε) + β into kernel and bias."""
    mean, variance = tensors.pop(f"{norm}/moving_mean"), tensors.pop(f"{norm}/moving_variance")
    gamma = tensors.pop(f"{norm}/gamma", np.ones_like(mean))
    beta = tensors.pop(f"{norm}/beta", np.zeros_like(mean))
    _check_values(variance, f"{norm}/moving_variance", where)
    kernel = tensors[f"{layer}/kernel"]
    depthwise = isinstance(model.backbone.get_layer(layer), keras.layers.DepthwiseConv2D)
    try:
        factor = gamma / np.sqrt(np.maximum(variance + CAFFE_BATCH_NORM["epsilon"], 0))
        tensors[f"{layer}/kernel"] = kernel * (factor[:, None] if depthwise else factor)
        tensors[f"{layer}/bias"] = beta + factor * (tensors.get(f"{layer}/bias", 0) - mean)
    except ValueError as error:
        raise InputError(
            f"{where}: {norm} has shape {mean.shape}, which does not fit {layer} {kernel.shape}: "
            "try another model"
        ) from error


def _split(tensors: Tensors, layer: str, norm: str, model: SSD) -> None:
    """Turn a bias into a batch normalisation that adds it and changes nothing else."""
    bias = tensors.pop(f"{layer}/bias")
    epsilon = model.backbone.get_layer(norm).epsilon
    tensors[f"{norm}/moving_mean"] = np.zeros_like(bias)
    tensors[f"{norm}/moving_variance"] = np.full_like(bias, 1 - epsilon)
    tensors[f"{norm}/gamma"], tensors[f"{norm}/beta"] = np.ones_like(bias), bias


def _advice(name: str) -> str:
    if "_mbox_conf" in name:
        return "give as many classes as the file has, and select from them afterwards"
    if "_mbox_" in name:
        return "try another model, or other anchors: the boxes at each cell differ"
    return "try another model"
