"""Weights of Caffe: the `.caffemodel`, read without Caffe and without a protobuf runtime.

The file is one `NetParameter` message. Newer files hold `LayerParameter` messages, older ones
`V1LayerParameter`; both name their layers and hold their weights as blobs.
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.anchors import PaperAnchors
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.blocks import CAFFE_BATCH_NORM
from ssd_keras.weights.weights_file import HEAD_MARK, Tensors, WeightsFile, put, to_rgb
from ssd_keras.weights.wire_format import BYTES, FIXED32, Field, read_fields, read_varints

NEW_LAYER, OLD_LAYER, INPUT_DIM, INPUT_SHAPE = 100, 2, 4, 8
"""Fields of `NetParameter`: `LayerParameter`, `V1LayerParameter`, and two ways to state the input's shape."""

OLD_TYPES = {4: "Convolution", 14: "InnerProduct"}
"""Those of the enumeration in `V1LayerParameter` that have weights."""


@dataclass
class PriorBox:
    """Caffe's `PriorBoxParameter` of one predictor layer."""

    min_sizes: list[float] = field(default_factory=list)
    max_sizes: list[float] = field(default_factory=list)
    aspect_ratios: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    flip: bool = True
    clip: bool = False
    step: tuple[float, float] | None = None
    offset: float = 0.5


@dataclass
class CaffeLayer:
    """A layer as the file has it; `blobs` are float32 in Caffe's layout, views of the file where possible."""

    name: str = ""
    type: str = ""
    group: int = 1
    blobs: list[NDArray[np.float32]] = field(default_factory=list)
    prior_box: PriorBox | None = None
    epsilon: float = CAFFE_BATCH_NORM["epsilon"]
    input_shape: tuple[int, ...] = ()


def read_caffemodel(path: Path) -> WeightsFile:
    """Read a `.caffemodel`.

    Batch normalisation is given as it is, in layers `NAME_bn`; slashes in names become underscores; the first
    convolution of a colour image is turned from BGR to RGB. Where the file has the parameters of its
    PriorBox layers, they become the settings of the anchors.

    Raises:
        InputError: the file is cut off, or is no caffemodel.
    """
    layers, input_shape = _read_layers(path)
    settings = _anchor_settings(path, [layer.prior_box for layer in layers if layer.prior_box])
    if len(input_shape) == 4 and min(input_shape[2:]) > 0:
        settings["image_size"] = input_shape[2:]
    return WeightsFile("Caffe model", to_rgb(_tensors(path, layers)), bgr=True, settings=settings)


def _read_layers(path: Path) -> tuple[list[CaffeLayer], tuple[int, ...]]:
    """Read the layers that hold something, and the shape of the input where the file states it."""
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise InputError(f"{path} is empty: fetch it again") from error
    layers: list[CaffeLayer] = []
    input_shape: list[int] = []
    try:
        for one in read_fields(memoryview(mapped)):
            layer = CaffeLayer()
            if one.number == NEW_LAYER:
                layer = _read_layer(one.content)
            elif one.number == OLD_LAYER and one.wire_type == BYTES:
                layer = _read_old_layer(one.content)
            elif one.number == INPUT_DIM:
                input_shape += _integers(one)
            elif one.number == INPUT_SHAPE:
                input_shape = _read_shape(one.content)
            if layer.blobs or layer.prior_box:
                layers.append(layer)
            input_shape = list(layer.input_shape) or input_shape
    except (ValueError, IndexError) as error:
        after = f" after layer {layers[-1].name!r}" if layers else ""
        raise InputError(f"{path} is cut off or no Caffe model ({error}{after}): fetch it again") from error
    if not any(layer.blobs for layer in layers):
        raise InputError(f"{path} is a protobuf file without layers: give a .caffemodel with weights")
    return layers, tuple(input_shape)


