"""Caffe's SSD networks, made from scratch: each layer as the original's scripts have it, with random weights.

A network is written as a deploy prototxt, which is text, and as a caffemodel, which is a message in the wire
format of protobuf. NumPy is all this takes, and the same seed gives the same numbers on every machine.

Blobs are float32 in Caffe's layout: a convolution has its kernel (out, in / group, height, width) and its
bias (out,). Pixels are BGR.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class Layer:
    """One layer: its settings, as they are in the prototxt, and its blobs, as they are in the caffemodel.

    Attributes:
        name: of the layer.
        type: of the layer, such as "Convolution".
        bottoms: names of what it takes.
        top: name of what it gives.
        settings: of each group, such as "convolution_param", the fields; a sequence is a repeated field.
        blobs: the weights.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    top: str
    settings: Mapping[str, Any]
    blobs: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Network:
    """A detector, and what its input must be: (BGR 0–255 − `mean`) · `scale`, of `side` × `side` pixels."""

    name: str
    side: int
    logits: int
    mean: tuple[float, float, float]
    scale: float
    layers: Sequence[Layer]

    def input_blob(self, image: np.ndarray) -> np.ndarray:
        """Prepare an RGB image (side, side, 3) uint8 as Caffe does: (1, 3, side, side) float32."""
        pixels = image[..., ::-1].astype(np.float32) - np.array(self.mean, np.float32)
        return np.ascontiguousarray(np.moveaxis(pixels * np.float32(self.scale), -1, 0)[None])


class Convolution(NamedTuple):
    """What a convolution is besides its number of filters."""

    kernel: int = 1
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    group: int = 1


POINTWISE = Convolution()
SAME_SIZE = Convolution(kernel=3, pad=1)
HALVING = Convolution(kernel=3, stride=2, pad=1)
SHRINKING = Convolution(kernel=3)

Extras = Mapping[str, tuple[int, Convolution]]
"""Layers after the base network: names, filters, shapes."""


class PredictorLayer(NamedTuple):
    """A feature map that predicts: the sizes (pixels), aspect ratios and step (pixels) of its priors.

    Without `step`, the image is divided by the number of cells.
    """

    source: str
    min_size: float
    max_size: float | None
    aspect_ratios: tuple[float, ...]
    step: float | None = None

    @property
    def boxes_per_cell(self) -> int:
        """A square, a second one between both sizes, and each aspect ratio lying and upright."""
        return 1 + (self.max_size is not None) + 2 * len(self.aspect_ratios)


class HeadWeights(NamedTuple):
    """How large the random weights of the heads are, over those that keep the size of activations.

    Chosen so that offsets are about 1, that most priors see background, as in a trained detector, and that
    the scores of the others vary; and so that, with seed 0, no detection hangs on the last digits.
    `background` is added to the bias of the background's logits.
    """

    loc: float
    conf: float
    background: float


# ---- VGG16

VGG16_FILTERS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
VGG16_MEAN = (104.0, 117.0, 123.0)
VGG16_PIXEL_GAIN = 1 / 64
"""Of the first kernel: it brings pixels to the size of the activations, about 1."""

SSD300_EXTRAS: Extras = {
    "conv6_1": (256, POINTWISE),
    "conv6_2": (512, HALVING),
    "conv7_1": (128, POINTWISE),
    "conv7_2": (256, HALVING),
    "conv8_1": (128, POINTWISE),
    "conv8_2": (256, SHRINKING),
    "conv9_1": (128, POINTWISE),
    "conv9_2": (256, SHRINKING),
}
SSD300_PREDICTORS = (
    PredictorLayer("conv4_3_norm", 30, 60, (2,), 8),
    PredictorLayer("fc7", 60, 111, (2, 3), 16),
    PredictorLayer("conv6_2", 111, 162, (2, 3), 32),
    PredictorLayer("conv7_2", 162, 213, (2, 3), 64),
    PredictorLayer("conv8_2", 213, 264, (2,), 100),
    PredictorLayer("conv9_2", 264, 315, (2,), 300),
)
SSD300_HEADS = HeadWeights(loc=0.7, conf=3.0, background=15.0)

