"""Presets: detectors by name, each a few lines of data over shared code."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from ssd_keras.boxes.anchors import Anchors, PaperAnchors, ScaledAnchors
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.applications import (
    AS_IT_IS,
    CAFFE_STYLE,
    TENSORFLOW_STYLE,
    TORCH_STYLE,
    application_features,
    application_preprocessing,
    dilated_resnet_features,
    ssdlite_mobilenet_v3_features,
)
from ssd_keras.models.backbones.mobilenet import ssd300_mobilenet_features
from ssd_keras.models.backbones.ssd7 import ssd7_features
from ssd_keras.models.backbones.vgg16 import (
    ssd300_vgg16_features,
    ssd300_vgg16_v1_features,
    ssd512_vgg16_features,
)
from ssd_keras.models.predictor_heads import PredictorHeads
from ssd_keras.models.ssd import SSD, Features, make_backbone

VARIANCES = (0.1, 0.1, 0.2, 0.2)

KERAS_PREFIX = "keras:"
"""Before the name of a network of `keras.applications`."""


@dataclass(frozen=True)
class Preset:
    """What a detector's name stands for.

    Attributes:
        features: its base network.
        image_size: (height, width) of the input.
        anchors: one description, or several by name, of which the first is the usual one.
        preprocessing: settings of `ImagePreprocessing`.
        options: further arguments of `features`.
        variances: scale of the offsets.
        neutral_threshold: of `SSD`.
        heads: how the predictor heads are built.
    """

    features: Features
    image_size: tuple[int, int]
    anchors: Mapping[str, Anchors]
    preprocessing: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    variances: tuple[float, float, float, float] = VARIANCES
    neutral_threshold: float | None = None
    heads: PredictorHeads = field(default_factory=PredictorHeads)


CAFFE_VGG16 = {"mean": (123.0, 117.0, 104.0)}
CAFFE_MOBILENET = {"mean": 127.5, "scale": 0.007843}
KERAS_VGG16 = {"mean": (123.68, 116.779, 103.939)}


def spaced_anchors(side: int, layers: int, **settings: Any) -> dict[str, PaperAnchors]:
    """Space anchors over any number of predictor layers, for objects as VOC has them and as COCO has them."""
    return {
        "voc": PaperAnchors.spaced(side, layers, (20, 90), (10, 20), **settings),
        "coco": PaperAnchors.spaced(side, layers, (15, 90), (7, 15), **settings),
    }


SSD300_ANCHORS = spaced_anchors(300, 6, steps=(8, 16, 32, 64, 100, 300))
TORCHVISION_ANCHORS = dataclasses.replace(SSD300_ANCHORS["coco"], limit_sides=True)

SSD512_STEPS = (8, 16, 32, 64, 128, 256, 512)
SSD512_VOC = PaperAnchors.spaced(512, 7, (15, 90), (7, 15), steps=SSD512_STEPS)
SSD512_COCO = PaperAnchors.spaced(512, 7, (10, 90), (4, 10), steps=SSD512_STEPS)
SSD512_ANCHORS = {
    "voc": dataclasses.replace(SSD512_VOC, truncate=True),
    "coco": dataclasses.replace(SSD512_COCO, truncate=True),
    "voc_untruncated": SSD512_VOC,
    "coco_untruncated": SSD512_COCO,
}

V1_RATIOS = ((2.0,), *[(2.0, 3.0)] * 5)
"""Of the first layout of SSD300, of the ResNets and of MobileNet-SSD: no second square on the first layer."""

RESNET300_ANCHORS = PaperAnchors(
    min_sizes=(30, 60, 114, 168, 222, 276),
    max_sizes=(None, 114, 168, 222, 276, 330),
    aspect_ratios=V1_RATIOS,
    clip=True,
)

PRESETS = {
    # The tutorial of the 2018 port, trained from scratch, but for the variances: with the tutorial's 1 the
    # offsets weigh so little in the loss that the boxes stay loose.
    "ssd7": Preset(
        features=ssd7_features,
        image_size=(300, 480),
        anchors={
            "tutorial": ScaledAnchors(
                scales=(0.08, 0.16, 0.32, 0.64, 0.96),
                aspect_ratios=(0.5, 1.0, 2.0),
            )
        },
        preprocessing=TENSORFLOW_STYLE,
        neutral_threshold=0.3,
    ),
    # The paper's two detectors.
    "ssd300_vgg16": Preset(
        ssd300_vgg16_features, (300, 300), {**SSD300_ANCHORS, "torchvision": TORCHVISION_ANCHORS}, CAFFE_VGG16
    ),
    "ssd512_vgg16": Preset(ssd512_vgg16_features, (512, 512), SSD512_ANCHORS, CAFFE_VGG16),
    # The paper's first version, for the weights of the Keras port of 2017, which clips its anchors.
    "ssd300_vgg16_v1": Preset(
        ssd300_vgg16_v1_features,
        (300, 300),
        {"voc": RESNET300_ANCHORS},
        KERAS_VGG16,
        heads=PredictorHeads(kernel_sizes=(3, 3, 3, 3, 3, 1)),
    ),
    "ssd300_mobilenet": Preset(
        ssd300_mobilenet_features,
        (300, 300),
        {
            "voc": PaperAnchors(
                min_sizes=(60, 105, 150, 195, 240, 285),
                max_sizes=(None, 150, 195, 240, 285, 300),
                aspect_ratios=V1_RATIOS,
            )
        },
        CAFFE_MOBILENET,
        heads=PredictorHeads(kernel_sizes=1),
    ),
    "ssd300_resnet50": Preset(
        dilated_resnet_features, (300, 300), {"voc": RESNET300_ANCHORS}, CAFFE_STYLE, {"network": "ResNet50"}
    ),
    "ssd300_resnet101": Preset(
        dilated_resnet_features, (300, 300), {"voc": RESNET300_ANCHORS}, CAFFE_STYLE, {"network": "ResNet101"}
    ),
    "ssd512_resnet50": Preset(
        dilated_resnet_features,
        (512, 512),
        {"voc": SSD512_VOC, "coco": SSD512_COCO},
        CAFFE_STYLE,
        {"network": "ResNet50"},
    ),
    "ssd300_densenet121": Preset(
        application_features,
        (300, 300),
        spaced_anchors(300, 6),
        TORCH_STYLE,
        {"network": "DenseNet121", "taps": ("pool3_relu", "pool4_relu", "relu")},
    ),
    "ssd300_inception_resnet_v2": Preset(
        application_features,
        (300, 300),
        spaced_anchors(300, 6),
        TENSORFLOW_STYLE,
        {"network": "InceptionResNetV2"},
    ),
    "ssdlite320_mobilenet_v3": Preset(
        ssdlite_mobilenet_v3_features,
        (320, 320),
        {
            "coco": PaperAnchors(
                min_sizes=(64, 112, 160, 208, 256, 304),
                max_sizes=(112, 160, 208, 256, 304, 320),
                aspect_ratios=((2.0, 3.0),) * 6,
                limit_sides=True,
            )
        },
        AS_IT_IS,
        heads=PredictorHeads(separable=True),
    ),
}


def build_preset(
    name: str,
    class_names: Sequence[str],
    *,
    image_size: tuple[int, int] | None = None,
    channels: int = 3,
    anchors: Anchors | str | None = None,
    anchor_changes: Mapping[str, Any] | None = None,
    weights: str | None = None,
    backbone_options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> SSD:
    """Make the detector `name`.

    Args:
        name: one of `PRESETS`.
        class_names: without background.
        image_size: (height, width) of the input; by default the preset's.
        channels: of the input.
        anchors: their description, or the name of one of the preset's, such as "coco"; by default its first.
            The preset's follow the size of the input.
        anchor_changes: fields of their description that are to be different, such as `aspect_ratios`.
        weights: "imagenet" for a base network that has learned ImageNet; None for random weights.
        backbone_options: further arguments of the base network's function.
        changes: any other argument of `SSD`.

    Raises:
        InputError: there is no such preset, set of anchors or pretrained weights, or the input is too small.
    """
    preset = find_preset(name)
    size = image_size or preset.image_size
    options = {**preset.options, **(backbone_options or {})}
    backbone = _build_backbone(name, preset.features, (*size, channels), weights, options)
    settings = {
        "preprocessing": preset.preprocessing,
        "variances": preset.variances,
        "neutral_threshold": preset.neutral_threshold,
        "heads": preset.heads,
        **changes,
    }
    if not isinstance(anchors, Anchors):
        anchors = _anchors_of_preset(name, preset, anchors, size, len(backbone.outputs))
    anchors = _changed(name, anchors, anchor_changes)
    return SSD(backbone, anchors, class_names, name=name, **settings)


def build_on_backbone(
    features: Features | str,
    class_names: Sequence[str],
    image_size: tuple[int, int] = (300, 300),
    *,
    channels: int = 3,
    anchors: Anchors | str | None = None,
    anchor_changes: Mapping[str, Any] | None = None,
    weights: str | None = None,
    backbone_options: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    **changes: Any,
) -> SSD:
    """Make a detector on any base network.

    Args:
        features: a function from the image tensor to the feature maps, the finest first, such as
            `ssd7_features`; or "keras:" and the name of a network of `keras.applications`; or the file and
            the name of a function of yours, as "my_network.py:features".
        class_names: without background.
        image_size: (height, width) of the input.
        channels: of the input.
        anchors: their description; or "voc" (the default) or "coco": spaced over the feature maps as the
            original does it for these data sets.
        anchor_changes: fields of their description that are to be different, such as `aspect_ratios`.
        weights: "imagenet", where the base network can have them.
        backbone_options: further arguments of the base network's function.
        preprocessing: settings of `ImagePreprocessing`; by default what the network of `keras.applications`
            takes, or values of -1 to 1.
        changes: any other argument of `SSD`.

    Raises:
        InputError: there is no such network, or the input is too small for it.
    """
    options = dict(backbone_options or {})
    name = features if isinstance(features, str) else features.__name__
    usual: Mapping[str, Any] = TENSORFLOW_STYLE
    if name.startswith(KERAS_PREFIX):
        network = name.removeprefix(KERAS_PREFIX)
        features, usual = application_features, application_preprocessing(network)
        options["network"] = network
    elif isinstance(features, str):
        features = load_features(features)
    backbone = _build_backbone(name, features, (*image_size, channels), weights, options)
    if not isinstance(anchors, Anchors):
        layers = len(backbone.outputs)
        anchors = _named_anchors(name, spaced_anchors(min(image_size), layers), anchors)
    anchors = _changed(name, anchors, anchor_changes)
    keras_name = re.sub(r"\W+", "_", name).strip("_")
    return SSD(
        backbone, anchors, class_names, preprocessing=preprocessing or usual, name=keras_name, **changes
    )


def find_preset(name: str) -> Preset:
    """Give the preset of this name; `InputError` if there is none."""
    if name not in PRESETS:
        raise InputError(f"there is no model {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def load_features(place: str) -> Features:
    """Load a base network of the user's from a place like "my_network.py:features".

    Raises:
        InputError: there is no such file or function, or the file does not run.
    """
    file, _, function = place.rpartition(":")
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"base network {place!r}: give 'keras:NAME' or an existing 'FILE.py:FUNCTION'")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file does
        raise InputError(f"{path} does not run ({type(error).__name__}: {error}): correct it") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise InputError(f"{path} has no function {function!r}: name the one that gives the feature maps")
    return found  # type: ignore[no-any-return]


def _build_backbone(
    name: str,
    features: Features,
    input_shape: tuple[int, int, int],
    weights: str | None,
    options: Mapping[str, Any],
) -> keras.Model:
    """Build a base network, saying in the user's words what is wrong with its input or its weights."""
    if weights not in (None, "imagenet"):
        raise InputError(f"weights {weights!r} are unknown: give 'imagenet', or a .keras file to start from")
    if weights:
        if "weights" not in inspect.signature(features).parameters:
            raise InputError(f"model {name} has no ImageNet weights: leave 'weights' out")
        if input_shape[2] != 3:
            raise InputError(f"ImageNet weights are for images of 3 channels, not {input_shape[2]}")
        options = {**options, "weights": weights}
    try:
        return make_backbone(features, input_shape, **options)
    except ValueError as error:
        height, width, _ = input_shape
        reason = str(error).strip().splitlines()[0][:200]
        raise InputError(
            f"model {name} cannot be built for images of {height}x{width} ({reason}): give it larger images"
        ) from error


