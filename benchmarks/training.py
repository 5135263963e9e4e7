"""How fast `ssd train` trains, by model, backend and precision, and how long its steps wait for data.

Each line is a run of the command itself on drawn street scenes, with the original chain of augmentation; the
first epoch, in which the step is compiled, does not count. The last line says how fast the steps are in a run
that evaluates after every epoch, against one that does not.

    python benchmarks/training.py [--models ssd7 ssd300_vgg16] [--backends tensorflow jax torch]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import report

from ssd_keras.data.street_scenes import write_street_scenes
from ssd_keras.training.curves import read_log

BATCHES = {"ssd7": 16}
OTHER_BATCH = 8
SCENES = {"ssd7": 96, "ssd300_mobilenet": 64}
OTHER_SCENES = 32  # an epoch of VGG16 on a backend that is slow there takes minutes
VAL_SCENES = 40
EPOCHS = 3
NEVER = 1000


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["ssd7", "ssd300_mobilenet", "ssd300_vgg16"])
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in arguments.models:
            data = Path(folder) / model
            write_street_scenes(data, {"train": SCENES.get(model, OTHER_SCENES), "val": VAL_SCENES})
            for backend, precision in itertools.product(arguments.backends, arguments.precisions):
                rows.append(measure(data, model, backend, precision))
                print(*rows[-1].values(), flush=True)
        facts = cost_of_evaluation(Path(folder) / "ssd7") if "ssd7" in arguments.models else {}
    report("training", "ssd train", rows, **facts)


def measure(data: Path, model: str, backend: str, precision: str) -> dict[str, Any]:
    """Train for some epochs; give the rate and the share of waiting after the first."""
    log = train(data, backend, model=model, precision=precision, evaluate_every=NEVER)
    return {
        "model": model,
        "backend": backend,
        "precision": precision,
        "images/s": statistics.median(log["images_per_second"][1:]),
        "waiting for data": statistics.median(log["waiting"][1:]),
    }


def cost_of_evaluation(data: Path) -> dict[str, float]:
    """Compare the steps of runs that evaluate after every epoch and never, in turn."""
    rates: dict[int, list[float]] = {1: [], NEVER: []}
    for _ in range(3):
        for every, measured in rates.items():
            measured += train(data, "tensorflow", model="ssd7", evaluate_every=every)["images_per_second"][1:]
    return {
        "steps beside evaluation, relative": statistics.median(rates[1]) / statistics.median(rates[NEVER])
    }


def train(data: Path, backend: str, **settings: Any) -> dict[str, list[float]]:
    """Run `ssd train` and read its log; one epoch more than asked, as the last one is always evaluated."""
    batch = BATCHES.get(settings["model"], OTHER_BATCH)
    settings |= {"batch_size": batch, "epochs": EPOCHS + 1, "data": data}
    flags = [str(word) for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        subprocess.run(
            [sys.executable, "-m", "ssd_keras", "train", "--out", str(out), *flags],
            check=True,
            env={**os.environ, "KERAS_BACKEND": backend},
            stdout=subprocess.DEVNULL,
        )
        return read_log(out / "log.csv")


if __name__ == "__main__":
    main()
