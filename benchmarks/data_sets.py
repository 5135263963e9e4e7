"""How fast data sets are inspected and read, and how much memory reading and loading them takes.

    python benchmarks/data_sets.py [--images 5000] [--labels 100000] [--formats coco csv yolo voc]

Images are generated: JPEGs of 500×375 pixels with the smooth areas and the texture of photographs, and, where
only labels are read, empty files beside them. Every measurement of memory runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from augmentation import photo_like
from measuring import report

from ssd_keras.data.augment import CHAINS
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.loader import TrainingLoader
from ssd_keras.data.samples import GroundTruth, Sample

CLASSES = tuple(f"class {number}" for number in range(20))
OBJECTS, SIZE = 7, (375, 500)
DIFFERENT = 50
"""So many different images are made; a data set repeats them under other names."""

STEPS = 60

Prepare = Callable[..., Callable[[], int]]
"""Makes the files that are needed, and gives what is measured."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", default=["coco", "csv", "yolo", "voc"])
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(measured_alone(f"inspect, {arguments.images} images", inspect, folder, arguments.images))
        for name in arguments.formats:
            what = f"labels of {arguments.labels} images, {OBJECTS} boxes each, {name}"
            rows.append(measured_alone(what, read_labels, folder, arguments.labels, name))
        for count in (1000, 10_000, arguments.labels):
            what = f"{STEPS} batches of 16, loader with {count} images"
            rows.append(measured_alone(what, load, folder, count))
    report("data_sets", "Reading, inspecting and loading generated data sets", rows)


def measured_alone(what: str, task: Prepare, folder: str, *arguments: Any) -> dict[str, Any]:
    """Prepare a task and run it, in a process of its own; it gives how many images it dealt with."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as alone:
        images, seconds, megabytes, before = alone.submit(_run, task, folder, arguments).result()
    return {"what": what, "s": seconds, "images/s": images / seconds, "MB": megabytes, "MB before": before}


def _run(task: Prepare, folder: str, arguments: tuple[Any, ...]) -> tuple[int, float, float, float]:
    prepared = task(Path(folder), *arguments)
    before = _peak_megabytes()
    started = time.perf_counter()
    images = prepared()
    return images, time.perf_counter() - started, _peak_megabytes(), before


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def inspect(folder: Path, count: int) -> Callable[[], int]:
    """Write so many images as CSV data set; what is measured reads its labels and decodes all of them."""
    root = folder / "inspected"
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    encoded = [cv2.imencode(".jpg", photo_like(rng))[1].tobytes() for _ in range(DIFFERENT)]
    for number in range(count):
        # A comment at the end of the file makes its bytes its own.
        (root / "images" / f"{number:06d}.jpg").write_bytes(encoded[number % DIFFERENT] + b"%d" % number)
    write_labels(root, count, "csv")
    return lambda: inspect_dataset(open_dataset(root)).images


def read_labels(folder: Path, count: int, name: str) -> Callable[[], int]:
    """Write the labels of so many images; what is measured reads them."""
    root = folder / name
    images = root / {"voc": "JPEGImages"}.get(name, "images")
    images.mkdir(parents=True)
    header = cv2.imencode(".jpg", np.zeros((*SIZE, 3), np.uint8))[1].tobytes()
    for number in range(count):
        (images / f"{number:06d}.jpg").write_bytes(header[:1000])
    write_labels(root, count, name)
    return lambda: sum(len(split) for split in open_dataset(root).values())


def load(folder: Path, count: int) -> Callable[[], int]:
    """Make so many samples of files; what is measured takes batches from the loader."""
    rng = np.random.default_rng(0)
    places = []
    for number in range(DIFFERENT):
        places.append(folder / f"loaded_{number}.jpg")
        places[-1].write_bytes(cv2.imencode(".jpg", photo_like(rng))[1].tobytes())
    boxes = random_boxes(np.random.default_rng(1), count)
    labels = np.zeros(OBJECTS, np.int32)
    samples = [
        Sample(places[number % DIFFERENT], GroundTruth(boxes[number], labels), str(number))
        for number in range(count)
    ]
    loader = TrainingLoader(samples, (300, 300), 16, CHAINS["ssd"](), 0)
    return lambda: sum(len(batch[0]) for batch in islice(loader.batches, STEPS))


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw boxes (count, OBJECTS, 4) in whole pixels."""
    sides = rng.integers(20, 150, (count, OBJECTS, 2))
    corners = (rng.random((count, OBJECTS, 2)) * (np.array(SIZE[::-1]) - sides)).astype(int)
    return np.concatenate([corners, corners + sides], axis=-1).astype(np.float32)


def write_labels(root: Path, count: int, name: str) -> None:
    """Write random labels of so many images in a format, as plainly as other programs do."""
    rng = np.random.default_rng(1)
    boxes, classes = random_boxes(rng, count).astype(int), rng.integers(0, len(CLASSES), (count, OBJECTS))
    {"coco": _write_coco, "csv": _write_csv, "yolo": _write_yolo, "voc": _write_voc}[name](
        root, boxes, classes
    )


def _write_coco(root: Path, boxes: np.ndarray, classes: np.ndarray) -> None:
    images = [
        {"id": number, "file_name": f"{number:06d}.jpg", "height": SIZE[0], "width": SIZE[1]}
        for number in range(len(boxes))
    ]
    annotations = [
        {
            "id": number * OBJECTS + index,
            "image_id": number,
            "category_id": int(classes[number, index]),
            "bbox": [int(x0), int(y0), int(x1 - x0), int(y1 - y0)],
            "iscrowd": 0,
        }
        for number in range(len(boxes))
        for index, (x0, y0, x1, y1) in enumerate(boxes[number])
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(document))


def _write_csv(root: Path, boxes: np.ndarray, classes: np.ndarray) -> None:
    lines = ["image,xmin,ymin,xmax,ymax,class"]
    for number in range(len(boxes)):
        for box, label in zip(boxes[number].tolist(), classes[number].tolist(), strict=True):
            lines.append(f"images/{number:06d}.jpg,{','.join(map(str, box))},{CLASSES[label]}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


def _write_yolo(root: Path, boxes: np.ndarray, classes: np.ndarray) -> None:
    (root / "labels").mkdir()
    for number in range(len(boxes)):
        lines = [
            f"{label} {(x0 + x1) / 2 / SIZE[1]:.6f} {(y0 + y1) / 2 / SIZE[0]:.6f} "
            f"{(x1 - x0) / SIZE[1]:.6f} {(y1 - y0) / SIZE[0]:.6f}"
            for (x0, y0, x1, y1), label in zip(boxes[number], classes[number], strict=True)
        ]
        (root / "labels" / f"{number:06d}.txt").write_text("\n".join(lines))
    names = "\n".join(f"  {number}: {name}" for number, name in enumerate(CLASSES))
    (root / "data.yaml").write_text(f"train: images\nnames:\n{names}\n")


def _write_voc(root: Path, boxes: np.ndarray, classes: np.ndarray) -> None:
    (root / "Annotations").mkdir()
    for number in range(len(boxes)):
        objects = "".join(
            f"<object><name>{CLASSES[label]}</name><difficult>0</difficult><bndbox><xmin>{x0}</xmin>"
            f"<ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for (x0, y0, x1, y1), label in zip(boxes[number], classes[number], strict=True)
        )
        size = f"<size><width>{SIZE[1]}</width><height>{SIZE[0]}</height><depth>3</depth></size>"
        (root / "Annotations" / f"{number:06d}.xml").write_text(f"<annotation>{size}{objects}</annotation>")


if __name__ == "__main__":
    main()
