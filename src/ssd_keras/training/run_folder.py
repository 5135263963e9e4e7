"""The run folder: everything a training run leaves behind."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_keras.backend import choose_backend
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe, write_recipe

RECORDED_PACKAGES = ("ssd-keras", "keras", "numpy", "opencv-python-headless", "grain")
BACKEND_PACKAGES = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax",), "torch": ("torch",)}


@dataclass(frozen=True)
class RunFolder:
    """The files of a run.

    Attributes:
        path: the folder: `recipe.yaml`, `versions.json`, `log.csv`, `metrics.json`, `curves.png`, and the
            models `best.keras` (best mAP on the val split) and `last.keras`.
    """

    path: Path

    @classmethod
    def create(cls, recipe: Recipe) -> RunFolder:
        """Make the folder of a new run and write recipe and versions into it.

        Raises:
            InputError: `recipe.out` already holds a run.
        """
        path = recipe.out or free_folder(Path("runs") / _usual_name(recipe))
        refuse_taken_folder(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_recipe(recipe, path / "recipe.yaml")
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}): choose another --out") from error
        folder = cls(path)
        folder.write_json("versions.json", _versions())
        return folder

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
    def log(self) -> Path:
        """One line an epoch."""
        return self.path / "log.csv"

    def write_json(self, name: str, content: dict[str, Any]) -> Path:
        """Write `content` to the file `name`."""
        path = self.path / name
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return path


def _usual_name(recipe: Recipe) -> str:
    """Name a run after what it trains: the file it starts from, its base network, or its preset."""
    if recipe.weights not in (None, "imagenet"):
        return Path(str(recipe.weights)).stem
    return re.sub(r"\W+", "_", recipe.backbone or recipe.model)


def refuse_taken_folder(path: Path) -> None:
    """Raise `InputError` where `path` already holds a run."""
    if (path / "recipe.yaml").exists():
        raise InputError(f"{path} already holds a run: choose another folder with --out, or remove it")


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
