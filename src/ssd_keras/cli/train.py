"""`ssd train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import model_validator

from ssd_keras.cli.options import Output, note, print_json
from ssd_keras.cli.processes import Processes, run_watched
from ssd_keras.cli.running import run_recipe
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe, is_recipe, make_recipe, read_recipe

if TYPE_CHECKING:
    from ssd_keras.training.trainer import Run

YAML = (".yaml", ".yml")

BEGINNER = 0.3
"""A detector with a lower mAP on the val split finds little at the usual thresholds."""

FEW_IMAGES = "docs/guides/few_images.md"


class Flags(Recipe):
    """The settings on a command line, where a recipe file may have what they need."""

    @model_validator(mode="after")
    def _has_milestones(self) -> Flags:
        """Leave the question to the recipe that flags and file make together."""
        return self


Settings = Annotated[Flags, Parameter(name="*")]


def train(
    recipe: Path | None = None,
    /,
    *,
    settings: Settings | None = None,
    processes: Processes | None = None,
    output: Output | None = None,
) -> None:
    """Train a detector from a recipe, or from flags alone.

    Args:
        recipe: A YAML file of settings, whose keys are the flags below; flags given as well have precedence.
        settings: What to train on what, and how.
        processes: On which hosts.
        output: How to print.
    """
    output, processes = output or Output(), processes or Processes()
    changes = settings.model_dump(exclude_unset=True) if settings else {}
    if recipe and recipe.is_dir():
        raise InputError(
            f"{recipe} is a folder, and no recipe (a YAML file): for a data set, --data {recipe}"
        )
    chosen = read_recipe(recipe, **changes) if recipe else make_recipe(changes, "ssd train")
    _check_order(recipe, chosen)
    if processes.is_watcher():
        run_watched(processes, str(chosen.out or "RUN"))
        return
    run = run_recipe(chosen, output.json, processes)
    if not processes.process:
        print_run(run, output)


def _check_order(recipe: Path | None, chosen: Recipe) -> None:
    """Raise `InputError` where the recipe stands behind `--data`, which takes all that follows."""
    if recipe is None:
        for path in chosen.data[1:]:
            if path.suffix in YAML and is_recipe(path):
                raise InputError(
                    f"{path} is a recipe, and stands among the data sets: write it first, as in 'ssd train "
                    f"{path} --data {chosen.data[0]}'"
                )


def print_run(run: Run, output: Output) -> None:
    """Print what a finished run has come to."""
    if output.json:
        print_json(run.as_json())
        return
    score = run.metrics["mAP"]
    measured = "" if score is None else f", best mAP {score:.3f} on the val split"
    epochs = "1 epoch" if run.epochs == 1 else f"{run.epochs} epochs"
    print(f"trained {epochs} in {run.seconds:.0f} s{measured}")
    print(f"model: {run.model}\nreport: {run.folder / 'report.html'}")
    if score is not None and score < BEGINNER:
        note(
            f"it has learned little yet: try more epochs ({FEW_IMAGES}), or a network that has learned "
            "elsewhere (--weights)"
        )
    note(f"next: ssd detect {run.folder} IMAGE --out found")