def _read_layer(message: memoryview) -> CaffeLayer:
    """Read a `LayerParameter`."""
    layer = CaffeLayer()
    for one in read_fields(message):
        match one.number:
            case 1:
                layer.name = _text(one)
            case 2:
                layer.type = _text(one)
            case 7:
                layer.blobs.append(_read_blob(one.content))
            case 106:
                layer.group = _read_group(one.content)
            case 139:
                layer.epsilon = _read_epsilon(one.content)
            case 143:
                shapes = [shape for shape in read_fields(one.content) if shape.number == 1]
                layer.input_shape = tuple(_read_shape(shapes[0].content)) if shapes else ()
            case 203:
                layer.prior_box = _read_prior_box(one.content)
    return layer


def _read_old_layer(message: memoryview) -> CaffeLayer:
    """Read a `V1LayerParameter`."""
    layer = CaffeLayer()
    for one in read_fields(message):
        match one.number:
            case 4:
                layer.name = _text(one)
            case 5:
                layer.type = OLD_TYPES.get(one.integer, "")
            case 6:
                layer.blobs.append(_read_blob(one.content))
            case 10:
                layer.group = _read_group(one.content)
    return layer


def _read_group(message: memoryview) -> int:
    """Read `group` of a `ConvolutionParameter`."""
    return next((one.integer for one in read_fields(message) if one.number == 5), 1)


def _read_epsilon(message: memoryview) -> float:
    """Read `eps` of a `BatchNormParameter`."""
    found = [_floats(one)[0] for one in read_fields(message) if one.number == 3]
    return found[-1] if found else CAFFE_BATCH_NORM["epsilon"]


def _read_shape(message: memoryview) -> list[int]:
    """Read a `BlobShape`."""
    return [dim for dims in read_fields(message) if dims.number == 1 for dim in _integers(dims)]


def _read_prior_box(message: memoryview) -> PriorBox:
    prior = PriorBox()
    steps: dict[int, float] = {}
    for one in read_fields(message):
        match one.number:
            case 1:
                prior.min_sizes += _floats(one)
            case 2:
                prior.max_sizes += _floats(one)
            case 3:
                prior.aspect_ratios += _floats(one)
            case 4:
                prior.flip = bool(one.integer)
            case 5:
                prior.clip = bool(one.integer)
            case 6:
                prior.variances += _floats(one)
            case 10 | 11 | 12:  # step, or step_h and step_w
                steps[one.number] = _floats(one)[0]
            case 13:
                prior.offset = _floats(one)[0]
    vertical, horizontal = steps.get(11, steps.get(10, 0)), steps.get(12, steps.get(10, 0))
    prior.step = (vertical, horizontal) if vertical and horizontal else None
    return prior


def _read_blob(message: memoryview) -> NDArray[np.float32]:
    """Read a `BlobProto`: its data, in the shape that the file gives in either of two ways."""
    shape: list[int] = []
    old_shape: dict[int, int] = {}
    parts: list[NDArray[np.float32]] = []
    for one in read_fields(message):
        match one.number:
            case 1 | 2 | 3 | 4:  # num, channels, height, width
                old_shape[one.number] = one.integer
            case 5:
                parts.append(np.frombuffer(one.content, "<f4"))
            case 7:
                shape = _read_shape(one.content)
            case 8:
                parts.append(np.frombuffer(one.content, "<f8").astype(np.float32))
    data = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.float32), *parts])
    if not shape and old_shape:
        shape = [old_shape.get(axis, 1) for axis in (1, 2, 3, 4)]
    return data.reshape(shape) if shape else data


def _text(one: Field) -> str:
    return bytes(one.content).decode("utf-8")


def _integers(one: Field) -> list[int]:
    return read_varints(one.content) if one.wire_type == BYTES else [one.integer]


def _floats(one: Field) -> list[float]:
    """Read one number or a packed list, and give its shortest decimal: 0.1 where the file has 0.100000001."""
    if one.wire_type not in (BYTES, FIXED32):
        raise ValueError(f"field {one.number} holds no float")
    return [float(str(value)) for value in np.frombuffer(one.content, "<f4")]


