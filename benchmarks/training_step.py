"""What matching, encoding, mining and loss cost inside the training step, and whether the loader keeps up.

SSD7 at 300 × 480, batch 16: images/s of the whole training step, of the same network with a bare mean-squared
loss on its raw predictions, and of the loader with the original chain of augmentation on street scenes.

    python benchmarks/training_step.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

import keras
import numpy as np
from measuring import median_ratio, report, seconds_in_turn

from ssd_keras.data.augment.chains import CHAINS
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.loader import TrainingLoader
from ssd_keras.data.street_scenes import STREET_CLASSES, write_street_scenes
from ssd_keras.models.ssd import SSD

BATCH, SIZE, STEPS = 16, (300, 480), 3


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        loader = _loader(Path(folder))
        images, truth = next(iter(loader.batches))
        loading = _loading_rate(loader, rounds)

    whole = SSD.from_preset("ssd7", STREET_CLASSES, image_size=SIZE)
    whole.compile("adam")
    network = SSD.from_preset("ssd7", STREET_CLASSES, image_size=SIZE)
    bare = keras.Model(network.input, network.output)
    bare.compile("adam", loss="mse", jit_compile=whole.jit_compile)
    nothing = {key: np.zeros(value.shape, np.float32) for key, value in bare.predict_on_batch(images).items()}

    times = seconds_in_turn(
        {
            "whole step": lambda: [whole.train_on_batch(images, truth) for _ in range(STEPS)],
            "bare mean-squared loss": lambda: [bare.train_on_batch(images, nothing) for _ in range(STEPS)],
        },
        rounds,
    )
    rates = {name: BATCH * STEPS / statistics.median(seconds) for name, seconds in times.items()}
    rates["loader alone"] = loading
    report(
        "training_step",
        f"SSD7 at {SIZE[0]}x{SIZE[1]}, batch {BATCH}, {keras.backend.backend()}, median of {rounds} rounds",
        [{"what": name, "images/s": rate} for name, rate in rates.items()],
        whole_to_bare=median_ratio(times["bare mean-squared loss"], times["whole step"]),
        loader_to_step=loading / rates["whole step"],
    )


def _loader(folder: Path) -> TrainingLoader:
    write_street_scenes(folder / "data", {"train": 128}, size=SIZE)
    samples = open_dataset(folder / "data")["train"]
    return TrainingLoader(samples, SIZE, BATCH, CHAINS["ssd"](), seed=0)


def _loading_rate(loader: TrainingLoader, rounds: int) -> float:
    """Images/s of the loader alone, median over the rounds."""
    batches = iter(loader.batches)
    list(islice(batches, 4))  # threads running, buffers full
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        list(islice(batches, 16))
        rates.append(16 * BATCH / (time.perf_counter() - started))
    return statistics.median(rates)


if __name__ == "__main__":
    main()