SSD512_EXTRAS: Extras = {
    "conv6_1": (256, POINTWISE),
    "conv6_2": (512, HALVING),
    "conv7_1": (128, POINTWISE),
    "conv7_2": (256, HALVING),
    "conv8_1": (128, POINTWISE),
    "conv8_2": (256, HALVING),
    "conv9_1": (128, POINTWISE),
    "conv9_2": (256, HALVING),
    "conv10_1": (128, POINTWISE),
    "conv10_2": (256, Convolution(kernel=4, pad=1)),
}
# Caffe itself keeps these sizes in an int, and so makes 35 of 35.84.
SSD512_PREDICTORS = (
    PredictorLayer("conv4_3_norm", 35.84, 76.8, (2,), 8),
    PredictorLayer("fc7", 76.8, 153.6, (2, 3), 16),
    PredictorLayer("conv6_2", 153.6, 230.4, (2, 3), 32),
    PredictorLayer("conv7_2", 230.4, 307.2, (2, 3), 64),
    PredictorLayer("conv8_2", 307.2, 384.0, (2, 3), 128),
    PredictorLayer("conv9_2", 384.0, 460.8, (2,), 256),
    PredictorLayer("conv10_2", 460.8, 537.6, (2,), 512),
)
SSD512_HEADS = HeadWeights(loc=0.7, conf=2.0, background=17.0)


def ssd300_vgg16(logits: int = 21, seed: int = 0) -> Network:
    """SSD300 with the sizes of VOC. `logits` include background."""
    return _ssd_vgg16("ssd300_vgg16", 300, SSD300_EXTRAS, SSD300_PREDICTORS, SSD300_HEADS, logits, seed)


def ssd512_vgg16(logits: int = 21, seed: int = 0) -> Network:
    """SSD512 with the sizes of VOC. `logits` include background."""
    return _ssd_vgg16("ssd512_vgg16", 512, SSD512_EXTRAS, SSD512_PREDICTORS, SSD512_HEADS, logits, seed)


def _ssd_vgg16(
    name: str,
    side: int,
    extras: Extras,
    predictors: Sequence[PredictorLayer],
    heads: HeadWeights,
    logits: int,
    seed: int,
) -> Network:
    build = _Builder(seed)
    top = _add_vgg16(build)
    for extra, (filters, shape) in extras.items():
        top = build.activated_convolution(extra, top, filters, shape, relu=f"{extra}_relu")
    build.normalize("conv4_3_norm", "conv4_3")
    build.detector(predictors, SAME_SIZE, heads, logits)
    return Network(name, side, logits, VGG16_MEAN, 1.0, build.layers)


def _add_vgg16(build: "_Builder") -> str:
    """VGG16 to fc7; fc6 and fc7 are convolutions with fewer filters ("fc_reduced"), fc6 a dilated one."""
    convolve = build.activated_convolution
    top = "data"
    for block, all_filters in enumerate(VGG16_FILTERS, start=1):
        for number, filters in enumerate(all_filters, start=1):
            place, gain = f"{block}_{number}", VGG16_PIXEL_GAIN if top == "data" else 1.0
            top = convolve(f"conv{place}", top, filters, SAME_SIZE, relu=f"relu{place}", gain=gain)
        if block < len(VGG16_FILTERS):
            top = build.max_pool(f"pool{block}", top, kernel=2, stride=2)
        else:
            top = build.max_pool(f"pool{block}", top, kernel=3, stride=1, pad=1)
    top = convolve("fc6", top, 1024, Convolution(kernel=3, pad=6, dilation=6), relu="relu6")
    return convolve("fc7", top, 1024, POINTWISE, relu="relu7")


# ---- MobileNet

MOBILENET_FILTERS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
MOBILENET_HALVING = (2, 4, 6, 12)
MOBILENET_MEAN, MOBILENET_SCALE = (127.5, 127.5, 127.5), 0.007843
MOBILENET_PIXEL_GAIN = 4.0
"""As `VGG16_PIXEL_GAIN`, where pixels are −1 to 1."""

