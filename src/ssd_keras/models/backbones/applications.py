"""Base networks of `keras.applications`: where to take their feature maps, and how to append SSD's layers.

A tap is the last tensor of a resolution through which everything behind it passes: after it the network
gets coarser. For MobileNets that is the widened tensor from which SSDLite predicts, for ResNets the end of a
stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from ssd_keras.boxes.arrays import Array
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.blocks import (
    SEPARABLE_BATCH_NORM,
    ExtraLayer,
    add_extra_layers,
    extra_layers_to_one_cell,
)
from ssd_keras.models.backbones.dilated_convolution import DilatedConv2D

STRIDES = (8, 16, 32)
"""Of the feature maps that are tapped."""

SSDLITE_EXTRAS = tuple(ExtraLayer(filters // 2, filters) for filters in (512, 256, 256, 128))

EXTRA_BATCH_NORM = {"epsilon": 1e-3, "momentum": 0.99}
"""Settings of the batch normalisation in extra layers behind networks that have it themselves."""

LONGEST_MOMENTUM = 0.97
"""Of the batch normalisation in these networks, some of which have 0.999: made for a million steps on
ImageNet. On a few hundred photographs there are some thousand, and the averages would never arrive.

Source: torchvision's SSDLite, which trains its MobileNetV3 with this one.
"""

CAFFE_STYLE: dict[str, Any] = {"mean": (123.68, 116.779, 103.939), "to_bgr": True}
TORCH_STYLE: dict[str, Any] = {
    "mean": (123.675, 116.28, 103.53),
    "scale": (1 / 58.395, 1 / 57.12, 1 / 57.375),
}
TENSORFLOW_STYLE: dict[str, Any] = {"mean": 127.5, "scale": 1 / 127.5}
AS_IT_IS: dict[str, Any] = {"mean": 0.0}
"""For networks with preprocessing of their own inside."""

PREPROCESSING: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("VGG", "ResNet50", "ResNet101", "ResNet152"), CAFFE_STYLE),
    "DenseNet": TORCH_STYLE,
    **dict.fromkeys(("EfficientNet", "ConvNeXt", "MobileNetV3"), AS_IT_IS),
}
"""What each family takes, by the beginning of its name; all others -1 to 1."""


def application(name: str) -> Any:
    """Give the function of `keras.applications` that builds network `name`.

    Raises:
        InputError: there is none of that name.
    """
    found = getattr(keras.applications, name, None)
    if not callable(found) or not name[:1].isupper():
        raise InputError(
            f"keras.applications has no network {name!r}: choose one such as EfficientNetV2B0 or ResNet50"
        )
    return found


def application_preprocessing(name: str) -> dict[str, Any]:
    """Give the settings of `ImagePreprocessing` for a network of `keras.applications`."""
    if name.startswith("ResNet") and name.endswith("V2"):
        return TENSORFLOW_STYLE
    families = [family for family in PREPROCESSING if name.startswith(family)]
    return PREPROCESSING[max(families, key=len)] if families else TENSORFLOW_STYLE


def application_features(
    image: Array,
    network: str,
    weights: str | None = None,
    taps: Sequence[str] | None = None,
    **options: Any,
) -> list[Array]:
    """Tap a network of `keras.applications` and add extra layers until one cell is left.

    Args:
        image: (B, h, w, channels).
        network: its name in `keras.applications`.
        weights: "imagenet" or None.
        taps: names of the layers to predict from, the finest first; by default the last ones at strides of
            8, 16 and 32.
        options: further arguments of its function, such as `alpha`.

    Raises:
        InputError: there is no such network, or it has no such feature maps.
    """
    built = _built(network, image, weights, **options)
    if taps:
        found = {stride: built.get_layer(tap).output for stride, tap in zip(STRIDES, taps, strict=True)}
    else:
        found = feature_maps(built)
    features = _named([found[stride] for stride in STRIDES], STRIDES)
    extras = extra_layers_to_one_cell(min(features[-1].shape[1:3]))
    return [*features, *add_extra_layers(features[-1], extras, batch_norm=EXTRA_BATCH_NORM)]


def dilated_resnet_features(image: Array, network: str, weights: str | None = None) -> list[Array]:
    """Build SSD on a ResNet whose last stage keeps its resolution by dilation.

    For an image of 300 × 300 the feature maps are 38, 19, 10, 5, 3 and 1 cells wide: the ends of stages 3 and
    5, three extra layers, and the average of the last; larger images have more extra layers.

    Args:
        image: (B, h, w, channels).
        network: "ResNet50", "ResNet101" or "ResNet152".
        weights: "imagenet" or None.

    Source: `ssd_pascal_resnet.py` in Caffe.
    """
    strided = _built(network, image, weights)
    dilated = keras.models.clone_model(strided, input_tensors=[image], clone_function=_with_dilated_stage5)
    dilated.set_weights(strided.get_weights())
    stage3, stage5 = (_last_output(dilated, f"conv{stage}_block") for stage in (3, 5))
    side, extras = min(stage5.shape[1:3]), []
    while side > 3:
        extras.append(ExtraLayer(256, 512))
        side = (side + 1) // 2
    features = [stage3, stage5, *add_extra_layers(stage5, extras, batch_norm=EXTRA_BATCH_NORM)]
    if side > 1:
        features.append(layers.GlobalAveragePooling2D(keepdims=True, name="pool6")(features[-1]))
    return features


def ssdlite_mobilenet_v3_features(image: Array, weights: str | None = None) -> list[Array]:
    """Build SSDLite on MobileNetV3; for an image of 320 × 320 the maps are 20, 10, 5, 3, 2 and 1 cells wide.

    Args:
        image: (B, h, w, channels).
        weights: "imagenet" or None.

    Source: `ssdlite320_mobilenet_v3_large` of torchvision; the MobileNetV3 paper's section 6.3.
    """
    built = _built("MobileNetV3Large", image, weights)
    maps = feature_maps(built)
    features = _named([maps[16], maps[32]], (16, 32))
    added = add_extra_layers(features[-1], SSDLITE_EXTRAS, batch_norm=SEPARABLE_BATCH_NORM, separable=True)
    return [*features, *added]


def _built(network: str, image: Array, weights: str | None, **options: Any) -> keras.Model:
    """Build a network of `keras.applications` without its classifier, to be trained on few images."""
    built = application(network)(include_top=False, weights=weights, input_tensor=image, **options)
    for layer in built.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(layer.momentum, LONGEST_MOMENTUM)
    return built


def feature_maps(network: keras.Model) -> dict[int, Array]:
    """Find the last feature map of each stride (2, 4, 8, ...) through which everything behind it passes.

    Raises:
        InputError: there is none at a stride that SSD predicts from.
    """
    side, stride = max(network.inputs[0].shape[1:3]), 1
    found = {}
    for tensor in _passages(network):
        smaller = max(tensor.shape[1:3])
        stride *= 2 ** round(math.log2(side / smaller))
        side = smaller
        found[stride] = tensor
    missing = [str(stride) for stride in STRIDES if stride not in found]
    if missing:
        raise InputError(
            f"network {network.name} has no feature map at stride {', '.join(missing)}: "
            "choose another network, or larger images"
        )
    return found


def _named(features: Sequence[Array], strides: Sequence[int]) -> list[Array]:
    """Call the feature maps by their stride: the networks' own layers have no fixed names."""
    return [
        layers.Identity(name=f"stride{stride}")(feature)
        for stride, feature in zip(strides, features, strict=True)
    ]


