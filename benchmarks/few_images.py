"""Which settings a few hundred images want: SSD7 from scratch, a run of `ssd train` for each way to set them.

Each line changes one thing more than the line before. The score is that of the last weights, averaged ones
where there is an average, on the split `val`. Without data the images are drawn street scenes.

    python benchmarks/few_images.py [--data photos] [--epochs 30] [--image-size 192 320]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import report

from ssd_keras.data.street_scenes import write_street_scenes
from ssd_keras.training.curves import read_log

SCENES = {"train": 150, "val": 50}

CHANGES: dict[str, dict[str, Any]] = {
    "the paper's chain, batch 16, rate 0.001": {
        "augmentation.chain": "ssd",
        "batch-size": 16,
        "learning-rate": 0.001,
    },
    "chain mild": {"augmentation.chain": "mild"},
    "batch 8": {"batch-size": 8},
    "rate 0.003, which is the default": {"learning-rate": 0.003},
    "anchors for these boxes": {"anchors.fit": True},
    "averaged weights": {"ema-momentum": 0.99},
}
"""From settings for tens of thousands of images to the defaults, for hundreds, and beyond."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--image-size", type=int, nargs=2, default=[192, 320])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or Path(folder) / "street_scenes"
        if not arguments.data:
            write_street_scenes(data, SCENES)
        rows, settings = [], dict[str, Any]()
        for change, values in CHANGES.items():
            settings |= values
            row = train(data, arguments.epochs, arguments.image_size, settings)
            rows.append({"changed": change, **row})
    title = f"{data.name}: SSD7 for {arguments.epochs} epochs at {arguments.image_size}"
    report(f"few-images-{data.name}", title, rows)


def train(data: Path, epochs: int, image_size: list[int], settings: dict[str, Any]) -> dict[str, float]:
    """Train in a process of its own, and give the score of the last weights."""
    flags = [f"--{name}={value}" for name, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        size = ["--image-size", *map(str, image_size)]
        command = [sys.executable, "-m", "ssd_keras", "train", "--data", str(data), "--out", str(out)]
        started = time.perf_counter()
        subprocess.run(
            [*command, *size, "--epochs", str(epochs), "--evaluate-every", str(epochs), *flags],
            check=True,
            env={"KERAS_BACKEND": "tensorflow", **os.environ},
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
        log = read_log(out / "log.csv")
    return {"val mAP": log["val_mAP"][-1], "loss": log["loss"][-1], "seconds": round(seconds)}


if __name__ == "__main__":
    main()