MOBILENET_EXTRAS: Extras = {
    "conv14_1": (256, POINTWISE),
    "conv14_2": (512, HALVING),
    "conv15_1": (128, POINTWISE),
    "conv15_2": (256, HALVING),
    "conv16_1": (128, POINTWISE),
    "conv16_2": (256, HALVING),
    "conv17_1": (64, POINTWISE),
    "conv17_2": (128, HALVING),
}
MOBILENET_PREDICTORS = (
    PredictorLayer("conv11", 60, None, (2,)),
    PredictorLayer("conv13", 105, 150, (2, 3)),
    PredictorLayer("conv14_2", 150, 195, (2, 3)),
    PredictorLayer("conv15_2", 195, 240, (2, 3)),
    PredictorLayer("conv16_2", 240, 285, (2, 3)),
    PredictorLayer("conv17_2", 285, 300, (2, 3)),
)
MOBILENET_HEADS = HeadWeights(loc=1.0, conf=3.5, background=18.5)
MOBILENET_BATCH_NORM_HEADS = HeadWeights(loc=1.0, conf=3.0, background=17.5)


def ssd300_mobilenet(logits: int = 21, seed: int = 0, batch_norm: bool = False) -> Network:
    """MobileNet-SSD as it is deployed, or with `batch_norm` as it is trained. `logits` include background.

    Deployed, batch normalisation is merged into the convolutions. Else the layers `{name}/bn` and
    `{name}/scale` follow each of them, and it has no bias.
    """
    build = _Builder(seed)

    def convolve(name: str, bottom: str, filters: int, shape: Convolution, gain: float = 1.0) -> str:
        return build.activated_convolution(
            name, bottom, filters, shape, relu=f"{name}/relu", batch_norm=batch_norm, gain=gain
        )

    top = convolve("conv0", "data", 32, HALVING, MOBILENET_PIXEL_GAIN)
    for block, filters in enumerate(MOBILENET_FILTERS, start=1):
        channels = build.channels[top]
        depthwise = (HALVING if block in MOBILENET_HALVING else SAME_SIZE)._replace(group=channels)
        top = convolve(f"conv{block}/dw", top, channels, depthwise)
        top = convolve(f"conv{block}", top, filters, POINTWISE)
    for name, (filters, shape) in MOBILENET_EXTRAS.items():
        top = convolve(name, top, filters, shape)
    heads = MOBILENET_BATCH_NORM_HEADS if batch_norm else MOBILENET_HEADS
    build.detector(MOBILENET_PREDICTORS, POINTWISE, heads, logits)
    name = "ssd300_mobilenet_batch_norm" if batch_norm else "ssd300_mobilenet"
    return Network(name, 300, logits, MOBILENET_MEAN, MOBILENET_SCALE, build.layers)


NETWORKS = {
    "ssd300_vgg16": ssd300_vgg16,
    "ssd512_vgg16": ssd512_vgg16,
    "ssd300_mobilenet": ssd300_mobilenet,
    "ssd300_mobilenet_batch_norm": partial(ssd300_mobilenet, batch_norm=True),
}
"""What makes each network of which there is a `golden/opencv_*.npz`, with the usual arguments."""


