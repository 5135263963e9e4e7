"""Training as `ssd train` and `ssd demo` share it."""

from __future__ import annotations

from ssd_keras.classes import checked_class_names
from ssd_keras.cli.options import note
from ssd_keras.data.readers import open_dataset
from ssd_keras.data.samples import Dataset
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.trainer import Run, build_model, train


def run_recipe(recipe: Recipe, quiet: bool = False) -> Run:
    """Open the data set of a recipe, build its model and train it, saying what had to be left out."""
    if recipe.data is None:
        raise InputError("no data set given: name one with --data, or with 'data:' in the recipe")
    names = checked_class_names(recipe.class_names) if recipe.class_names else None
    dataset = open_dataset(recipe.data, names)
    if not dataset.class_names:
        raise InputError(
            f"{recipe.data} has no labelled object: label some, or fix the classes with --class-names"
        )
    report_problems(dataset, recipe)
    run = train(build_model(recipe, dataset.class_names), dataset, recipe, quiet)
    if run.skipped:
        first = next(iter(run.skipped.values()))
        note(f"left out {len(run.skipped)} images that cannot be read; the first: {first}")
    return run


def report_problems(dataset: Dataset, recipe: Recipe) -> None:
    """Say in one line how much of a data set its reader had to leave out or mend."""
    if dataset.problems:
        note(
            f"{recipe.data}: {len(dataset.problems)} problems, left out or put right; the first: "
            f"{dataset.problems[0]}; all of them: ssd inspect {recipe.data}"
        )
