"""VGG16 with reduced fully connected layers: the base network of the original SSD300 and SSD512.

Layers are called as in Caffe. Pooling rounds up, so that SSD300's third pooling gives 38 cells from 75; the
last pooling keeps the size, and fc6 is a convolution whose taps stand six cells apart instead.

The original begins with ImageNet weights and has no normalisation but that of conv4_3. From random weights it
diverges; with a normalisation behind each convolution, which `normalization` adds, it learns (ScratchDet, Zhu
et al. 2019).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from ssd_keras.boxes.arrays import Array
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.blocks import CAFFE_BATCH_NORM, ExtraLayer, add_extra_layers, convolve
from ssd_keras.models.backbones.l2_normalization import L2Normalization

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Filters and number of convolutions of conv1 to conv5."""

SSD300_EXTRAS = (
    ExtraLayer(256, 512),
    ExtraLayer(128, 256),
    ExtraLayer(128, 256, stride=1, padding=0),
    ExtraLayer(128, 256, stride=1, padding=0),
)
SSD512_EXTRAS = (
    ExtraLayer(256, 512),
    ExtraLayer(128, 256),
    ExtraLayer(128, 256),
    ExtraLayer(128, 256),
    ExtraLayer(128, 256, kernel=4, stride=1, padding=1),
)
V1_EXTRAS = (ExtraLayer(256, 512), ExtraLayer(128, 256), ExtraLayer(128, 256))


NORMALIZATIONS: dict[str | None, dict[str, Any] | None] = {
    None: None,
    # It has seen enough after some hundred batches; Keras's 0.99 would lag behind a short training.
    "batch": {**CAFFE_BATCH_NORM, "momentum": 0.97},
    "group": {"epsilon": 1e-5, "groups": 32},
}
"""What `normalization` may be, and the settings of the layers that it adds."""


def ssd300_vgg16_features(
    image: Array, weights: str | None = None, normalization: str | None = None
) -> list[Array]:
    """Build SSD300 without heads; for 300 × 300 pixels the maps are 38, 19, 10, 5, 3 and 1 cells wide.

    Args:
        image: (B, h, w, channels).
        weights: "imagenet", or None for random ones.
        normalization: None, as in the original. For training from scratch: "batch", or "group" where fewer
            than about eight images go through a device at once. Each convolution of the base network and of
            the extra layers is then normalised before its ReLU, and has no bias. conv4_3 keeps its L2
            normalisation, which is about as large as the others' then, so that every layer but the
            normalisations has the name and the place it has in the original.

    Raises:
        InputError: another normalisation, or ImageNet weights for a normalised network.

    Source: `ssd_pascal.py` in Caffe; the paper's figure 2.
    """
    conv4_3, fc7 = _reduced_vgg16(image, weights, normalization)
    return [_normalized(conv4_3), fc7, *_extra_layers(fc7, SSD300_EXTRAS, normalization)]


def ssd512_vgg16_features(
    image: Array, weights: str | None = None, normalization: str | None = None
) -> list[Array]:
    """Build SSD512 without heads; for 512 × 512 pixels the maps are 64, 32, 16, 8, 4, 2 and 1 cells wide.

    Arguments and errors as for `ssd300_vgg16_features`. Source: the SSD512 models published with Caffe.
    """
    conv4_3, fc7 = _reduced_vgg16(image, weights, normalization)
    return [_normalized(conv4_3), fc7, *_extra_layers(fc7, SSD512_EXTRAS, normalization)]


def ssd300_vgg16_v1_features(image: Array, weights: str | None = None) -> list[Array]:
    """Build the first layout of SSD300, whose last feature map is the average of the one before.

    Arguments as for `ssd300_vgg16_features`. Source: the first version of the paper; the Keras port of 2017.
    """
    conv4_3, fc7 = _reduced_vgg16(image, weights)
    extras = add_extra_layers(fc7, V1_EXTRAS)
    pool6 = layers.GlobalAveragePooling2D(keepdims=True, name="pool6")(extras[-1])
    return [_normalized(conv4_3), fc7, *extras, pool6]


def _reduced_vgg16(
    image: Array, weights: str | None, normalization: str | None = None
) -> tuple[Array, Array]:
    """Give conv4_3 (B, h / 8, w / 8, 512) and fc7 (B, h / 16, w / 16, 1024), sides rounded up."""
    norm = _norm_settings(normalization)
    if weights and norm:
        raise InputError(
            "the ImageNet weights are those of a VGG16 without normalization: leave out 'normalization' to "
            "begin with them, or 'weights' to train from scratch"
        )
    x, ends = image, []
    for block, (filters, convolutions) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            x = convolve(x, filters, 3, f"conv{block}_{number}", batch_norm=norm)
        ends.append(x)
        side, stride = (3, 1) if block == len(BLOCKS) else (2, 2)
        x = layers.MaxPooling2D(side, stride, padding="same", name=f"pool{block}")(x)
    x = convolve(x, 1024, 3, "fc6", dilation=6, batch_norm=norm)
    fc7 = convolve(x, 1024, 1, "fc7", batch_norm=norm)
    if weights == "imagenet":
        _load_imagenet_weights(keras.Model(image, fc7))
    return ends[3], fc7


def _extra_layers(fc7: Array, extras: tuple[ExtraLayer, ...], normalization: str | None) -> list[Array]:
    return add_extra_layers(fc7, extras, batch_norm=_norm_settings(normalization))


def _norm_settings(normalization: str | None) -> dict[str, Any] | None:
    if normalization not in NORMALIZATIONS:
        known = ", ".join(name for name in NORMALIZATIONS if name)
        raise InputError(
            f"normalization {normalization!r} is unknown: choose one of {known}, or leave it out"
        )
    return NORMALIZATIONS[normalization]


def _normalized(conv4_3: Array) -> Array:
    return L2Normalization(name="conv4_3_norm")(conv4_3)


def _load_imagenet_weights(reduced: keras.Model) -> None:
    """Fill the network with the weights of `keras.applications.VGG16`, reduced as the authors of SSD did it.

    fc6 keeps every third row and column of its 7 × 7 cells and every fourth of its 4096 channels, fc7 every
    fourth of both; that network sees BGR, this one RGB.
    """
    full = keras.applications.VGG16(weights="imagenet")
    for block, (_, convolutions) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            kernel, bias = full.get_layer(f"block{block}_conv{number}").get_weights()
            if (block, number) == (1, 1):
                kernel = kernel[:, :, ::-1]
            reduced.get_layer(f"conv{block}_{number}").set_weights([kernel, bias])
    kernel, bias = full.get_layer("fc1").get_weights()
    kernel = np.reshape(kernel, (7, 7, 512, 4096))
    reduced.get_layer("fc6").set_weights([kernel[::3, ::3, :, ::4], bias[::4]])
    kernel, bias = full.get_layer("fc2").get_weights()
    reduced.get_layer("fc7").set_weights([kernel[None, None, ::4, ::4], bias[::4]])