def random_image(side: int, seed: int = 7, spacing: int = 16) -> np.ndarray:
    """(side, side, 3) uint8 RGB: random colours every `spacing` pixels, straight transitions between them."""
    knots = side // spacing + 2
    colours = np.random.default_rng(seed).integers(0, 256, (knots, knots, 3))
    knot, beyond = np.divmod(np.arange(side), spacing)
    # In integers, so that nothing depends on how a machine rounds.
    down, across = beyond[:, None, None], beyond[:, None]
    rows = colours[knot] * (spacing - down) + colours[knot + 1] * down
    pixels = rows[:, knot] * (spacing - across) + rows[:, knot + 1] * across
    return (pixels // spacing**2).astype(np.uint8)


# ---- The layers

MOVING_AVERAGE_FACTOR = 999.98
"""Caffe's batch normalisation stores sums: mean and variance have yet to be divided by this."""


class _Builder:
    """Collects layers. A method adds one or more and gives the name of the last top."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.layers: list[Layer] = []
        self.channels = {"data": 3}

    def add(self, type_: str, name: str, bottoms: Iterable[str], *blobs: np.ndarray, **settings: Any) -> str:
        """Any layer with a top of its own, which has the layer's name."""
        bottoms = tuple(bottoms)
        self.layers.append(Layer(name, type_, bottoms, name, settings, blobs))
        self.channels[name] = self.channels[bottoms[0]]
        return name

    def add_in_place(self, type_: str, name: str, top: str, *blobs: np.ndarray, **settings: Any) -> str:
        """A layer that writes over what it takes."""
        self.layers.append(Layer(name, type_, (top,), top, settings, blobs))
        return top

    def activated_convolution(
        self,
        name: str,
        bottom: str,
        filters: int,
        shape: Convolution,
        *,
        relu: str,
        batch_norm: bool = False,
        gain: float = 1.0,
    ) -> str:
        """A convolution, with a bias or batch normalisation, and the activation named `relu`."""
        bias = None if batch_norm else self.bias(filters)
        top = self.convolution(name, bottom, filters, shape, bias, gain)
        if batch_norm:
            self.batch_norm(name, top)
        return self.add_in_place("ReLU", relu, top)

    def convolution(
        self,
        name: str,
        bottom: str,
        filters: int,
        shape: Convolution,
        bias: np.ndarray | None,
        gain: float = 1.0,
    ) -> str:
        """A convolution, at `gain` 1 with weights that let a ReLU after it keep the size of activations."""
        kernel_shape = (filters, self.channels[bottom] // shape.group, shape.kernel, shape.kernel)
        # Uniform numbers, unlike normal ones, come about by exact arithmetic alone. Their deviation is
        # their bound over √3, and is to be √(2 / fan-in).
        bound = gain * np.sqrt(3 * 2 / np.prod(kernel_shape[1:]))
        kernel = self.uniform(-bound, bound, kernel_shape)
        settings = {
            "num_output": filters,
            "bias_term": bias is not None,
            "pad": shape.pad,
            "kernel_size": shape.kernel,
            "group": shape.group,
            "stride": shape.stride,
            "dilation": shape.dilation,
        }
        blobs = (kernel,) if bias is None else (kernel, bias)
        self.add("Convolution", name, [bottom], *blobs, convolution_param=settings)
        self.channels[name] = filters
        return name

    def max_pool(self, name: str, bottom: str, *, kernel: int, stride: int, pad: int = 0) -> str:
        """Pooling; Caffe rounds the size of its output up."""
        settings = {"pool": "MAX", "kernel_size": kernel, "stride": stride, "pad": pad}
        return self.add("Pooling", name, [bottom], pooling_param=settings)

    def normalize(self, name: str, bottom: str) -> str:
        """Scale the channels of each cell to length 1, then each channel by a number near 20."""
        scale = self.uniform(15, 25, (self.channels[bottom],))
        settings = {"across_spatial": False, "channel_shared": False}
        return self.add("Normalize", name, [bottom], scale, norm_param=settings)

    def batch_norm(self, name: str, top: str) -> str:
        """`{name}/bn`, which takes off the mean and divides by the deviation, then `{name}/scale`."""
        shape = (self.channels[top],)
        factor = np.float32(MOVING_AVERAGE_FACTOR)
        # A convolution of activations of about 1 has a variance of about 2.
        mean, variance = self.uniform(-0.5, 0.5, shape), self.uniform(1, 3, shape)
        gamma, beta = self.uniform(1, 1.6, shape), self.uniform(-0.3, 0.3, shape)
        sums = (mean * factor, variance * factor, factor[None])
        self.add_in_place("BatchNorm", f"{name}/bn", top, *sums, batch_norm_param={"use_global_stats": True})
        return self.add_in_place("Scale", f"{name}/scale", top, gamma, beta, scale_param={"bias_term": True})

    def detector(
        self, predictors: Sequence[PredictorLayer], shape: Convolution, weights: HeadWeights, logits: int
    ) -> str:
        """Heads and priors of each source, then those of all sources in one row, then the detections."""
        for predictor in predictors:
            self.heads(predictor, shape, weights, logits)
            self.prior_box(predictor)
        for part, axis in (("loc_flat", 1), ("conf_flat", 1), ("priorbox", 2)):
            bottoms = [f"{predictor.source}_mbox_{part}" for predictor in predictors]
            self.add("Concat", f"mbox_{part.removesuffix('_flat')}", bottoms, concat_param={"axis": axis})

        rows = {"shape": {"dim": (0, -1, logits)}}
        top = self.add("Reshape", "mbox_conf_reshape", ["mbox_conf"], reshape_param=rows)
        top = self.add("Softmax", "mbox_conf_softmax", [top], softmax_param={"axis": 2})
        top = self.add("Flatten", "mbox_conf_flatten", [top], flatten_param={"axis": 1})
        settings = {
            "num_classes": logits,
            "share_location": True,
            "background_label_id": 0,
            "nms_param": {"nms_threshold": 0.45, "top_k": 400},
            "code_type": "CENTER_SIZE",
            "keep_top_k": 200,
            "confidence_threshold": 0.01,
        }
        bottoms = ["mbox_loc", top, "mbox_priorbox"]
        return self.add("DetectionOutput", "detection_out", bottoms, detection_output_param=settings)

    def heads(self, predictor: PredictorLayer, shape: Convolution, weights: HeadWeights, logits: int) -> None:
        """The convolutions that give the offsets (loc) and the logits (conf) of one source.

        Their channels are box-major: all four offsets of a cell's first box, then those of its second.
        Permuted to (1, height, width, channels) and flattened, they are in the order of the priors.
        """
        boxes = predictor.boxes_per_cell
        loc_bias, conf_bias = self.bias(boxes * 4), self.bias(boxes * logits)
        conf_bias[::logits] += np.float32(weights.background)
        for kind, bias, gain in (("loc", loc_bias, weights.loc), ("conf", conf_bias, weights.conf)):
            name = f"{predictor.source}_mbox_{kind}"
            top = self.convolution(name, predictor.source, len(bias), shape, bias, gain)
            top = self.add("Permute", f"{name}_perm", [top], permute_param={"order": (0, 2, 3, 1)})
            self.add("Flatten", f"{name}_flat", [top], flatten_param={"axis": 1})

    def prior_box(self, predictor: PredictorLayer) -> str:
        """The priors of one source, (1, 2, count · 4): boxes `xyxy`, and variances."""
        settings: dict[str, Any] = {"min_size": [float(predictor.min_size)]}
        if predictor.max_size is not None:
            settings["max_size"] = [float(predictor.max_size)]
        settings["aspect_ratio"] = [float(ratio) for ratio in predictor.aspect_ratios]
        settings |= {"flip": True, "clip": False, "variance": [0.1, 0.1, 0.2, 0.2]}
        if predictor.step is not None:
            settings["step"] = float(predictor.step)
        settings["offset"] = 0.5
        bottoms = [predictor.source, "data"]
        return self.add("PriorBox", f"{predictor.source}_mbox_priorbox", bottoms, prior_box_param=settings)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        """Random float32 numbers."""
        return np.float32(low) + self.random.random(shape, np.float32) * np.float32(high - low)

    def bias(self, filters: int) -> np.ndarray:
        """A small random bias."""
        return self.uniform(-0.1, 0.1, (filters,))


# ---- The prototxt: protobuf as text


def write_prototxt(path: Path, network: Network) -> None:
    """Write the deploy prototxt of a network: all layers, without blobs."""
    lines = [f'name: "{network.name}"', 'input: "data"']
    lines += _text({"input_shape": {"dim": (1, 3, network.side, network.side)}})
    for layer in network.layers:
        fields = {
            "name": f'"{layer.name}"',
            "type": f'"{layer.type}"',
            "bottom": [f'"{bottom}"' for bottom in layer.bottoms],
            "top": f'"{layer.top}"',
            **layer.settings,
        }
        lines += _text({"layer": fields})
    Path(path).write_text("\n".join(lines) + "\n")


def _text(message: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a message."""
    for name, value in message.items():
        if isinstance(value, Mapping):
            yield f"{name} {{"
            yield from (f"  {line}" for line in _text(value))
            yield "}"
        else:
            for item in value if isinstance(value, list | tuple) else [value]:
                yield f"{name}: {str(item).lower() if isinstance(item, bool) else item}"


# ---- The caffemodel: protobuf as bytes. Each field is a tag (its number and its wire type), then the value

VARINT, LENGTH_DELIMITED, FIXED_32 = 0, 2, 5

PRIOR_BOX_FIELDS = {
    "min_size": 1,
    "max_size": 2,
    "aspect_ratio": 3,
    "flip": 4,
    "clip": 5,
    "variance": 6,
    "step": 10,
    "offset": 13,
}
OLD_LAYER_TYPES = {"Concat": 3, "Convolution": 4, "Flatten": 8, "Pooling": 17, "ReLU": 18, "Softmax": 20}


def write_caffemodel(path: Path, network: Network, old_messages: bool = False) -> None:
    """Write the caffemodel of a network: the layers' names, types and blobs, and the settings of the priors.

    With `old_messages` as before 2015: the type is a number, blobs have always four dimensions, and there are
    no settings of priors. Of layers that came later, the type is 0 and the blobs are as now.
    """
    message = _old_layer_message if old_messages else _layer_message
    with Path(path).open("wb") as file:
        file.write(_bytes_field(1, network.name.encode()))
        for layer in network.layers:
            file.write(message(layer))


def _layer_message(layer: Layer) -> bytes:
    """`NetParameter.layer`, a `LayerParameter`."""
    message = _bytes_field(1, layer.name.encode()) + _bytes_field(2, layer.type.encode())
    for blob in layer.blobs:
        message += _bytes_field(7, _shape(blob) + _data(blob))
    if layer.type == "PriorBox":
        message += _bytes_field(203, _prior_box_message(layer.settings["prior_box_param"]))
    return _bytes_field(100, message)


def _old_layer_message(layer: Layer) -> bytes:
    """`NetParameter.layers`, a `V1LayerParameter`."""
    type_number = OLD_LAYER_TYPES.get(layer.type, 0)
    message = _bytes_field(4, layer.name.encode()) + _varint_field(5, type_number)
    for blob in layer.blobs:
        shape = _old_shape(blob) if type_number else _shape(blob)
        message += _bytes_field(6, shape + _data(blob))
    return _bytes_field(2, message)


def _shape(blob: np.ndarray) -> bytes:
    """`BlobProto.shape`, packed integers."""
    return _bytes_field(7, _bytes_field(1, b"".join(map(_varint, blob.shape))))


def _old_shape(blob: np.ndarray) -> bytes:
    """`BlobProto.num`, `channels`, `height` and `width`, the first of them 1 where there are fewer."""
    sides = (1,) * (4 - blob.ndim) + blob.shape
    return b"".join(_varint_field(number, side) for number, side in enumerate(sides, start=1))


def _data(blob: np.ndarray) -> bytes:
    """`BlobProto.data`, packed floats."""
    return _bytes_field(5, blob.astype("<f4").tobytes())


def _prior_box_message(settings: Mapping[str, Any]) -> bytes:
    """`PriorBoxParameter`; its numbers are floats, and repeated ones are not packed."""
    message = b""
    for name, value in settings.items():
        number = PRIOR_BOX_FIELDS[name]
        if isinstance(value, bool):
            message += _varint_field(number, value)
        else:
            for item in np.atleast_1d(value):
                message += _tag(number, FIXED_32) + struct.pack("<f", item)
    return message


def _bytes_field(number: int, value: bytes) -> bytes:
    return _tag(number, LENGTH_DELIMITED) + _varint(len(value)) + value


def _varint_field(number: int, value: int) -> bytes:
    return _tag(number, VARINT) + _varint(value)


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
