"""Preprocessing inside the model, so that every model and every artefact takes plain RGB images."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ssd_keras.boxes.arrays import Array


@keras.saving.register_keras_serializable("ssd_keras")
class ImagePreprocessing(keras.layers.Layer):
    """Turn RGB pixels 0-255 into what the backbone expects: (x − mean) · scale, channels reversed on demand.

    Attributes:
        mean: one number, or one per channel in RGB order.
        scale: the factor after that, one number, or one per channel in RGB order.
        to_bgr: reverse the channels, for weights that come from Caffe.
    """

    def __init__(
        self,
        mean: float | Sequence[float],
        scale: float | Sequence[float] = 1.0,
        to_bgr: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mean = mean
        self.scale = scale
        self.to_bgr = to_bgr

    def call(self, image: Array) -> Array:
        """Preprocess (B, H, W, channels) of any number type; computed in float32."""
        mean, scale = (ops.convert_to_tensor(setting, "float32") for setting in (self.mean, self.scale))
        x = (ops.cast(image, "float32") - mean) * scale
        if self.to_bgr:
            x = ops.flip(x, axis=-1)
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the input: preprocessing keeps it."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Give all settings."""
        return {**super().get_config(), "mean": self.mean, "scale": self.scale, "to_bgr": self.to_bgr}
