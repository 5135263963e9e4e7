"""Checkpoints: all that a training run is made of at one step, in one file that is whole or not there.

A checkpoint is a NumPy archive (`.npz`, a zip file) of the model's variables, the optimizer's (momenta,
average of the weights, schedule), the running means of the epoch, and `progress`: how far the run is and what
its callbacks know. Whatever else decides the next step follows from that: the loader gives the batch of any
step from the seed. Keras's own callbacks keep weights and position in two files: a kill may leave them apart.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.files import whole_file
from ssd_keras.training.devices import random_state, set_random_state

logger = logging.getLogger(__name__)

KEPT = 2
"""The last one, and the one before it in case that one is damaged."""

PROGRESS = "progress"
RANDOM = "random"


@dataclass
class Progress:
    """How far a run is, and what its callbacks remember; shared by them all.

    Attributes:
        step: steps made, over all epochs.
        epochs: epochs finished.
        best: highest score on the val split so far, None before the first.
        best_epoch: the epoch of that score, counted from 1; 0 before the first.
        lowered_epoch: the epoch after which a plateau last lowered the learning rate.
        log: a row for each finished epoch: column to value.
        seconds: time spent in finished epochs, evaluation and saving included.
        epoch_seconds: time spent in the steps of the epoch that is going on.
        waited: that part of it in which a step waited for data.
        digest: of the images and labels trained on and measured with.
        recipe: the settings it began with.
    """

    step: int = 0
    epochs: int = 0
    best: float | None = None
    best_epoch: int = 0
    lowered_epoch: int = 0
    log: list[dict[str, float | None]] = field(default_factory=list)
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    waited: float = 0.0
    digest: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a run, `step-00001200.npz` and the like in one folder."""

    folder: Path

    def save(self, model: keras.Model, progress: Progress) -> Path:
        """Write a checkpoint, and remove those that are no longer needed."""
        path = self.folder / f"step-{progress.step:08d}.npz"
        arrays: dict[str, Any] = {
            name: keras.ops.convert_to_numpy(variable) for name, variable in _variables(model)
        }
        arrays[RANDOM] = random_state()
        arrays[PROGRESS] = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
        with whole_file(path) as unfinished:
            np.savez(unfinished, **arrays)
        for old in self._newest_first()[KEPT:]:
            old.unlink()
        return path

    def newest_step(self) -> int:
        """Give the step of the newest checkpoint; 0 where there is none."""
        newest = next(iter(self._newest_first()), None)
        return int(newest.stem.removeprefix("step-")) if newest else 0

    def restore(
        self, model: keras.Model, check: Callable[[Progress], None] = lambda progress: None
    ) -> Progress:
        """Put the newest undamaged checkpoint into a compiled model, and give how far it is.

        Args:
            model: of the run.
            check: is called first with how far it is, and raises `InputError` where it is not to be taken.

        Raises:
            InputError: there is no undamaged checkpoint, or it is of another model.
        """
        for path in self._newest_first():
            try:
                arrays = _read(path)
                random = arrays.pop(RANDOM)
                progress = Progress(**json.loads(arrays.pop(PROGRESS).tobytes()))
            except Exception as error:  # which one depends on what the damage hit
                logger.warning("%s is damaged (%s): the one before it is used", path, _reason(error))
                continue
            check(progress)
            _put(arrays, model, path)
            set_random_state(random)
            return progress
        raise InputError(f"{self.folder} holds no undamaged checkpoint: remove the run folder and train anew")

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.npz"), reverse=True)


def _variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Name all variables of a compiled model that a step changes, by their number: Keras's names may vary."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    for kind, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
        ("means", model.metrics_variables),
    ):
        for number, variable in enumerate(variables):
            yield f"{kind}/{number}", variable


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays; the archive's checksums show any damage."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _put(arrays: dict[str, NDArray[Any]], model: keras.Model, path: Path) -> None:
    variables = dict(_variables(model))
    if {name: array.shape for name, array in arrays.items()} != {
        name: tuple(variable.shape) for name, variable in variables.items()
    }:
        raise InputError(f"{path} is a checkpoint of another model: resume with the recipe of the run")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
