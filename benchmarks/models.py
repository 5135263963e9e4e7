"""Every preset: its size, its anchors, and how many images a second it detects in, with Keras, here.

    python benchmarks/models.py [--models ssd7 ssd300_vgg16] [--rounds 3]

Batch 8, 20 classes, random weights with heads as those of `detection.py`: from pixels at the input's size to
detections, decoding and suppression included.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from typing import Any

import numpy as np
from detection import BATCH, USUAL_CLASSES, detector
from measuring import report, seconds_in_turn

from ssd_keras.models.presets import PRESETS


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = [measure(name, arguments.rounds) for name in arguments.models]
    report("models", f"presets, {USUAL_CLASSES} classes, batch {BATCH}, float32", rows)


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Build one preset and time it."""
    model = detector(name, USUAL_CLASSES)
    images = np.random.default_rng(0).integers(0, 256, (BATCH, *model.image_size, 3), np.uint8)
    detect = functools.partial(model.detect_batch, images, [model.image_size] * BATCH)
    seconds = statistics.median(seconds_in_turn({"detect": detect}, rounds)["detect"])
    return {
        "model": name,
        "height": model.image_size[0],
        "width": model.image_size[1],
        "anchors": len(model.anchor_boxes),
        "million parameters": round(model.count_params() / 1e6, 1),
        "images/s": BATCH / seconds,
    }


if __name__ == "__main__":
    main()
