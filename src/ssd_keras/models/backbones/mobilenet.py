"""The MobileNet of Caffe's MobileNet-SSD: ReLU, and zeros on all four sides where it halves the image.

`keras.applications.MobileNet` is not the same network: it pads one side only and cuts activations at 6.
"""

from __future__ import annotations

from ssd_keras.boxes.arrays import Array
from ssd_keras.models.backbones.blocks import (
    CAFFE_BATCH_NORM,
    ExtraLayer,
    add_extra_layers,
    convolve,
    convolve_depthwise,
)

FILTERS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
"""Of the 1 × 1 convolutions conv1 to conv13."""

HALVING = (2, 4, 6, 12)
"""The blocks whose depthwise convolution has stride 2."""

EXTRAS = (ExtraLayer(256, 512), ExtraLayer(128, 256), ExtraLayer(128, 256), ExtraLayer(64, 128))


def ssd300_mobilenet_features(image: Array, batch_norm: bool = True) -> list[Array]:
    """Build MobileNet-SSD; for an image of 300 × 300 the feature maps are 19, 10, 5, 3, 2 and 1 cells wide.

    Args:
        image: (B, h, w, channels).
        batch_norm: False: the convolutions have a bias and no batch normalisation, as in the deployed model,
            into whose kernels it is merged. For detection, not for training.

    Source: MobileNet-SSD for Caffe.
    """
    norm = CAFFE_BATCH_NORM if batch_norm else None
    x = convolve(image, 32, 3, "conv0", stride=2, batch_norm=norm)
    for block, filters in enumerate(FILTERS, start=1):
        stride = 2 if block in HALVING else 1
        x = convolve_depthwise(x, 3, f"conv{block}_dw", stride=stride, batch_norm=norm)
        x = convolve(x, filters, 1, f"conv{block}", batch_norm=norm)
        if block == 11:
            conv11 = x
    return [conv11, x, *add_extra_layers(x, EXTRAS, first=14, batch_norm=norm)]
