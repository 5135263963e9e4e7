"""Building detectors: of a preset, or on any other base network."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from ssd_keras.boxes.anchors import FEWEST_SPACED, Anchors, PaperAnchors
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.applications import (
    TENSORFLOW_STYLE,
    application_features,
    application_preprocessing,
)
from ssd_keras.models.presets import Preset, find_preset, spaced_anchors
from ssd_keras.models.ssd import SSD, Features
from ssd_keras.user_code import load_function, names_function

KERAS_PREFIX = "keras:"
"""Before the name of a network of `keras.applications`."""


def build_preset(
    name: str,
    class_names: Sequence[str],
    *,
    image_size: tuple[int, int] | None = None,
    channels: int = 3,
    anchors: Anchors | str | None = None,
    anchor_changes: Mapping[str, Any] | None = None,
    preprocessing_changes: Mapping[str, Any] | None = None,
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
        preprocessing_changes: settings of `ImagePreprocessing` that are to be different.
        weights: "imagenet" for a base network that has learned ImageNet; None for random weights.
        backbone_options: further arguments of the base network's function.
        changes: any other argument of `SSD`.

    Raises:
        InputError: there is no such preset, set of anchors or pretrained weights, or the input is too small.
    """
    preset = find_preset(name)
    height, width = image_size or preset.image_size
    size = (height, width)
    options = {**preset.options, **(backbone_options or {})}
    backbone = _build_backbone(name, preset.features, (*size, channels), weights, options)
    settings = {
        "preprocessing": {
            **preprocessing_for(channels, preset.preprocessing),
            **(preprocessing_changes or {}),
        },
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
    preprocessing_changes: Mapping[str, Any] | None = None,
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
        preprocessing_changes: settings of `ImagePreprocessing` that are to be different.
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
        if not names_function(features):
            raise InputError(f"backbone {features!r} is unknown: give 'keras:NAME' or 'FILE.py:FUNCTION'")
        features = load_function(features, "base network")
    backbone = _build_backbone(name, features, (*image_size, channels), weights, options)
    if not isinstance(anchors, Anchors):
        layers = len(backbone.outputs)
        anchors = _anchors_given_whole(layers, anchor_changes) or _named_anchors(
            name, spaced_anchors(min(image_size), layers), anchors
        )
    anchors = _changed(name, anchors, anchor_changes)
    preprocessing = preprocessing or preprocessing_for(channels, usual)
    keras_name = re.sub(r"\W+", "_", name).strip("_")
    return SSD(
        backbone,
        anchors,
        class_names,
        preprocessing={**preprocessing, **(preprocessing_changes or {})},
        name=keras_name,
        **changes,
    )


def make_backbone(features: Features, input_shape: tuple[int, int, int], **options: Any) -> keras.Model:
    """Make a Keras model of a function from the image tensor to the feature maps.

    Args:
        features: takes the image, a Keras tensor (B, H, W, channels), and gives the feature maps to predict
            from, the finest first. `models/backbones/ssd7.py` is a worked example.
        input_shape: (height, width, channels).
        options: further arguments of `features`.
    """
    image = keras.Input(input_shape, name="preprocessed_image")
    given = features(image, **options)
    if not isinstance(given, list | tuple):
        raise TypeError("it gives no list of feature maps: write [map], also for a single one")
    maps = list(given)
    if not maps or len({id(one) for one in maps}) < len(maps):
        raise TypeError(f"it gives {len(maps)} feature maps, not one or more that differ")
    for number, one in enumerate(maps, start=1):
        if len(one.shape) != 4:
            raise TypeError(
                f"feature map {number} has shape {one.shape}, not (batch, height, width, channels)"
            )
    return keras.Model(image, maps, name=getattr(features, "__name__", "backbone"))


def preprocessing_for(channels: int, usual: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the preprocessing of photographs for images of other `channels` too, then averaged over three."""
    if channels == 3:
        return usual
    return {key: float(np.mean(value)) for key, value in usual.items() if key in ("mean", "scale")}


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
            raise InputError(
                f"ImageNet weights are for images of 3 channels, not {input_shape[2]}: leave 'weights' out"
            )
        options = {**options, "weights": weights}
    is_of_user = not features.__module__.startswith("ssd_keras.")
    try:
        return make_backbone(features, input_shape, **options)
    except Exception as error:
        if is_of_user:
            raise _fault_of_user(name, error) from error
        raise _fault_of_network(name, input_shape, error) from error


def _fault_of_user(name: str, error: Exception) -> InputError:
    reason = (str(error).strip().splitlines() or ["without a word"])[0][:200]
    return InputError(
        f"base network {name} fails ({type(error).__name__}: {reason}): it has to give a list of feature "
        "maps (batch, height, width, channels), each of them another, for an image tensor"
    )


def _fault_of_network(name: str, input_shape: tuple[int, int, int], error: Exception) -> Exception:
    if isinstance(error, TypeError):
        return InputError(f"model {name} does not take these backbone_options ({error}): correct them")
    if isinstance(error, ValueError):
        height, width, _ = input_shape
        reason = str(error).strip().splitlines()[0][:200]
        return InputError(
            f"model {name} cannot be built for images of {height}x{width} ({reason}): choose a larger size"
        )
    if "URL fetch failure" in str(error):  # what Keras raises where a download fails
        return InputError(
            f"the ImageNet weights of model {name} cannot be fetched ({' '.join(str(error).split())}): "
            "connect to the internet once, or start from another model's weights"
        )
    return error


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


def _anchors_given_whole(layers: int, given: Mapping[str, Any] | None) -> Anchors | None:
    """Give the anchors whose sizes are all given, for so few layers that none can be spaced over them."""
    needed = ("min_sizes", "max_sizes", "aspect_ratios")
    if layers >= FEWEST_SPACED or not given or any(name not in given for name in needed):
        return None
    return PaperAnchors(**{name: given[name] for name in needed})


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
                f"the anchors of model {model} have no {name!r}: give one of {', '.join(sorted(known))}"
            )
    return dataclasses.replace(anchors, **(changes or {}))
