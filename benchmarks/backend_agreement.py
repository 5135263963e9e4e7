"""How closely the three backends agree: one model file, the same images, each backend in its own process.

    python benchmarks/backend_agreement.py

Compares raw predictions, loss and detections of the backends that are installed, and
writes the table of docs/backends.md.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import report
from numpy.typing import NDArray

from ssd_keras.data.samples import GroundTruth

BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
PAGE = Path(__file__).parent.parent / "docs" / "backends.md"
START, END = "<!-- measured -->", "<!-- end of measured -->"
SCENES = 16


def main() -> None:
    """Run each backend on one model file and compare with the first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backend in BACKENDS:
            command = [sys.executable, __file__, "--compute", str(folder)]
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
            subprocess.run(command, env=environment, check=True)
        results = {backend: dict(np.load(folder / f"{backend}.npz")) for backend in BACKENDS}
    first = results[BACKENDS[0]]
    rows = [
        {
            "quantity": quantity,
            "shape": " × ".join(map(str, first[quantity].shape)) or "scalar",
            "largest value": float(np.abs(first[quantity]).max()),
            **{
                f"{backend} − {BACKENDS[0]}": float(
                    np.abs(results[backend][quantity] - first[quantity]).max()
                )
                for backend in BACKENDS[1:]
            },
        }
        for quantity in first
    ]
    report("backend_agreement", "largest absolute differences", rows)
    _write_table(rows)


def compute(folder: Path) -> None:
    """Compute with this process's backend; the first one to come makes the model file."""
    import keras

    from ssd_keras.data.street_scenes import STREET_CLASSES, street_scenes
    from ssd_keras.models.loss import make_targets
    from ssd_keras.models.ssd import SSD

    size = (192, 320)
    file = folder / "model.keras"
    if not file.exists():
        keras.utils.set_random_seed(0)
        SSD.from_preset("ssd7", STREET_CLASSES, image_size=size).save(file)
    model = keras.models.load_model(file)
    scenes = list(street_scenes(SCENES, seed=0, size=size))
    images = np.stack([image for image, _ in scenes])
    boxes, labels = _padded(scenes, size)
    raw = model.predict_on_batch(images)
    targets = make_targets(
        keras.ops.convert_to_tensor(model.anchor_boxes),
        keras.ops.convert_to_tensor(boxes),
        keras.ops.convert_to_tensor(labels),
        model.variances,
        model.iou_threshold,
        model.neutral_threshold,
    )
    tensors = {key: keras.ops.convert_to_tensor(value) for key, value in raw.items()}
    parts = model.multibox_loss(targets, tensors["offsets"], tensors["logits"])
    decoded = model.decoder().predict_on_batch(raw)
    values: dict[str, NDArray[np.float64]] = {
        "anchors": model.anchor_boxes,
        "raw offsets": raw["offsets"],
        "raw logits": raw["logits"],
        "matched classes": keras.ops.convert_to_numpy(targets.classes),
        "target offsets": keras.ops.convert_to_numpy(targets.offsets),
        "loss": keras.ops.convert_to_numpy(parts.total),
        "detected scores": decoded["scores"],
    }
    in_float64: dict[str, Any] = {name: np.asarray(value, np.float64) for name, value in values.items()}
    np.savez(folder / f"{keras.backend.backend()}.npz", **in_float64)


def _padded(
    scenes: list[tuple[NDArray[np.uint8], GroundTruth]], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Boxes (B, M, 4), relative, and labels (B, M) of the scenes."""
    height, width = size
    boxes, labels = np.zeros((len(scenes), 16, 4), np.float32), np.full((len(scenes), 16), -1, np.int32)
    for row, (_, truth) in enumerate(scenes):
        boxes[row, : len(truth)] = truth.boxes_px / [width, height, width, height]
        labels[row, : len(truth)] = truth.labels
    return boxes, labels


def _write_table(rows: list[dict[str, object]]) -> None:
    """Put the table between the two marks of the page."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = (f"{value:.2g}" if isinstance(value, float) else str(value) for value in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{START}\n\n" + "\n".join(lines) + f"\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    if "--compute" in sys.argv:
        compute(Path(sys.argv[-1]))
    else:
        main()
