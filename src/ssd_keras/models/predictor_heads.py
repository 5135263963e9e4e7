"""Predictor heads: what turns each feature map into offsets and logits of its anchors."""

from typing import Any

from keras import layers

from ssd_keras.boxes.arrays import Array


def predict_from(
    feature: Array, boxes_per_cell: int, logits: int, name: str, kernel_initializer: str, precision: Any
) -> tuple[Array, Array]:
    """Predict for every anchor of one feature map with two 3 × 3 convolutions (the paper's section 2.1).

    Args:
        feature: (B, h, w, channels).
        boxes_per_cell: n, the anchors at each cell.
        logits: C, classes and background.
        name: the layers are called `{name}_mbox_loc` and `{name}_mbox_conf`, as in Caffe.
        kernel_initializer: of both convolutions.
        precision: their dtype policy.

    Returns:
        Offsets (B, h · w · n, 4) and logits (B, h · w · n, C), in the order of the anchors.
    """

    def head(values: int, suffix: str) -> Array:
        x = layers.Conv2D(
            boxes_per_cell * values,
            3,
            padding="same",
            kernel_initializer=kernel_initializer,
            dtype=precision,
            name=f"{name}_{suffix}",
        )(feature)
        return layers.Reshape((-1, values), dtype=precision, name=f"{name}_{suffix}_reshape")(x)

    return head(4, "mbox_loc"), head(logits, "mbox_conf")
