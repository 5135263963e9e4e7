"""Weights of SSD300 as PyTorch programs name them: random, and the same numbers on every machine.

No PyTorch is needed. Loops over the layers give names and shapes, in the order of the `state_dict`.
"""

from collections.abc import Iterator, Mapping

import numpy as np

Shapes = dict[str, tuple[int, ...]]

VGG16_FILTERS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
EXTRA_FILTERS = ((256, 512), (128, 256), (128, 256), (128, 256))
FEATURE_CHANNELS = (512, 1024, 512, 256, 256, 256)
BOXES_PER_CELL = (4, 6, 6, 6, 4, 4)

PIXEL_SCALE = 64
"""How large the pixels are, the mean taken off: the first kernel brings them to the size of the biases."""

TORCHVISION_LOGITS, TORCHVISION_SEED = 5, 13
"""Of the network whose predictions are in `golden/torchvision_ssd300.npz`."""


def torchvision_shapes(logits: int) -> Shapes:
    """Every parameter of torchvision's `ssd300_vgg16`, shapes by name."""
    shapes: Shapes = {"backbone.scale_weight": (512,)}
    for index, shape in _vgg16_convolutions():
        # The first part ends before the fourth pooling, which is number 0 of the second.
        name = f"features.{index}" if index < 23 else f"extra.0.{index - 23}"
        shapes |= _convolution(f"backbone.{name}", shape)
    for index, shape in zip((1, 3), _fc6_and_fc7(), strict=True):
        shapes |= _convolution(f"backbone.extra.0.7.{index}", shape)
    for index, shape in enumerate(_extra_convolutions()):
        shapes |= _convolution(f"backbone.extra.{1 + index // 2}.{index % 2 * 2}", shape)
    for head, channels in (("classification", logits), ("regression", 4)):
        for index, shape in enumerate(_head_convolutions(channels)):
            shapes |= _convolution(f"head.{head}_head.module_list.{index}", shape)
    return shapes


def port_shapes(logits: int = 21) -> Shapes:
    """Every parameter of SSD300 as most PyTorch ports have it: `vgg`, `L2Norm`, `extras`, `loc`, `conf`."""
    shapes: Shapes = {}
    for index, shape in _vgg16_convolutions():
        shapes |= _convolution(f"vgg.{index}", shape)
    for index, shape in zip((31, 33), _fc6_and_fc7(), strict=True):
        shapes |= _convolution(f"vgg.{index}", shape)
    shapes["L2Norm.weight"] = (512,)
    for index, shape in enumerate(_extra_convolutions()):
        shapes |= _convolution(f"extras.{index}", shape)
    for head, channels in (("loc", 4), ("conf", logits)):
        for index, shape in enumerate(_head_convolutions(channels)):
            shapes |= _convolution(f"{head}.{index}", shape)
    return shapes


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Give float32 arrays by name, at which neither activations nor scores vanish or explode."""
    random = np.random.default_rng(seed)
    return {name: _random_weight(name, shape, random) for name, shape in shapes.items()}


def blob_image(size: tuple[int, int], seed: int, spacing: int = 20) -> np.ndarray:
    """(H, W, 3) uint8: random colours every `spacing` pixels, and between them straight transitions.

    Whole numbers until the last division: sums of fractions are rounded otherwise on other processors, and
    half a level decides which colour a pixel has.
    """
    knots = (size[0] // spacing + 2, size[1] // spacing + 2)
    colours = np.random.default_rng(seed).integers(0, 256, (3, *knots))
    down, across = (
        np.maximum(0, spacing - np.abs(np.arange(side)[:, None] - spacing * np.arange(count)))
        for side, count in zip(size, knots, strict=True)
    )
    return np.moveaxis(np.round(down @ colours @ across.T / spacing**2), 0, -1).astype(np.uint8)


def _vgg16_convolutions() -> Iterator[tuple[int, tuple[int, ...]]]:
    """conv1_1 to conv5_3: place in the list of all layers, in which a ReLU follows each, and kernel shape."""
    index, channels = 0, 3
    for block in VGG16_FILTERS:
        for filters in block:
            yield index, (filters, channels, 3, 3)
            index, channels = index + 2, filters
        index += 1  # the pooling


def _fc6_and_fc7() -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (1024, 512, 3, 3), (1024, 1024, 1, 1)


def _extra_convolutions() -> Iterator[tuple[int, ...]]:
    """conv6_1, conv6_2, ... conv9_2 of Caffe's naming."""
    channels = 1024
    for squeezed, filters in EXTRA_FILTERS:
        yield squeezed, channels, 1, 1
        yield filters, squeezed, 3, 3
        channels = filters


def _head_convolutions(values_per_box: int) -> Iterator[tuple[int, ...]]:
    for channels, boxes in zip(FEATURE_CHANNELS, BOXES_PER_CELL, strict=True):
        yield boxes * values_per_box, channels, 3, 3


def _convolution(name: str, kernel_shape: tuple[int, ...]) -> Shapes:
    return {f"{name}.weight": kernel_shape, f"{name}.bias": kernel_shape[:1]}


def _random_weight(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    # Uniform numbers, unlike normal ones, come about by exact arithmetic alone.
    uniform = random.random(shape, dtype=np.float32)
    centred = 2 * uniform - 1
    if name.endswith("bias"):
        return centred * np.float32(0.1)
    if len(shape) == 1:
        return 15 + 10 * uniform
    fan_in = np.prod(shape[1:])
    scale = np.sqrt(2 / fan_in) / (PIXEL_SCALE if shape[1] == 3 else 1)
    return centred * np.float32(np.sqrt(3) * scale)
