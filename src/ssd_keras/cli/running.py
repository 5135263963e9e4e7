"""Training as `ssd train` and `ssd demo` share it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ssd_keras.backend import import_keras_quietly
from ssd_keras.classes import checked_class_names
from ssd_keras.cli.options import note, report_problems
from ssd_keras.cli.processes import Processes
from ssd_keras.data.checks import counted
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.samples import Dataset
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import RunFolder, refuse_taken_folder
from ssd_keras.training.several_hosts import telling_of_lost_processes

if TYPE_CHECKING:
    from ssd_keras.training.trainer import Run


def run_recipe(recipe: Recipe, quiet: bool = False, processes: Processes | None = None) -> Run:
    """Open the data set of a recipe, build its model and train it, saying what had to be left out."""
    processes = processes or Processes()
    if recipe.out and not processes.process:  # else process 0 may have made it already
        refuse_taken_folder(recipe.out)
    dataset = _open(recipe)  # what is wrong with it is said before Keras is loaded, which takes seconds
    import_keras_quietly()
    from ssd_keras.training.fitted_anchors import with_fitted_anchors
    from ssd_keras.training.initial_model import build_model
    from ssd_keras.training.trainer import train

    recipe = with_fitted_anchors(recipe, dataset)
    hosts = processes.connected()
    with telling_of_lost_processes(hosts, str(recipe.out or "RUN")):
        run = train(build_model(recipe, dataset.class_names), dataset, recipe, quiet, hosts)
    _report_skipped(run)
    return run


def resume_run(path: Path, quiet: bool = False, processes: Processes | None = None) -> Run:
    """Open the data set of a stopped run and let the run go on."""
    dataset = _open(RunFolder.open(path).recipe)
    import_keras_quietly()
    from ssd_keras.training.trainer import resume

    hosts = (processes or Processes()).connected()
    with telling_of_lost_processes(hosts, str(path)):
        run = resume(path, dataset, quiet=quiet, hosts=hosts)
    _report_skipped(run)
    return run


def report_run(path: Path) -> Path:
    """Write the report of a run anew, and give the path of the page."""
    folder = RunFolder(path)
    dataset = _open(folder.recipe)
    import_keras_quietly()
    from ssd_keras.training.expectations import choose_measured_split, choose_splits
    from ssd_keras.training.report import write_report

    recipe = folder.recipe
    return write_report(folder, choose_measured_split(choose_splits(dataset, recipe)[1], recipe))


def _report_skipped(run: Run) -> None:
    if run.skipped:
        first = next(iter(run.skipped.values()))
        note(f"left out {counted(len(run.skipped), 'image')} that cannot be read; the first: {first}")


def _open(recipe: Recipe) -> Dataset:
    if not recipe.data:
        raise InputError("no data set given: name one with --data, or with 'data:' in the recipe")
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