def _passages(network: keras.Model) -> list[Array]:
    """List the feature maps through which everything behind them passes, in order."""
    order = {operation: index for index, operation in enumerate(network.operations)}
    last_use = dict.fromkeys(order, 0)
    for operation, index in order.items():
        for parent in _parents(operation):
            last_use[parent] = max(last_use[parent], index)
    passages, furthest = [], 0
    for operation, index in order.items():
        # Nothing that was computed before this is used after it.
        if furthest <= index and _is_feature_map(operation):
            passages.append(operation.output)
        furthest = max(furthest, last_use[operation])
    return passages


def _parents(operation: Any) -> list[Any]:
    return [node.operation for node in operation._inbound_nodes[0].parent_nodes]


def _is_feature_map(operation: Any) -> bool:
    return len(operation.output.shape) == 4 and not isinstance(operation, layers.ZeroPadding2D)


def _last_output(network: keras.Model, beginning: str) -> Array:
    """Give the output of the last layer whose name begins like this."""
    return [layer for layer in network.layers if layer.name.startswith(beginning)][-1].output


def _with_dilated_stage5(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Copy a layer of a ResNet; in its last stage with stride 1, and dilation 2 where the kernel is 3 × 3."""
    config = layer.get_config()
    if layer.name.startswith("conv5") and isinstance(layer, layers.Conv2D):
        config["strides"] = (1, 1)
        if layer.kernel_size == (3, 3):
            return DilatedConv2D.from_config({**config, "dilation_rate": (2, 2)})
    return layer.__class__.from_config(config)
