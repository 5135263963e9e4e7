"""How many images per second one core augments, from JPEG bytes and from decoded pixels.

    python benchmarks/augmentation.py [--data FOLDER] [--size HEIGHT WIDTH] [--rounds N]

Without `--data` it makes photo-like JPEG images of 500×375 pixels. Prints a table and writes
`benchmarks/results/augmentation.json`. Each image carries three random boxes, for the batch sampler.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from measuring import median_ratio, report, seconds_in_turn
from numpy.typing import NDArray
from peers import TorchvisionAugmentation, import_torchvision

from ssd_keras.data.augment import CHAINS
from ssd_keras.data.images import IMAGE_SUFFIXES, read_image
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

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


def measure(samples: list[Sample], size: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Give the seconds of each round over all samples, by what was measured."""
    rng = np.random.default_rng(2)
    decoded = [Sample(read_image(s.image), s.ground_truth, s.image_id) for s in samples]
    tasks = {"decode only": partial(for_each, lambda sample: read_image(sample.image), samples)}
    for name, make_chain in CHAINS.items():
        augment = partial(make_chain(), rng=rng, size=size)
        tasks[f"{name}, from JPEG"] = partial(for_each, augment, samples)
        tasks[f"{name}, from pixels"] = partial(for_each, augment, decoded)
    return seconds_in_turn(tasks | peers(samples, decoded, size), rounds)


def peers(
    samples: list[Sample], decoded: list[Sample], size: tuple[int, int]
) -> dict[str, Callable[[], object]]:
    """Give torchvision's chain on both of its kinds of images, where it is installed."""
    torchvision = import_torchvision()
    if not torchvision:
        return {}
    import torch

    torch.set_num_threads(1)
    tasks: dict[str, Callable[[], object]] = {}
    for backend in ("pil", "tensor"):
        chain = TorchvisionAugmentation(torchvision, size, backend)

        def augment(sample: Sample, chain: TorchvisionAugmentation = chain) -> object:
            truth = sample.ground_truth
            return chain(sample.image, truth.boxes_px, truth.labels)

        tasks[f"torchvision, {backend}, from JPEG"] = partial(for_each, augment, samples)
        tasks[f"torchvision, {backend}, from pixels"] = partial(for_each, augment, decoded)
    return tasks


def for_each(work: Callable[[Sample], object], samples: list[Sample]) -> None:
    """Do the work on each sample."""
    for sample in samples:
        work(sample)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="Images per second that one core augments.")
    parser.add_argument("--data", type=Path, help="folder of images; generated ones without it")
    parser.add_argument("--size", type=int, nargs=2, default=(300, 300), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--images", type=int, default=100, help="how many at most")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()

    cv2.setNumThreads(0)  # one core
    samples = labelled(encoded_images(arguments.data, arguments.images))
    height, width = arguments.size
    times = measure(samples, (height, width), arguments.rounds)
    source = "photographs" if arguments.data else "generated images"
    report(
        "augmentation",
        f"{len(samples)} {source} to {height}×{width}, one core, {arguments.rounds} rounds",
        [
            {"what": name, "images/s": round(len(samples) / statistics.median(seconds), 1)}
            for name, seconds in times.items()
        ],
        **ratios(times),
    )


def ratios(times: dict[str, list[float]]) -> dict[str, float]:
    """Give how many times as fast the paper's chain is as the faster one of torchvision's, round by round."""
    found = {}
    for source in ("JPEG", "pixels"):
        theirs = [times[name] for name in times if name.startswith("torchvision") and name.endswith(source)]
        if theirs:
            faster = min(theirs, key=statistics.median)
            found[f"times_torchvision_from_{source}"] = median_ratio(faster, times[f"ssd, from {source}"])
    return found


if __name__ == "__main__":
    main()
