"""Predictor heads: what turns each feature map into offsets and logits of its anchors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from keras import layers

from ssd_keras.boxes.arrays import Array
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.blocks import SEPARABLE_BATCH_NORM, convolve_depthwise


@dataclass(frozen=True)
class PredictorHeads:
    """How the predictor heads are built; called on a feature map, they give its predictions.

    Two convolutions a feature map (the paper's section 2.1), one for the offsets, one for the logits.

    Attributes:
        kernel_sizes: side of the kernels: one number, or one a predictor layer.
        separable: each convolution in two, the first one depthwise with batch normalisation and ReLU6, the
            second one 1 × 1 (SSDLite; the MobileNetV2 paper's section 6.2).
        initializer: of the kernels. (Caffe's `xavier` is Keras's `lecun_uniform`.)
    """

    kernel_sizes: int | tuple[int, ...] = 3
    separable: bool = False
    initializer: str = "he_normal"

    def kernel_size_of_each(self, layers: int) -> tuple[int, ...]:
        """Give the side of the kernels of so many predictor layers; `InputError` where they are others."""
        if isinstance(self.kernel_sizes, int):
            return (self.kernel_sizes,) * layers
        if layers != len(self.kernel_sizes):
            raise InputError(
                f"predictor heads: {len(self.kernel_sizes)} kernel sizes for {layers} feature maps: give one "
                "for each"
            )
        return self.kernel_sizes

    def __call__(
        self, feature: Array, kernel: int, boxes_per_cell: int, logits: int, source: str, precision: Any
    ) -> tuple[Array, Array]:
        """Predict for every anchor of one feature map.

        Args:
            feature: (B, h, w, channels).
            kernel: side of the kernels.
            boxes_per_cell: n, the anchors at each cell.
            logits: C, classes and background.
            source: name of the feature map; the layers are called `{source}_mbox_loc` and
                `{source}_mbox_conf`, as in Caffe.
            precision: dtype policy of the layers.

        Returns:
            Offsets (B, h · w · n, 4) and logits (B, h · w · n, C), in the order of the anchors.
        """

        def head(values: int, name: str) -> Array:
            x = self._predict(feature, boxes_per_cell * values, kernel, name, precision)
            return layers.Reshape((-1, values), dtype=precision, name=f"{name}_reshape")(x)

        return head(4, f"{source}_mbox_loc"), head(logits, f"{source}_mbox_conf")

    def _predict(self, x: Array, channels: int, kernel: int, name: str, precision: Any) -> Array:
        if self.separable:
            x = convolve_depthwise(
                x,
                kernel,
                f"{name}_depthwise",
                batch_norm=SEPARABLE_BATCH_NORM,
                activation="relu6",
                precision=precision,
            )
            kernel = 1
        return layers.Conv2D(
            channels,
            kernel,
            padding="same",
            kernel_initializer=self.initializer,
            dtype=precision,
            name=name,
        )(x)

    def get_config(self) -> dict[str, Any]:
        """Give the settings."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PredictorHeads:
        """Make the heads again from `get_config`, from JSON too."""
        sizes = config["kernel_sizes"]
        return cls(**{**config, "kernel_sizes": sizes if isinstance(sizes, int) else tuple(sizes)})
