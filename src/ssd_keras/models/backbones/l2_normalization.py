"""The learned L2 normalisation of conv4_3 (the paper's section 3.1, after ParseNet)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ssd_keras.boxes.arrays import Array

EPSILON = 1e-10


@keras.saving.register_keras_serializable("ssd_keras")
class L2Normalization(keras.layers.Layer):
    """Scale the feature vector of each cell to length 1, and then each channel by a learned factor γ.

        y = γ · x / √(Σ x² + ε),  summed over the channels of the cell

    conv4_3 is so much larger than the other feature maps that its predictions would be unstable without this.

    Attributes:
        scale: what γ is initially.

    Source: Caffe's `NormalizeLayer` with `across_spatial: false`, `channel_shared: false`.
    """

    def __init__(self, scale: float = 20.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make γ, one number a channel."""
        self.gamma = self.add_weight(
            name="gamma", shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.scale)
        )

    def call(self, x: Array) -> Array:
        """Normalise (B, h, w, channels); in float32, because squares overflow float16."""
        wide = ops.cast(x, "float32")
        length = ops.sqrt(ops.sum(ops.square(wide), axis=-1, keepdims=True) + EPSILON)
        return ops.cast(wide / length * ops.cast(self.gamma, "float32"), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the input: normalisation keeps it."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Give all settings."""
        return {**super().get_config(), "scale": self.scale}
