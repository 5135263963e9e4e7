"""What a stopped run needs to go on: its model again, and the settings that it began with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras

from ssd_keras.backend import set_random_seed
from ssd_keras.errors import InputError
from ssd_keras.files import write_text_whole
from ssd_keras.inference.detector import describe_detector
from ssd_keras.models.ssd import SSD
from ssd_keras.training.freezing import freeze, freeze_exactly, frozen_layers
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import RunFolder
from ssd_keras.user_code import names_function

MAY_CHANGE = frozenset(
    {"data", "out", "weights", "workers", "cache_mb", "save_minutes", "tensorboard", "devices"}
)
"""Settings on which no weight depends: data are compared themselves, weights were read at the beginning."""


FROZEN = "frozen"
"""In the description of a model: the names of the layers that stay as they are."""


def write_architecture(model: SSD, folder: RunFolder) -> None:
    """Write what `stopped_model` makes the model from; in Python layers may be frozen past the recipe."""
    description = {**describe_detector(model), FROZEN: frozen_layers(model)}
    write_text_whole(folder.architecture, json.dumps(description))


def stopped_model(path: Path) -> SSD:
    """Make the model of a stopped run anew, without what it has learned.

    Raises:
        InputError: its description is damaged, or needs layers of the user's that are not registered.
    """
    folder = RunFolder.open(path)
    recipe = folder.recipe
    try:
        set_random_seed(recipe.seed)  # all processes of a run begin with the same weights
        description = json.loads(folder.architecture.read_text())
        frozen = description.pop(FROZEN, None)
        if recipe.backbone and names_function(recipe.backbone):  # it may use layers that only its file knows
            model = build_model(recipe, tuple(description["config"]["class_names"]))
        else:
            model = keras.saving.deserialize_keras_object(description)
            freeze(model, recipe.freeze)
        if frozen is not None:
            freeze_exactly(model, frozen)
    except InputError:
        raise
    except Exception as error:  # Keras raises what it happens to meet
        raise InputError(
            f"{folder.architecture} cannot be read ({type(error).__name__}): if it needs layers of yours, "
            "call resume in Python where they are registered with Keras"
        ) from error
    return model


def refuse_other_data(path: Path, same: bool) -> None:
    """Raise `InputError` where the images and labels of a run are not the `same` as at the beginning."""
    if not same:
        raise InputError(
            f"{path} was trained on other images or labels than there are now: a run goes on only with "
            f"its own data; to train on with these, ssd train --data DATA --weights {path} --out ANOTHER"
        )


def refuse_changes(path: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise `InputError` where a setting that decides what is learned is another than at the beginning."""
    begun = _with_later_settings(then)
    for key in now.keys() - MAY_CHANGE:
        if begun[key] != now[key]:
            raise InputError(
                f"{path / 'recipe.yaml'}: {key} is {now[key]!r} and was {begun[key]!r} when the run began: "
                "put it back, or train anew"
            )


def _with_later_settings(then: dict[str, Any]) -> dict[str, Any]:
    """Complete the settings of a run that an earlier version began: what came later had its default."""
    usual = Recipe().model_dump(mode="json")
    return {
        key: {**value, **then.get(key, {})} if isinstance(value, dict) else then.get(key, value)
        for key, value in usual.items()
    }
