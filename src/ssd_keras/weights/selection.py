"""Class selection: a detector for some of the classes that another one knows, or for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.classes import checked_class_names
from ssd_keras.models.ssd import SSD


def select_classes(model: SSD, class_names: Sequence[str], precision: str | None = None) -> SSD:
    """Make a detector for other classes out of one that is trained.

    Everything is copied but the layers that give the logits. Of these, the channels of background and of
    the classes that `model` knows too are copied, for each box of a cell; classes that it does not know begin
    with fresh weights.

    Args:
        model: the trained detector; it stays as it is.
        class_names: of the new one, in its order, without background.
        precision: dtype policy of the new one's network, such as "mixed_bfloat16"; by default as it is.

    Source: `sample_tensors` and the notebook on weight sampling of the Keras port of 2018, with its channels
        sorted by box and then by class, and background kept for every box.
    """
    names = checked_class_names(class_names)
    config = {**model.get_config(), "class_names": list(names)}
    if precision:
        config["backbone"] = _with_precision(config["backbone"], precision)
    selected = type(model).from_config(config)
    selected.backbone.set_weights(model.backbone.get_weights())
    kept = _kept_logits(model.class_names, names)
    for layer in selected.layers:
        if layer is selected.backbone or not layer.weights:
            continue
        old = model.get_layer(layer.name).get_weights()
        if layer.name.endswith("_mbox_conf"):
            fresh = layer.get_weights()
            old = [
                _select(one, new, len(model.class_names) + 1, kept)
                for one, new in zip(old, fresh, strict=True)
            ]
        layer.set_weights(old)
    return selected


def _kept_logits(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of an index among the new logits and one among the old ones; background is 0 in both."""
    known = [(index, old.index(name) + 1) for index, name in enumerate(new, start=1) if name in old]
    return [(0, 0), *known]


def _select(
    old: NDArray[np.float32], fresh: NDArray[np.float32], logits: int, kept: list[tuple[int, int]]
) -> NDArray[np.float32]:
    """Copy the kept channels (index b · C + c on the last axis) of a kernel or bias into a fresh one."""
    boxes = old.shape[-1] // logits
    result = np.reshape(fresh, (*fresh.shape[:-1], boxes, -1)).copy()
    new_index, old_index = zip(*kept, strict=True)
    result[..., list(new_index)] = np.reshape(old, (*old.shape[:-1], boxes, logits))[..., list(old_index)]
    return result.reshape(fresh.shape)


def _with_precision(config: Any, policy: str) -> Any:
    """Give a serialised network with another dtype policy in all its layers."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {**config["config"], "name": policy}}
        return {key: _with_precision(value, policy) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_with_precision(value, policy) for value in config]
    return config
