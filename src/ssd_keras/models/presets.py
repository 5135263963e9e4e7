"""Presets: detectors by name, each a few lines of data over shared code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ssd_keras.boxes.anchors import Anchors, ScaledAnchors
from ssd_keras.boxes.arrays import Array
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.ssd7 import ssd7_features
from ssd_keras.models.ssd import SSD, make_backbone


@dataclass(frozen=True)
class Preset:
    """What a detector's name stands for."""

    features: Callable[[Array], list[Array]]
    image_size: tuple[int, int]
    anchors: Anchors
    preprocessing: dict[str, Any]
    variances: tuple[float, float, float, float]
    neutral_threshold: float | None = None


PRESETS = {
    # The tutorial of the 2018 port, trained from scratch, but for the variances: with the tutorial's 1 the
    # offsets weigh so little in the loss that the boxes stay loose.
    "ssd7": Preset(
        features=ssd7_features,
        image_size=(300, 480),
        anchors=ScaledAnchors(
            scales=(0.08, 0.16, 0.32, 0.64, 0.96),
            aspect_ratios=(0.5, 1.0, 2.0),
        ),
        preprocessing={"mean": 127.5, "scale": 1 / 127.5},
        variances=(0.1, 0.1, 0.2, 0.2),
        neutral_threshold=0.3,
    ),
}


def build_preset(
    name: str,
    class_names: Sequence[str],
    *,
    image_size: tuple[int, int] | None = None,
    channels: int = 3,
    anchors: Anchors | None = None,
    **changes: Any,
) -> SSD:
    """Make the detector `name`.

    Args:
        name: one of `PRESETS`.
        class_names: without background.
        image_size: (height, width) of the input; by default the preset's.
        channels: of the input.
        anchors: their description; by default the preset's.
        changes: any other argument of `SSD`.

    Raises:
        InputError: there is no such preset, or the input is too small for the network.
    """
    if name not in PRESETS:
        raise InputError(f"there is no model {name!r}: choose one of {', '.join(PRESETS)}")
    preset = PRESETS[name]
    size = image_size or preset.image_size
    try:
        backbone = make_backbone(preset.features, (*size, channels))
    except ValueError as error:
        raise InputError(
            f"model {name} cannot be built for images of {size[0]}x{size[1]}: give it larger images"
        ) from error
    settings = {
        "preprocessing": preset.preprocessing,
        "variances": preset.variances,
        "neutral_threshold": preset.neutral_threshold,
        **changes,
    }
    return SSD(backbone, anchors or preset.anchors, class_names, name=name, **settings)
