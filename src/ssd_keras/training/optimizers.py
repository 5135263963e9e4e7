"""The optimizer of a recipe: its schedule, weight decay on kernels only, average of the weights."""

from typing import Any

import keras

from ssd_keras.training.recipe import Recipe

NOT_DECAYED = ("bias", "gamma", "beta")
"""Weight decay is for kernels (Caffe: `decay_mult: 0` for the others)."""


def make_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Make the Keras optimizer that `recipe` describes."""
    settings: dict[str, Any] = {
        "learning_rate": learning_rate(recipe, steps_per_epoch),
        "global_clipnorm": recipe.max_gradient_norm,
        "weight_decay": recipe.weight_decay or None,
    }
    if recipe.ema_momentum:
        settings |= {"use_ema": True, "ema_momentum": recipe.ema_momentum}
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.9, **settings)
    elif recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(**settings)
    else:
        optimizer = keras.optimizers.Adam(**settings)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
    return optimizer


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> Any:
    """Give the learning rate, a number or a Keras schedule over the steps."""
    total = recipe.epochs * steps_per_epoch
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), total - 1)
    if recipe.schedule == "constant" and not warmup:
        return recipe.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.learning_rate,
        decay_steps=total - warmup,
        alpha=1.0 if recipe.schedule == "constant" else 0.01,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
