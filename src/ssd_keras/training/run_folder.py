"""The run folder: everything a training run leaves behind."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssd_keras.backend import choose_backend
from ssd_keras.errors import InputError
from ssd_keras.files import whole_file, write_text_whole
from ssd_keras.training.recipe import Recipe, read_recipe, with_absolute_paths, write_recipe

if TYPE_CHECKING:
    from ssd_keras.data.loader import Batch
    from ssd_keras.training.checkpoints import Checkpoints

RECIPE = "recipe.yaml"

RECORDED_PACKAGES = ("ssd-keras", "keras", "numpy", "opencv-python-headless", "grain")
BACKEND_PACKAGES = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax",), "torch": ("torch",)}


@dataclass(frozen=True)
class RunFolder:
    """The files of a run.

    Attributes:
        path: the folder: `recipe.yaml`, `versions.json`, `model.json` (the architecture), `log.csv`,
            `metrics.json` (when the run is finished), the pictures and `report.html`, the models `best.keras`
            (best mAP on the val split) and `last.keras`, and `checkpoints/`.
    """

    path: Path

    @classmethod
    def create(cls, recipe: Recipe) -> RunFolder:
        """Make the folder of a new run and write the versions into it; `begin` makes it a run.

        Raises:
            InputError: `recipe.out` already holds a run.
        """
        path = recipe.out or free_folder(Path("runs") / _usual_name(recipe))
        refuse_taken_folder(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}): choose another --out") from error
        folder = cls(path)
        folder.write_json("versions.json", _versions())
        return folder

    def begin(self, recipe: Recipe) -> None:
        """Write the recipe, at last: from then on the run can go on whatever happens."""
        write_recipe(with_absolute_paths(recipe), self.path / RECIPE)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open the folder of a run that was stopped.

        Raises:
            InputError: it is no run folder, or the run is finished.
        """
        folder = cls(path)
        folder.check_existence()
        for file in (path / RECIPE, folder.architecture):
            if not file.exists():
                raise InputError(f"{path} cannot go on: it has no {file.name}; give a whole run folder")
        if folder.metrics.exists():
            raise InputError(
                f"{path} is finished: to train on, ssd train --data DATA --weights {path} --out ANOTHER"
            )
        return folder

    def check_existence(self) -> None:
        """Raise `InputError` where there is no such folder."""
        if not self.path.exists():
            raise InputError(f"there is no run folder {self.path}: check the path")

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run; `InputError` where its file is damaged or missing."""
        self.check_existence()
        return read_recipe(self.path / RECIPE)

    @property
    def best_model(self) -> Path:
        """The model with the best mAP on the val split."""
        return self.path / "best.keras"

    @property
    def last_model(self) -> Path:
        """The model after the last finished epoch."""
        return self.path / "last.keras"

    @property
    def model(self) -> Path:
        """The model to use: the best one, or the last where none was measured."""
        return self.best_model if self.best_model.exists() else self.last_model

    @property
    def architecture(self) -> Path:
        """The model without its weights, from which a stopped run goes on."""
        return self.path / "model.json"

    @property
    def log(self) -> Path:
        """One line an epoch."""
        return self.path / "log.csv"

    @property
    def metrics(self) -> Path:
        """The figures of a finished run."""
        return self.path / "metrics.json"

    @property
    def checkpoints(self) -> Checkpoints:
        """All that a stopped run needs to go on."""
        from ssd_keras.training.checkpoints import Checkpoints  # which needs Keras

        return Checkpoints(self.path / "checkpoints")

    def write_json(self, name: str, content: dict[str, Any]) -> Path:
        """Write `content` to the file `name`."""
        path = self.path / name
        write_text_whole(path, json.dumps(content, indent=2) + "\n")
        return path

    @property
    def first_batch(self) -> Path:
        """The first images that were trained on, as the network saw them."""
        return self.path / "first-batch.npz"

    def read_first_batch(self) -> Batch | None:
        """Read the first images that were trained on; None where they are not there or damaged."""
        try:
            with self.first_batch.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            return arrays.pop("images"), arrays
        except Exception:  # which one depends on what the damage hit
            return None

    def keep_batch(self, path: Path, batch: Batch) -> Path:
        """Write a batch, as the network saw it, to a NumPy archive, and give its path."""
        images, truth = batch
        arrays: dict[str, Any] = {"images": images, **truth}
        with whole_file(path) as unfinished:
            np.savez_compressed(unfinished, **arrays)
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder; the lock goes with the process that has it.

        Raises:
            InputError: another process has the lock.
        """
        try:
            import fcntl
        except ImportError:  # not on this system
            yield
            return
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"another process is training in {self.path}: wait for it") from error
            yield


def _usual_name(recipe: Recipe) -> str:
    """Name a run after what it trains: the file it starts from, its base network, or its preset."""
    if recipe.weights not in (None, "imagenet"):
        return Path(str(recipe.weights)).resolve().stem  # of ".." too
    return re.sub(r"\W+", "_", recipe.backbone or recipe.model)


def refuse_taken_folder(path: Path) -> None:
    """Raise `InputError` where `path` already holds a run, or what somebody left of one."""
    if (path / RECIPE).exists():
        raise InputError(
            f"{path} already holds a run: go on with 'ssd resume {path}', or choose another folder with --out"
        )
    folder = RunFolder(path)
    # A start in vain leaves a checkpoint of step 0 at most; all others would be taken for the new run's.
    checkpoints = path.glob("checkpoints/step-*[1-9]*.npz")
    trained = [folder.metrics, folder.best_model, folder.last_model, *checkpoints]
    left = next((file for file in trained if file.exists()), None)
    if left is not None:
        raise InputError(
            f"{path} holds {left.name} of another run: remove what is left of that, or choose another folder "
            "with --out"
        )


def free_folder(wanted: Path) -> Path:
    """Give `wanted`, or the same with the first number at which nothing stands yet."""
    path, number = wanted, 1
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path


def _versions() -> dict[str, Any]:
    backend = choose_backend()
    packages = (*RECORDED_PACKAGES, *BACKEND_PACKAGES.get(backend, ()))
    return {
        "backend": backend,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{package: version for package in packages if (version := _version(package))},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
