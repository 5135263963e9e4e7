"""A recipe with a network of three layers, for tests that start processes which have to compile it."""

from pathlib import Path

import yaml
from scenes import write_data

BACKBONE = """
from keras import layers

def tiny(image):
    fine = layers.Conv2D(
        8, 5, strides=8, padding="same", activation="relu", kernel_regularizer="l2", name="first"
    )(image)
    coarse = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="second")(fine)
    last = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="third")(coarse)
    return [fine, coarse, last]
"""

SETTINGS = {
    "image_size": [64, 96],
    "epochs": 2,
    "batch_size": 4,
    "evaluate_every": 1,
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "weight_decay": 5e-4,
    "max_gradient_norm": 1.0,
    "ema_momentum": 0.9,
    "save_minutes": 0,
    "augmentation": {"chain": "none"},
}


def write_recipe_and_data(folder: Path, **changes: object) -> Path:
    """Write a data set of 13 images for training and 3 for evaluation, and a recipe; give the recipe."""
    write_data(folder / "set", train=13, val=3, test=0)
    (folder / "tiny.py").write_text(BACKBONE)
    settings = {"data": str(folder / "set"), "backbone": f"{folder / 'tiny.py'}:tiny", **SETTINGS, **changes}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(settings))
    return folder / "recipe.yaml"
