"""Training as `ssd train` and `ssd demo` share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssd_keras.backend import import_keras_quietly
from ssd_keras.classes import checked_class_names
from ssd_keras.cli.options import note, report_problems
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.samples import Dataset
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import refuse_taken_folder

if TYPE_CHECKING:
    from ssd_keras.training.trainer import Run


def run_recipe(recipe: Recipe, quiet: bool = False) -> Run:
    """Open the data set of a recipe, build its model and train it, saying what had to be left out."""
    dataset = _open(recipe)  # what is wrong with it is said before Keras is loaded, which takes seconds
    import_keras_quietly()
    from ssd_keras.training.trainer import build_model, train

    run = train(build_model(recipe, dataset.class_names), dataset, recipe, quiet)
    if run.skipped:
        first = next(iter(run.skipped.values()))
        note(f"left out {len(run.skipped)} images that cannot be read; the first: {first}")
    return run


def _open(recipe: Recipe) -> Dataset:
    if not recipe.data:
        raise InputError("no data set given: name one with --data, or with 'data:' in the recipe")
    if recipe.out:
        refuse_taken_folder(recipe.out)
    names = checked_class_names(recipe.class_names) if recipe.class_names else None
    dataset = open_dataset(
        recipe.data,
        names,
        include_classes=recipe.include_classes,
        exclude_difficult=recipe.exclude_difficult,
        exclude_truncated=recipe.exclude_truncated,
    )
    if not any(len(sample.ground_truth) for split in dataset.values() for sample in split):
        where = ", ".join(map(str, recipe.data))
        raise InputError(f"{where} has no labelled object: there is nothing to learn from, label some")
    report_problems(dataset, *recipe.data)
    return dataset
