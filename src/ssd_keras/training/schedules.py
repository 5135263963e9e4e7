"""The course of the learning rate over a training run."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ssd_keras.boxes.arrays import Array
from ssd_keras.training.recipe import Recipe

LOWEST_OF_COSINE = 0.01
"""The share of the highest learning rate at which the cosine ends."""


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, multiplied by a factor that rises from 0 to 1 over the first `steps`."""

    def __init__(self, schedule: Any, steps: int) -> None:
        super().__init__()
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step: Array) -> Array:
        """Give the learning rate at `step`, a float32 scalar."""
        risen = ops.minimum(1.0, ops.cast(step, "float32") / self.steps)
        return risen * (self.schedule(step) if callable(self.schedule) else self.schedule)

    def get_config(self) -> dict[str, Any]:
        """Give what makes this schedule."""
        return {"schedule": self.schedule, "steps": self.steps}


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> Any:
    """Give the learning rate, a number or a Keras schedule over the steps.

    "plateau" is constant here: when the score stays where it is, `rate_factor` of the optimizer is lowered.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), total - 1)
    if recipe.schedule == "cosine":
        return _cosine(recipe.highest_rate, total, warmup)
    schedule: Any = recipe.highest_rate
    if recipe.schedule == "multi_step" and recipe.milestones:
        schedule = _multi_step(recipe, steps_per_epoch)
    return WarmUp(schedule, warmup) if warmup else schedule


def _cosine(highest: float, total: int, warmup: int) -> keras.optimizers.schedules.CosineDecay:
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else highest,
        decay_steps=total - warmup,
        alpha=LOWEST_OF_COSINE,
        warmup_target=highest if warmup else None,
        warmup_steps=warmup,
    )


def _multi_step(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.schedules.PiecewiseConstantDecay:
    """Multiply the rate by the decay factor at each milestone (Caffe: lr_policy "multistep")."""
    # Keras still uses the old value at the boundary itself.
    boundaries = [round(epoch * steps_per_epoch) - 1 for epoch in recipe.milestones]
    values = [recipe.highest_rate * recipe.decay_factor**passed for passed in range(len(boundaries) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
