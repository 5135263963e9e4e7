"""A tiny data set for the tests: coloured rectangles on grey, two classes, quick to learn from."""

from pathlib import Path

import numpy as np

from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import GroundTruth, Sample

CLASSES = ("blue", "red")
COLOURS = ((40, 40, 220), (220, 40, 40))
SIZE = (96, 128)


def sample(number: int, objects: int = 2) -> Sample:
    """Draw image `number` with so many rectangles; its pixels depend on both numbers only."""
    rng = np.random.default_rng((number, objects))
    image = rng.integers(110, 140, (*SIZE, 3), dtype=np.uint8)
    boxes, labels = [], []
    for _ in range(objects):
        label = int(rng.integers(2))
        height, width = rng.integers(24, 48, 2)
        y, x = rng.integers(0, SIZE[0] - height), rng.integers(0, SIZE[1] - width)
        image[y : y + height, x : x + width] = COLOURS[label]
        boxes.append((x, y, x + width, y + height))
        labels.append(label)
    truth = GroundTruth(np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int32))
    return Sample(image, truth, f"{number:04d}")


def write_data(folder: Path, **counts: int) -> Path:
    """Write a VOC data set with a split of so many images for each name."""
    numbers = iter(range(sum(counts.values())))
    splits = {name: [sample(next(numbers)) for _ in range(count)] for name, count in counts.items()}
    write_voc(folder, splits, CLASSES)
    return folder
