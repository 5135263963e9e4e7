"""`ssd train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ssd_keras.cli.options import Output, note, print_json
from ssd_keras.cli.running import run_recipe
from ssd_keras.training.recipe import Recipe, make_recipe, read_recipe

Settings = Annotated[Recipe, Parameter(name="*")]


def train(
    recipe: Path | None = None, /, *, settings: Settings | None = None, output: Output | None = None
) -> None:
    """Train a detector from a recipe, or from flags alone.

    Args:
        recipe: a YAML file of settings, whose keys are the flags below; flags given as well have precedence.
        settings: what to train on what, and how.
        output: how to print.
    """
    output = output or Output()
    changes = settings.model_dump(exclude_unset=True) if settings else {}
    chosen = read_recipe(recipe, **changes) if recipe else make_recipe(changes, "ssd train")
    run = run_recipe(chosen, quiet=output.json)
    if output.json:
        print_json(run.as_json())
        return
    score = run.metrics["mAP"]
    measured = "" if score is None else f", best mAP {score:.3f} on the val split"
    epochs = "1 epoch" if run.epochs == 1 else f"{run.epochs} epochs"
    print(f"trained {epochs} in {run.seconds:.0f} s{measured}")
    print(f"model: {run.model}\ncurves: {run.folder / 'curves.png'}")
    note(f"next: ssd detect {run.folder} IMAGE --out found")
