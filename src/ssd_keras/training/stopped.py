"""What a stopped run needs to go on: its model again, and the settings that it began with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras

from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.training.freezing import freeze
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import RunFolder
from ssd_keras.user_code import names_function

MAY_CHANGE = frozenset(
    {"data", "out", "weights", "workers", "cache_mb", "save_minutes", "tensorboard", "devices"}
)
"""Settings on which no weight depends: data are compared themselves, weights were read at the beginning."""


def stopped_model(path: Path) -> SSD:
    """Make the model of a stopped run anew, without what it has learned.

    Raises:
        InputError: its description is damaged, or needs layers of the user's that are not registered.
    """
    folder = RunFolder.open(path)
    recipe = folder.recipe
    try:
        keras.utils.set_random_seed(recipe.seed)  # all processes of a run begin with the same weights
        description = json.loads(folder.architecture.read_text())
        if recipe.backbone and names_function(recipe.backbone):  # it may use layers that only its file knows
            return build_model(recipe, tuple(description["config"]["class_names"]))
        model: SSD = keras.saving.deserialize_keras_object(description)
        freeze(model, recipe.freeze)
    except InputError:
        raise
    except Exception as error:  # Keras raises what it happens to meet
        raise InputError(
            f"{folder.architecture} cannot be read ({type(error).__name__}): if it needs layers of yours, "
            "call resume in Python where they are registered with Keras"
        ) from error
    return model


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
