"""Time and memory of evaluation: 5,000 images, 100 detections and about 7 objects each, 80 classes.

python benchmarks/evaluation.py [--images 5000] [--rounds 3]

Each in a process of its own, on one core, in turn; the seconds are those of the processor, so that others on
the machine do not count. The memory is what the process has at most during the task beyond what it had
before. "faster-coco-eval alone" is given the same detections as Python dictionaries, ready made.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import median_ratio, report

from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.evaluation.analysis import analyse
from ssd_keras.evaluation.coco import evaluate_coco, xyxy_to_xywh
from ssd_keras.evaluation.voc import evaluate_voc

CLASSES = tuple(f"class {k}" for k in range(80))
FOUND, OBJECTS, SIDE = 100, 7, 640
PEER = "faster-coco-eval alone"

Images = tuple[list[Detections], list[GroundTruth]]
Measured = tuple[float, float]
"""Seconds and megabytes."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", help="measure one task only: for the processes that this one starts")
    options = parser.parse_args()
    if options.task:
        print(json.dumps(_measure(options.task, options.images)))
        return
    many, few = options.images, options.images // 5
    large: dict[str, list[Measured]] = {name: [] for name in TASKS}
    for _ in range(options.rounds):
        for name in TASKS:
            large[name].append(_in_a_process(name, many))
    rows = [
        {
            "evaluation": name,
            "seconds": statistics.median(seconds for seconds, _ in large[name]),
            f"MB, {many} images": statistics.median(megabytes for _, megabytes in large[name]),
            f"MB, {few} images": _in_a_process(name, few)[1],
        }
        for name in TASKS
    ]
    title = f"{many} images × {FOUND} detections × {len(CLASSES)} classes, median of {options.rounds} rounds"
    ours, peer = ([seconds for seconds, _ in large[name]] for name in ("coco", PEER))
    report("evaluation", title, rows, **{f"coco / {PEER}": median_ratio(ours, peer)})


def _peer(images: Images) -> Callable[[], object]:
    """Give faster-coco-eval as its documentation calls it."""
    from faster_coco_eval import COCO, COCOeval_faster

    content, results = _as_dictionaries(images)

    def evaluate() -> object:
        truth = COCO(content)
        evaluator = COCOeval_faster(truth, truth.loadRes(results), iouType="bbox")
        evaluator.run()
        return evaluator.stats

    return evaluate


def _as_dictionaries(images: Images) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, (found, truth) in enumerate(zip(*images, strict=True), start=1):
        boxes = xyxy_to_xywh(truth.boxes_px.astype(np.float64)).tolist()
        for box, label, crowd in zip(boxes, truth.labels.tolist(), truth.crowd.tolist(), strict=True):
            entry = {"image_id": image, "category_id": label + 1, "bbox": box, "area": box[2] * box[3]}
            annotations.append({"id": len(annotations) + 1, "iscrowd": int(crowd), **entry})
        boxes = xyxy_to_xywh(found.boxes_px.astype(np.float64)).tolist()
        for box, label, score in zip(boxes, found.labels.tolist(), found.scores.tolist(), strict=True):
            results.append({"image_id": image, "category_id": label + 1, "bbox": box, "score": score})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    pictures = [{"id": number} for number in range(1, len(images[0]) + 1)]
    return {"images": pictures, "categories": categories, "annotations": annotations}, results


def _in_a_process(task: str, images: int) -> Measured:
    command = [sys.executable, str(Path(__file__)), "--task", task, "--images", str(images)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    seconds, megabytes = json.loads(printed)
    return seconds, megabytes


def _measure(task: str, images: int) -> Measured:
    """Give the seconds that a task takes, and the megabytes beyond what is there before it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    prepare = TASKS[task]
    prepare(_middling_detector(10))()  # what is imported and made once
    run = prepare(_middling_detector(images))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts from here
    before, started = _peak(), time.process_time()
    run()
    return time.process_time() - started, _peak() - before


def _peak() -> float:
    """Give the most memory this process has had so far, in megabytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _middling_detector(images: int) -> Images:
    """Detections of which about half lie near an object, most of these with its class."""
    rng = np.random.default_rng(0)
    truths = [_objects(rng, rng.poisson(OBJECTS)) for _ in range(images)]
    return [_found(rng, truth) for truth in truths], truths


def _objects(rng: np.random.Generator, count: int) -> GroundTruth:
    low = rng.uniform(0, SIDE - 300, (count, 2))
    sides = np.exp(rng.uniform(np.log(8), np.log(300), (count, 2)))
    labels = rng.integers(0, len(CLASSES), count).astype(np.int32)
    boxes = np.hstack([low, low + sides]).astype(np.float32)
    return GroundTruth(boxes, labels, crowd=rng.random(count) < 0.01)


def _found(rng: np.random.Generator, truth: GroundTruth) -> Detections:
    near_objects = min(FOUND // 2, 5 * len(truth))
    seen = rng.integers(0, max(1, len(truth)), near_objects)
    elsewhere = _objects(rng, FOUND - len(seen))
    sides = np.tile(truth.boxes_px[seen, 2:] - truth.boxes_px[seen, :2], 2)
    near = truth.boxes_px[seen] + rng.normal(0, 0.12, sides.shape) * sides
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
    others = rng.integers(0, len(CLASSES), len(seen))
    labels = np.where(rng.random(len(seen)) < 0.85, truth.labels[seen], others)
    return Detections(
        np.vstack([near, elsewhere.boxes_px]),
        np.concatenate([rng.beta(2, 2, len(seen)), rng.beta(1, 8, len(elsewhere))]),
        np.concatenate([labels, elsewhere.labels]),
        CLASSES,
        (SIDE, SIDE),
    )


TASKS: dict[str, Callable[[Images], Callable[[], object]]] = {
    "voc07": lambda images: lambda: evaluate_voc(*images, CLASSES, "voc07"),
    "voc10": lambda images: lambda: evaluate_voc(*images, CLASSES, "voc10"),
    "analysis of voc10": lambda images: lambda: analyse(*images, CLASSES, "voc10"),
    "coco": lambda images: lambda: evaluate_coco(*images, CLASSES),
    PEER: _peer,
}

if __name__ == "__main__":
    main()
