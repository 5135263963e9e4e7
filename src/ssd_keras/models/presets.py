"""Presets: detectors by name, each a few lines of data over shared code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ssd_keras.boxes.anchors import Anchors, PaperAnchors, ScaledAnchors
from ssd_keras.errors import InputError, nearest_name
from ssd_keras.models.backbones.applications import (
    AS_IT_IS,
    CAFFE_STYLE,
    TENSORFLOW_STYLE,
    TORCH_STYLE,
    application_features,
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
from ssd_keras.models.ssd import Features

VARIANCES = (0.1, 0.1, 0.2, 0.2)


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
"""Of the first layout of SSD300, of the ResNets and of MobileNet-SSD. (Their first layer also has no second
square: the first of `max_sizes` is None.)"""

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


def find_preset(name: str) -> Preset:
    """Give the preset of this name; `InputError` if there is none."""
    if name not in PRESETS:
        raise InputError(f"there is no model {name!r}: {nearest_name(name, PRESETS)}")
    return PRESETS[name]