def _tensors(path: Path, layers: Iterable[CaffeLayer]) -> Tensors:
    """Turn the blobs into tensors in Keras's layout, by the name of layer and variable."""
    tensors: Tensors = {}
    for layer in layers:
        if not layer.blobs:
            continue
        try:
            found = _layer_tensors(layer)
        except (ValueError, IndexError) as error:
            shapes = ", ".join(str(blob.shape) for blob in layer.blobs)
            raise InputError(
                f"{path}: layer {layer.name!r} of type {layer.type or 'unknown'} has blobs {shapes}, "
                "which do not fit it: fetch the file again"
            ) from error
        try:
            for name, tensor in found.items():
                put(tensors, name, tensor)
        except ValueError as error:
            raise InputError(
                f"{path} cannot be taken ({error}): give each layer a name of its own"
            ) from error
    return tensors


def _layer_tensors(layer: CaffeLayer) -> Tensors:
    name, blobs = layer.name.replace("/", "_"), layer.blobs
    vectors = [blob.reshape(-1) for blob in blobs[-2:]]
    if layer.type == "BatchNorm":
        mean, variance, factor = (blob.reshape(-1) for blob in blobs)
        scale = 0.0 if factor[0] == 0 else 1 / factor[0]
        # Keras's layer adds the usual ε, so that the difference to the file's own belongs to the variance.
        variance = variance * scale + np.float32(layer.epsilon - CAFFE_BATCH_NORM["epsilon"])
        return {f"{name}/moving_mean": mean * scale, f"{name}/moving_variance": variance}
    if layer.type == "Scale":
        normalisation = f"{name.removesuffix('_scale')}_bn"
        return {
            f"{normalisation}/{part}": blob for part, blob in zip(("gamma", "beta"), vectors, strict=False)
        }
    if layer.type in ("Normalize", "") and len(blobs) == 1:
        return {f"{name}/gamma": blobs[0].reshape(-1)}
    if layer.type == "InnerProduct" or blobs[0].ndim != 4:
        return {f"{name}/{part}": blob for part, blob in zip(("kernel", "bias"), blobs, strict=False)}
    kernel, bias = blobs[0], blobs[1:2]
    # A head that is to be trained anew has a name of its own, so that Caffe does not fill it.
    name = name.removesuffix("_new") if HEAD_MARK in name else name
    depthwise = layer.type == "DepthwiseConvolution" or layer.group > 1 or layer.name.endswith("/dw")
    found = {f"{name}/kernel": kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))}
    return found | {f"{name}/bias": blob.reshape(-1) for blob in bias}


def _check_priors(path: Path, priors: list[PriorBox]) -> None:
    """Refuse what cannot be said of anchors here, before it would be lost without a word."""
    fault = None
    if any(len(prior.min_sizes) != 1 or len(prior.max_sizes) > 1 for prior in priors):
        fault = "not one min_size and at most one max_size"
    elif len({(prior.flip, prior.clip, tuple(prior.variances)) for prior in priors}) > 1:
        fault = "not the same flip, clip and variances"
    elif any(one.min_sizes[0] > next_one.min_sizes[0] for one, next_one in itertools.pairwise(priors)):
        fault = "min_sizes that shrink from one layer to the next"
    if fault:
        raise InputError(
            f"{path}: its PriorBox layers have {fault}, which is not supported: name other weights"
        )


def _anchor_settings(path: Path, priors: list[PriorBox]) -> dict[str, Any]:
    """Turn PriorBox parameters, in the order of the predictor layers, into arguments of `SSD`."""
    if not priors:
        return {}
    _check_priors(path, priors)
    anchors = PaperAnchors(
        min_sizes=tuple(prior.min_sizes[0] for prior in priors),
        max_sizes=tuple(prior.max_sizes[0] if prior.max_sizes else None for prior in priors),
        aspect_ratios=tuple(tuple(prior.aspect_ratios) for prior in priors),
        steps=tuple(prior.step for prior in priors) if any(prior.step for prior in priors) else None,
        offsets=tuple(prior.offset for prior in priors),
        flip=priors[0].flip,
        clip=priors[0].clip,
        truncate=True,
    )
    variances = priors[0].variances or [0.1]
    return {"anchors": anchors, "variances": tuple(variances if len(variances) == 4 else variances * 4)}
