"""How fast SSD300 (VGG16) predicts and learns, beside torchvision's in the same run.

Batch 8, 20 classes: images/s of the raw predictions and of the whole training step, in float32 and bfloat16.
torchvision's is measured where torch and torchvision are installed.

    python benchmarks/ssd300.py [--rounds 5] [--precision float32 bfloat16]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from measuring import median_ratio, report, seconds_in_turn
from peers import TorchvisionSSD300, import_torchvision

from ssd_keras.inference.detector import load_model
from ssd_keras.models.ssd import SSD

BATCH, CLASSES, OBJECTS = 8, 20, 3
CLASS_NAMES = [f"class {number}" for number in range(CLASSES)]
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", nargs="+", choices=list(POLICIES), default=list(POLICIES))
    arguments = parser.parse_args()
    images, boxes, labels = _batch()
    torchvision = import_torchvision()
    rows: list[dict[str, Any]] = []
    for precision in arguments.precision:
        ours = _tasks_of_ours(precision, images, boxes, labels)
        theirs = {}
        if torchvision:
            theirs = _tasks_of_torchvision(torchvision, precision == "bfloat16", images, boxes, labels)
        for what, rounds in (("forward", 3 * arguments.rounds), ("training step", arguments.rounds)):
            # Only the two that are compared take turns: the machine may change its speed in between.
            both = {"ssd-keras": ours[what], "torchvision": theirs.get(what)}
            times = seconds_in_turn({name: task for name, task in both.items() if task}, rounds)
            row: dict[str, Any] = {"what": f"{what}, {precision}"}
            row |= {f"{name} images/s": BATCH / statistics.median(seconds) for name, seconds in times.items()}
            if theirs:
                row["ratio"] = median_ratio(times["torchvision"], times["ssd-keras"])
            rows.append(row)
    report(
        "ssd300",
        f"SSD300 on VGG16, batch {BATCH}, {keras.backend.backend()}, median of {arguments.rounds} rounds",
        rows,
        torchvision=getattr(torchvision, "__version__", "not installed"),
        **_seconds_to_build_and_load(),
    )


def _seconds_to_build_and_load() -> dict[str, float]:
    """Time how long it takes to make the model, and to load it from a file."""
    started = time.perf_counter()
    model = SSD.from_preset("ssd300_vgg16", CLASS_NAMES)
    built = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "ssd300.keras")
        saved = time.perf_counter()
        load_model(Path(folder) / "ssd300.keras")
        loaded = time.perf_counter()
    return {"seconds_to_build": built - started, "seconds_to_load": loaded - saved}


def _batch() -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, 300, 300, 3), dtype=np.uint8)
    corners = random.uniform(0, 0.5, (BATCH, OBJECTS, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.1, 0.5, corners.shape)], -1)
    labels = random.integers(0, CLASSES, (BATCH, OBJECTS), dtype=np.int32)
    return images, boxes.astype(np.float32), labels


def _tasks_of_ours(precision: str, images: Any, boxes: Any, labels: Any) -> dict[str, Callable[[], object]]:
    keras.config.set_dtype_policy(POLICIES[precision])
    model = SSD.from_preset("ssd300_vgg16", CLASS_NAMES)
    keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.SGD(1e-4, momentum=0.9, weight_decay=5e-4))
    truth = {"boxes": boxes, "labels": labels}
    return {
        "forward": lambda: model.predict_on_batch(images),
        "training step": lambda: model.train_on_batch(images, truth),
    }


def _tasks_of_torchvision(
    torchvision: Any, bfloat16: bool, images: Any, boxes: Any, labels: Any
) -> dict[str, Callable[[], object]]:
    peer = TorchvisionSSD300(torchvision, CLASSES, bfloat16)
    return {
        "forward": lambda: peer.predict(images),
        "training step": lambda: peer.train(images, boxes, labels),
    }


if __name__ == "__main__":
    main()
