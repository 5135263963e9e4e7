"""How many images per second one core augments, from JPEG bytes and from decoded pixels.

    python benchmarks/augmentation.py [--data FOLDER] [--size HEIGHT WIDTH] [--rounds N]

Without `--data` it makes photo-like JPEG images of 500×375 pixels. Prints a table and writes
`benchmarks/results/augmentation.json`. Each image carries three random boxes, for the batch sampler.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ssd_keras.data.augment import CHAINS
from ssd_keras.data.images import IMAGE_SUFFIXES, read_image
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

RESULT = Path(__file__).parent / "results" / "augmentation.json"
OBJECTS = 3


def photo_like(rng: np.random.Generator, height: int = 375, width: int = 500) -> NDArray[np.uint8]:
    """Make (height, width, 3) uint8 pixels with the smooth areas and the texture of a photograph."""
    image = np.zeros((height, width, 3))
    for cells, strength in ((4, 60), (16, 30), (64, 15), (256, 8)):
        noise = rng.normal(0, strength, (cells, cells, 3))
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image + 120, 0, 255).astype(np.uint8)


def encoded_images(folder: Path | None, count: int) -> list[bytes]:
    """Give up to `count` encoded images: those of `folder`, or generated ones (JPEG, quality 90)."""
    if folder is None:
        rng = np.random.default_rng(0)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        return [cv2.imencode(".jpg", photo_like(rng), quality)[1].tobytes() for _ in range(count)]
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise InputError(f"{folder} has no images: give a folder of photographs")
    return [path.read_bytes() for path in files[:count]]


def labelled(images: list[bytes]) -> list[Sample]:
    """Give each image a few random boxes."""
    rng = np.random.default_rng(1)
    samples = []
    for index, data in enumerate(images):
        height, width = read_image(data).shape[:2]
        corners = np.sort(rng.uniform(0, 1, (OBJECTS, 2, 2)), axis=1).reshape(OBJECTS, 4)
        boxes_px = (corners * (width, height, width, height)).astype(np.float32)
        samples.append(Sample(data, GroundTruth(boxes_px, np.zeros(OBJECTS, np.int32)), str(index)))
    return samples


def images_per_second(work: Callable[[Sample], object], samples: list[Sample], rounds: int) -> list[float]:
    """Measure several rounds over all samples, after one that does not count."""
    rates = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        for sample in samples:
            work(sample)
        rates.append(len(samples) / (time.perf_counter() - start))
    return rates[1:]


def measure(samples: list[Sample], size: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Give images per second of each round, by what was measured."""
    rng = np.random.default_rng(2)
    decoded = [Sample(read_image(s.image), s.ground_truth, s.image_id) for s in samples]
    rates = {"decode only": images_per_second(lambda s: read_image(s.image), samples, rounds)}
    for name, make_chain in CHAINS.items():
        chain = make_chain()

        def augment(sample: Sample, chain: Callable[..., object] = chain) -> object:
            return chain(sample, rng, size)

        rates[f"{name}, from JPEG"] = images_per_second(augment, samples, rounds)
        rates[f"{name}, from pixels"] = images_per_second(augment, decoded, rounds)
    return rates


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Images per second that one core augments.")
    parser.add_argument("--data", type=Path, help="folder of images; generated ones without it")
    parser.add_argument("--size", type=int, nargs=2, default=(300, 300), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--images", type=int, default=100, help="how many at most")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()

    cv2.setNumThreads(0)  # one core: the loader runs one such process for each
    samples = labelled(encoded_images(arguments.data, arguments.images))
    rates = measure(samples, tuple(arguments.size), arguments.rounds)

    height, width = arguments.size
    source = "photographs" if arguments.data else "generated images"
    table = Table("", "images/s (median)", "lowest", "highest")
    table.title = f"{len(samples)} {source} to {height}×{width}, one core, {arguments.rounds} rounds"
    for name, values in rates.items():
        table.add_row(
            name, *(f"{value:,.0f}" for value in (statistics.median(values), min(values), max(values)))
        )
    Console().print(table)
    RESULT.parent.mkdir(exist_ok=True)
    result = {
        "source": source,
        "images": len(samples),
        "size": [height, width],
        "rounds": arguments.rounds,
        "opencv": cv2.__version__,
        "images_per_second": {name: round(statistics.median(values), 1) for name, values in rates.items()},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
