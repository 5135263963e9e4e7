"""The networks of the Keras ports of 2017 and 2018, in Keras 2 and with random weights.

They write weight files as the ports did, and say what these weights predict. Keras 2 is the package
`tf_keras`, only imported when a network is built. Each function gives a model with two outputs:

    offsets (B, A, 4), scores (B, A, C) after softmax, background first

The ports' layers of anchors have no weights and are left out.
"""

import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np

VGG16_FILTERS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

# Filters, kernel size, stride and whether zeros are put around, of conv6_2, conv7_2 and so on.
SSD300_EXTRAS = ((512, 3, 2, True), (256, 3, 2, True), (256, 3, 1, False), (256, 3, 1, False))
SSD512_EXTRAS = (
    (512, 3, 2, True),
    (256, 3, 2, True),
    (256, 3, 2, True),
    (256, 3, 2, True),
    (256, 4, 1, True),
)

PIXEL_SCALE = 64
"""How large the pixels are, the mean taken off: the first kernel brings them to the size of the biases."""


def ssd_vgg16(n_classes: int = 20, image_size: tuple[int, int] = (300, 300), seed: int = 0) -> Any:
    """SSD300 of the port of 2018, or SSD512 at (512, 512).

    Args:
        n_classes: without background.
        image_size: (height, width) of the input, RGB 0–255.
        seed: of the weights.
    """
    from tf_keras import Input, Model, layers

    large = min(image_size) >= 512
    image = Input((*image_size, 3))
    x = _subtract_mean(image, [123.0, 117.0, 104.0])
    x = layers.Lambda(lambda tensor: tensor[..., ::-1], name="input_channel_swap")(x)
    conv4_3, x = _vgg16(x)
    sources = {"conv4_3_norm": _l2_normalization()(name="conv4_3_norm")(conv4_3), "fc7": x}
    for block, (filters, kernel, stride, padded) in enumerate(
        SSD512_EXTRAS if large else SSD300_EXTRAS, start=6
    ):
        x = _convolution(x, f"conv{block}_1", filters // 2, 1)
        if padded:
            x = layers.ZeroPadding2D(name=f"conv{block}_padding")(x)
        x = _convolution(x, f"conv{block}_2", filters, kernel, strides=stride, padding="valid")
        sources[f"conv{block}_2"] = x

    boxes_per_cell = (4, 6, 6, 6, 6, 4, 4) if large else (4, 6, 6, 6, 4, 4)
    offsets, logits = [], []
    for (source, features), boxes in zip(sources.items(), boxes_per_cell, strict=True):
        loc = _predictor(features, f"{source}_mbox_loc", boxes * 4)
        conf = _predictor(features, f"{source}_mbox_conf", boxes * (n_classes + 1))
        offsets.append(layers.Reshape((-1, 4), name=f"{source}_mbox_loc_reshape")(loc))
        logits.append(layers.Reshape((-1, n_classes + 1), name=f"{source}_mbox_conf_reshape")(conf))
    mbox_loc = layers.Concatenate(axis=1, name="mbox_loc")(offsets)
    mbox_conf = layers.Concatenate(axis=1, name="mbox_conf")(logits)
    scores = layers.Activation("softmax", name="mbox_conf_softmax")(mbox_conf)
    return _with_random_weights(Model(image, [mbox_loc, scores]), seed, PIXEL_SCALE)


def ssd7(n_classes: int = 5, image_size: tuple[int, int] = (300, 480), seed: int = 0) -> Any:
    """SSD7 of the port of 2018, with its tutorial's preprocessing.

    Args:
        n_classes: without background.
        image_size: (height, width) of the input, RGB 0–255.
        seed: of the weights.
    """
    from tf_keras import Input, Model, layers

    image = Input((*image_size, 3))
    x = _subtract_mean(image, 127.5)
    x = layers.Lambda(lambda tensor: tensor / 127.5, name="input_stddev_normalization")(x)
    offsets, logits = [], []
    for block, filters in enumerate((32, 48, 64, 64, 48, 48, 32), start=1):
        x = _convolution(x, f"conv{block}", filters, 5 if block == 1 else 3, activation=None)
        x = layers.BatchNormalization(axis=3, momentum=0.99, name=f"bn{block}")(x)
        x = layers.ELU(name=f"elu{block}")(x)
        if block >= 4:
            classes = _predictor(x, f"classes{block}", 4 * (n_classes + 1))
            boxes = _predictor(x, f"boxes{block}", 4 * 4)
            logits.append(layers.Reshape((-1, n_classes + 1), name=f"classes{block}_reshape")(classes))
            offsets.append(layers.Reshape((-1, 4), name=f"boxes{block}_reshape")(boxes))
        if block < 7:
            x = layers.MaxPooling2D(name=f"pool{block}")(x)
    boxes = layers.Concatenate(axis=1, name="boxes_concat")(offsets)
    classes = layers.Concatenate(axis=1, name="classes_concat")(logits)
    scores = layers.Activation("softmax", name="classes_softmax")(classes)
    return _with_random_weights(Model(image, [boxes, scores]), seed)


def ssd300_vgg16_v1(n_classes: int = 20, seed: int = 0) -> Any:
    """SSD300 of the port of 2017: the layout of the paper's first version.

    Its input (300, 300) is BGR with the mean (103.939, 116.779, 123.68) already taken off.

    Args:
        n_classes: without background.
        seed: of the weights.
    """
    from tf_keras import Input, Model, layers

    image = Input((300, 300, 3))
    conv4_3, fc7 = _vgg16(image)
    sources = {"conv4_3_norm": _l2_normalization()(name="conv4_3_norm")(conv4_3), "fc7": fc7}
    x = _convolution(fc7, "conv6_1", 256, 1)
    sources["conv6_2"] = x = _convolution(x, "conv6_2", 512, 3, strides=2)
    x = _convolution(x, "conv7_1", 128, 1)
    x = layers.ZeroPadding2D()(x)
    sources["conv7_2"] = x = _convolution(x, "conv7_2", 256, 3, strides=2, padding="valid")
    x = _convolution(x, "conv8_1", 128, 1)
    sources["conv8_2"] = x = _convolution(x, "conv8_2", 256, 3, strides=2)
    pool6 = layers.GlobalAveragePooling2D(name="pool6")(x)

    # With other classes than VOC's the port names the layers otherwise, so that loading by name skips them.
    suffix = "" if n_classes == 20 else f"_{n_classes + 1}"
    offsets, logits = [], []
    for (source, features), boxes in zip(sources.items(), (3, 6, 6, 6, 6), strict=True):
        loc = _predictor(features, f"{source}_mbox_loc", boxes * 4)
        conf = _predictor(features, f"{source}_mbox_conf{suffix}", boxes * (n_classes + 1))
        offsets.append(layers.Flatten(name=f"{source}_mbox_loc_flat")(loc))
        logits.append(layers.Flatten(name=f"{source}_mbox_conf_flat")(conf))
    offsets.append(layers.Dense(6 * 4, name="pool6_mbox_loc_flat")(pool6))
    logits.append(layers.Dense(6 * (n_classes + 1), name=f"pool6_mbox_conf_flat{suffix}")(pool6))
    mbox_loc = layers.Concatenate(axis=1, name="mbox_loc")(offsets)
    mbox_loc = layers.Reshape((-1, 4), name="mbox_loc_final")(mbox_loc)
    mbox_conf = layers.Concatenate(axis=1, name="mbox_conf")(logits)
    mbox_conf = layers.Reshape((-1, n_classes + 1), name="mbox_conf_logits")(mbox_conf)
    scores = layers.Activation("softmax", name="mbox_conf_final")(mbox_conf)
    return _with_random_weights(Model(image, [mbox_loc, scores]), seed, PIXEL_SCALE)


def save_whole_model(model: Any, path: Path) -> None:
    """Write configuration and weights into one `.h5` file."""
    with warnings.catch_warnings():
        # Keras calls the format old, which is why it is tested.
        warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file", UserWarning)
        model.save(path)


def _subtract_mean(image: Any, mean: float | list[float]) -> Any:
    from tf_keras import layers

    # The port begins so that its later layers may be left out.
    x = layers.Lambda(lambda tensor: tensor, name="identity_layer")(image)
    return layers.Lambda(lambda tensor: tensor - mean, name="input_mean_normalization")(x)


def _vgg16(x: Any) -> tuple[Any, Any]:
    """Give conv4_3 and fc7."""
    from tf_keras import layers

    outputs = []
    for block, filters in enumerate(VGG16_FILTERS, start=1):
        for index, count in enumerate(filters, start=1):
            x = _convolution(x, f"conv{block}_{index}", count, 3)
        outputs.append(x)
        size, stride = (2, 2) if block < 5 else (3, 1)
        x = layers.MaxPooling2D(size, stride, padding="same", name=f"pool{block}")(x)
    x = _convolution(x, "fc6", 1024, 3, dilation_rate=6)
    return outputs[3], _convolution(x, "fc7", 1024, 1)


def _convolution(x: Any, name: str, filters: int, kernel: int, **changes: Any) -> Any:
    from tf_keras import layers

    options = {"padding": "same", "activation": "relu", **changes}
    return layers.Conv2D(filters, kernel, name=name, **options)(x)


def _predictor(x: Any, name: str, filters: int) -> Any:
    return _convolution(x, name, filters, 3, activation=None)


@functools.cache
def _l2_normalization() -> Any:
    """Give the ports' layer, a class: each position's channels at length 1, times `gamma` (channels,)."""
    import tensorflow as tf
    from tf_keras import layers

    class L2Normalization(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.gamma = self.add_weight(name=f"{self.name}_gamma", shape=input_shape[-1:])

        def call(self, x: Any) -> Any:
            return tf.math.l2_normalize(x, axis=-1) * self.gamma

    return L2Normalization


def _with_random_weights(model: Any, seed: int, pixel_scale: float = 1) -> Any:
    """Fill the model so that neither activations nor scores vanish or explode, and give it back."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        layer.set_weights([_random_weight(w.name, w.shape, random, pixel_scale) for w in layer.weights])
    return model


def _random_weight(
    name: str, shape: tuple[int, ...], random: np.random.Generator, pixel_scale: float
) -> np.ndarray:
    uniform = random.random(shape, dtype=np.float32)
    centred = 2 * uniform - 1
    if name.endswith("/kernel:0"):
        of_pixels = len(shape) == 4 and shape[2] == 3
        scale = np.sqrt(2 / np.prod(shape[:-1])) / (pixel_scale if of_pixels else 1)
        return centred * np.float32(np.sqrt(3) * scale)
    if name.endswith("_norm_gamma:0"):
        return 15 + 10 * uniform
    if name.endswith(("/gamma:0", "/moving_variance:0")):
        return 0.5 + uniform
    return centred * np.float32(0.1)