def _anchors_of_preset(
    name: str, preset: Preset, wanted: str | None, size: tuple[int, int], layers: int
) -> Anchors:
    """Give a preset's anchors, adapted where the input has another size."""
    anchors = _named_anchors(name, preset.anchors, wanted)
    if size == preset.image_size or not isinstance(anchors, PaperAnchors):
        return anchors
    if layers == len(anchors.min_sizes):
        return anchors.resized(min(size) / min(preset.image_size))
    # Where the number of feature maps follows the size of the image.
    spaced = spaced_anchors(min(size), layers)
    return spaced["coco" if (wanted or "").startswith("coco") else "voc"]


def _named_anchors(model: str, known: Mapping[str, Anchors], wanted: str | None) -> Anchors:
    if wanted is None:
        return next(iter(known.values()))
    if wanted not in known:
        raise InputError(f"model {model} has no anchors {wanted!r}: choose one of {', '.join(known)}")
    return known[wanted]


def _changed(model: str, anchors: Anchors, changes: Mapping[str, Any] | None) -> Anchors:
    """Give the anchors with some fields of their description replaced."""
    known = {field.name for field in dataclasses.fields(anchors)}
    for name in changes or {}:
        if name not in known:
            raise InputError(
                f"the anchors of model {model} have no {name!r}, only {', '.join(sorted(known))}"
            )
    return dataclasses.replace(anchors, **(changes or {}))
