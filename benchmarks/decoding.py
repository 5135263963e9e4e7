"""How long decoding takes: 8,732 anchors (SSD300), 20 classes, thousands of candidates above 0.01.

python benchmarks/decoding.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from measuring import report, seconds_in_turn
from numpy.typing import NDArray

from ssd_keras.boxes.anchors import PaperAnchors
from ssd_keras.models.decoding import DecodeDetections, Decoding

Floats = NDArray[np.float32]

CLASSES = 20
VARIANCES = (0.1, 0.1, 0.2, 0.2)
SSD300 = PaperAnchors(
    min_sizes=(30, 60, 111, 162, 213, 264),
    max_sizes=(60, 111, 162, 213, 264, 315),
    aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    steps=(8, 16, 32, 64, 100, 300),
)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    anchors = SSD300.boxes((300, 300), [(side, side) for side in (38, 19, 10, 5, 3, 1)])
    rows = []
    for batch in (1, 8):
        raw = _crowded_predictions(batch, len(anchors))
        scores = ops.convert_to_numpy(ops.softmax(raw["logits"], axis=-1))[..., 1:]
        tasks = {
            name: _compiled(anchors, settings, raw)
            for name, settings in {"per class": Decoding(), "best class": Decoding(fast=True)}.items()
        }
        times = seconds_in_turn(tasks, rounds)
        rows += [
            {
                "decoding": name,
                "batch": batch,
                "ms an image": 1000 * statistics.median(seconds) / batch,
                "candidates an image": int((scores > 0.01).sum() / batch),
            }
            for name, seconds in times.items()
        ]
    title = f"{len(anchors)} anchors, {CLASSES} classes, {keras.backend.backend()}, median of {rounds} rounds"
    report("decoding", title, rows)


def _compiled(anchors: Floats, settings: Decoding, raw: dict[str, Floats]) -> Callable[[], object]:
    inputs = {key: keras.Input(value.shape[1:], name=key) for key, value in raw.items()}
    decoder = keras.Model(inputs, DecodeDetections(anchors, VARIANCES, settings)(inputs))
    decoder.compile(jit_compile=keras.backend.backend() != "torch")
    return lambda: decoder.predict_on_batch(raw)


def _crowded_predictions(batch: int, anchors: int) -> dict[str, Floats]:
    """Raw predictions of an undecided network: thousands of scores above 0.01 in an image."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (batch, anchors, CLASSES + 1)).astype(np.float32)
    logits[..., 0] += 5
    return {"offsets": rng.normal(0, 1, (batch, anchors, 4)).astype(np.float32), "logits": logits}


if __name__ == "__main__":
    main()
