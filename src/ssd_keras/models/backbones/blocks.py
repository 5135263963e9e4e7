"""What the base networks share: convolutions padded as Caffe pads them, and the extra layers of SSD."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import layers

from ssd_keras.boxes.arrays import Array
from ssd_keras.models.backbones.dilated_convolution import DilatedConv2D

CAFFE_BATCH_NORM = {"epsilon": 1e-5}
"""Settings of batch normalisation in the networks that come from Caffe."""

SEPARABLE_BATCH_NORM = {"epsilon": 1e-3, "momentum": 0.97}
"""Settings of batch normalisation in what SSDLite adds to its base network."""


class ExtraLayer(NamedTuple):
    """One of the layers that SSD adds behind the base network: 1 × 1, then one that makes the map smaller.

    Attributes:
        squeeze: filters of the 1 × 1 convolution.
        filters: of the second convolution, whose output is predicted from.
        kernel: side of the second convolution.
        stride: of the second convolution.
        padding: of the second convolution, on all four sides.
    """

    squeeze: int
    filters: int
    kernel: int = 3
    stride: int = 2
    padding: int = 1


def convolve(
    x: Array,
    filters: int,
    kernel: int,
    name: str,
    *,
    stride: int = 1,
    dilation: int = 1,
    padding: int | None = None,
    batch_norm: dict[str, Any] | None = None,
    activation: str = "relu",
) -> Array:
    """Convolve, normalise on demand, and activate.

    Args:
        x: (B, h, w, channels).
        filters: channels of the result.
        kernel: side of the kernel.
        name: of the convolution; normalisation and activation, where they are layers of their own, append
            `_bn` (of groups: `_gn`) and `_relu` to it.
        stride: in both directions.
        dilation: distance of the kernel's taps.
        padding: zeros on all four sides; by default as many as keep the size at stride 1.
        batch_norm: settings of a batch normalisation between convolution (then without bias) and activation,
            or, if they tell the number of `groups`, of a group normalisation.
        activation: name of the activation.
    """
    x, how = _pad(x, kernel, stride, dilation, padding, name)
    settings: dict[str, Any] = {
        "strides": stride,
        "dilation_rate": dilation,
        "padding": how,
        "kernel_initializer": "he_normal",
    }
    convolution = layers.Conv2D if dilation == 1 else DilatedConv2D
    if batch_norm is None:
        return convolution(filters, kernel, activation=activation, name=name, **settings)(x)
    x = convolution(filters, kernel, use_bias=False, name=name, **settings)(x)
    return _normalize_and_activate(x, name, batch_norm, activation)


def convolve_depthwise(
    x: Array,
    kernel: int,
    name: str,
    *,
    stride: int = 1,
    batch_norm: dict[str, Any] | None = None,
    activation: str = "relu",
    precision: Any = None,
) -> Array:
    """Convolve each channel for itself; arguments as for `convolve`, `precision` is the dtype policy."""
    x, how = _pad(x, kernel, stride, 1, None, name)
    settings: dict[str, Any] = {
        "strides": stride,
        "padding": how,
        "depthwise_initializer": "he_normal",
        "dtype": precision,
    }
    if batch_norm is None:
        return layers.DepthwiseConv2D(kernel, activation=activation, name=name, **settings)(x)
    x = layers.DepthwiseConv2D(kernel, use_bias=False, name=name, **settings)(x)
    return _normalize_and_activate(x, name, batch_norm, activation, precision)


def _normalize_and_activate(
    x: Array, name: str, batch_norm: dict[str, Any], activation: str, precision: Any = None
) -> Array:
    """Append normalisation and activation to the convolution `name`."""
    if "groups" in batch_norm:
        x = layers.GroupNormalization(name=f"{name}_gn", dtype=precision, **batch_norm)(x)
    else:
        x = layers.BatchNormalization(name=f"{name}_bn", dtype=precision, **batch_norm)(x)
    return layers.Activation(activation, dtype=precision, name=f"{name}_relu")(x)


def _pad(
    x: Array, kernel: int, stride: int, dilation: int, padding: int | None, name: str
) -> tuple[Array, str]:
    """Give what a convolution is to work on, and its Keras padding, so that zeros lie as they do in Caffe.

    Caffe pads all four sides alike. Keras's "same" pads only below and on the right where a stride of 2
    meets an even side: sizes agree, values do not. So where the stride is not 1 the zeros are a layer.
    """
    reach = dilation * (kernel - 1)
    if padding is None:
        padding = reach // 2
    if stride == 1 and 2 * padding == reach:
        return x, "same"
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_padding")(x)
    return x, "valid"


def add_extra_layers(
    x: Array,
    extras: Sequence[ExtraLayer],
    first: int = 6,
    batch_norm: dict[str, Any] | None = None,
    separable: bool = False,
) -> list[Array]:
    """Append SSD's extra layers and give the feature map behind each.

    Args:
        x: (B, h, w, channels), the last feature map of the base network.
        extras: their sizes.
        first: number of the first; the convolutions are called `conv{number}_1` and `conv{number}_2`.
        batch_norm: settings of a normalisation behind each convolution, as for `convolve`.
        separable: the second convolution in two, the first one depthwise, both with ReLU6 (SSDLite).

    Source: the paper's section 2.1 and figure 2.
    """
    features = []
    settings: dict[str, Any] = {"batch_norm": batch_norm, "activation": "relu6" if separable else "relu"}
    for number, (squeeze, filters, kernel, stride, padding) in enumerate(extras, start=first):
        name = f"conv{number}_2"
        x = convolve(x, squeeze, 1, f"conv{number}_1", **settings)
        if separable:
            x = convolve_depthwise(x, kernel, f"{name}_depthwise", stride=stride, **settings)
            x = convolve(x, filters, 1, name, **settings)
        else:
            x = convolve(x, filters, kernel, name, stride=stride, padding=padding, **settings)
        features.append(x)
    return features


def is_extra_layer(name: str) -> bool:
    """Tell whether a layer of this name is one of those that `add_extra_layers` appends."""
    return re.fullmatch(r"conv([6-9]|1\d)_[12](_\w+)?", name) is not None


def extra_layers_to_one_cell(side: int) -> list[ExtraLayer]:
    """Choose extra layers that halve a feature map until its shorter side, `side` cells, is one cell.

    Three cells become one at once, without padding. For 10 cells that is SSD300's 5, 3, 1, for 32 it is
    SSD512's 16, 8, 4, 2, 1.
    """
    extras: list[ExtraLayer] = []
    while side > 1:
        squeeze, filters = (128, 256) if extras else (256, 512)
        if side == 3:
            extras.append(ExtraLayer(squeeze, filters, stride=1, padding=0))
            side = 1
        else:
            extras.append(ExtraLayer(squeeze, filters))
            side = (side + 1) // 2
    return extras
