"""What several devices cost and need: steps on 1 and 2 virtual ones, bytes to sum, checkpoints, the loader.

Virtual devices share the cores of one processor: two of them say what the division of a batch costs, not what
a second processor would bring. The rest are the measures from which `docs/scaling.md` calculates.

    python benchmarks/devices.py [--rounds 5]        with KERAS_BACKEND=tensorflow or jax
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")

import grain
import keras
import numpy as np
from measuring import report, seconds_in_turn

from ssd_keras.data.augment.chains import CHAINS
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.loader import TrainingLoader
from ssd_keras.data.street_scenes import STREET_CLASSES, write_street_scenes
from ssd_keras.models.ssd import SSD
from ssd_keras.training.checkpoints import Checkpoints, Progress
from ssd_keras.training.devices import choose_devices
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.optimizers import make_optimizer
from ssd_keras.training.recipe import make_recipe

BATCH, SIZE, SCENES, STEPS = 8, (150, 240), 48, 4
FULL_SIZE = (300, 300)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    _make_two_devices()
    with tempfile.TemporaryDirectory() as folder:
        rates, jpeg_bytes = _loading(Path(folder), rounds)
        saved = _checkpoint(Path(folder))
    steps = seconds_in_turn({count: _steps(count) for count in (1, 2)}, rounds)
    one, two = (statistics.median(steps[count]) / STEPS for count in (1, 2))
    rows = [
        {"what": "step on 1 device, ms", "measured": one * 1e3},
        {"what": "step on 2 virtual devices of the same cores, ms", "measured": two * 1e3},
        *({"what": name, "measured": value} for name, value in saved.items()),
        {"what": "loader, images per second of one core", "measured": rates},
        {"what": "bytes of a JPEG read by it", "measured": jpeg_bytes},
    ]
    backend = keras.backend.backend()
    title = f"Several devices: SSD7 at {SIZE[0]}x{SIZE[1]}, batch {BATCH}; SSD300 at 300x300; {backend}"
    report(f"devices-{backend}", title, rows, rounds=rounds, load=os.getloadavg()[0])


def _make_two_devices() -> None:
    """Divide the processor, before anything is computed."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


def _steps(count: int) -> Any:
    """Give a function that trains `STEPS` steps on so many devices."""
    recipe = make_recipe({"model": "ssd7", "image_size": SIZE, "batch_size": BATCH, "devices": count})
    model = build_model(recipe, STREET_CLASSES)
    devices = choose_devices(recipe, model.multibox_loss)
    trained = devices.model_on_all(model)
    with devices.making():
        trained.compile(make_optimizer(recipe, trained, 10))
        trained.optimizer.build(trained.trainable_variables)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (BATCH, *SIZE, 3), dtype=np.uint8)
    low = rng.uniform(0, 0.6, (BATCH, 8, 2)).astype(np.float32)
    truth = {
        "boxes": np.concatenate([low, low + 0.3], axis=-1),
        "labels": np.zeros((BATCH, 8), np.int32),
    }

    batches = grain.MapDataset.range(STEPS).map(lambda number: (images, truth)).to_iter_dataset()

    def steps() -> None:
        with devices.training():  # only `fit` divides a batch among TensorFlow's devices
            trained.fit(batches, steps_per_epoch=STEPS, shuffle=False, verbose=0)

    return steps


def _checkpoint(folder: Path) -> dict[str, float]:
    """Measure what SSD300 has to sum and to save."""
    model = SSD.from_preset("ssd300_vgg16", [f"class {number}" for number in range(80)])
    recipe = make_recipe({"optimizer": "sgd", "weight_decay": 5e-4})
    model.compile(make_optimizer(recipe, model, 10))
    model.optimizer.build(model.trainable_variables)
    seconds = []
    for step in range(3):
        started = time.perf_counter()
        path = Checkpoints(folder / "checkpoints").save(model, Progress(step=step))
        seconds.append(time.perf_counter() - started)
    gradients = sum(4 * int(np.prod(variable.shape)) for variable in model.trainable_variables)
    return {
        "SSD300 of 80 classes: bytes of the gradients (float32)": gradients,
        "its checkpoint with SGD, bytes": path.stat().st_size,
        "its checkpoint, seconds": statistics.median(seconds),
    }


def _loading(folder: Path, rounds: int) -> tuple[float, float]:
    """Give images per second of processor time, read from JPEG and augmented to 300 x 300; bytes of one."""
    write_street_scenes(folder / "data", {"train": SCENES}, size=(375, 500))
    samples = open_dataset(folder / "data")["train"]
    batches = iter(TrainingLoader(samples, FULL_SIZE, BATCH, CHAINS["ssd"](), seed=0).batches)
    list(islice(batches, 4))
    rates = []
    for _ in range(rounds):
        started = time.process_time()
        list(islice(batches, 16))
        rates.append(16 * BATCH / (time.process_time() - started))
    sizes = [path.stat().st_size for path in (folder / "data").rglob("*.jpg")]
    return statistics.median(rates), statistics.mean(sizes)


if __name__ == "__main__":
    main()
