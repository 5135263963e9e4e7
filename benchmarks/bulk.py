"""How fast `ssd detect --engine ray` is beside plain `ssd detect`, and what its shards and a new start cost.

    python benchmarks/bulk.py [--images 1000] [--workers 2] [--done 100000] [--shard-sizes 16 125]

The model is SSD7 (300 × 480) with random weights, the images are generated photographs (500 × 375, JPEG).
Both commands run in processes of their own, one after the other. `images/s` is of all of the command; `going`
is without its start: of the images after the first shard of each worker, or for plain detection what it says
itself. What a shard costs beside its images is told by the smallest and the largest ones. A new start is
measured on generated results of so many images, of which a last one is left to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from augmentation import encoded_images
from measuring import report

from ssd_keras.bulk.listing import list_images
from ssd_keras.bulk.results import ResultFolder, done_images, make_table
from ssd_keras.bulk.run import open_bulk
from ssd_keras.bulk.settings import Origin, Workforce
from ssd_keras.bulk.shards import divide, shown
from ssd_keras.data.street_scenes import STREET_CLASSES
from ssd_keras.detections import Detections
from ssd_keras.inference.detector import save_detector
from ssd_keras.models.ssd import SSD

KINDS = 50
"""Different photographs; the others are copies, which take as long to read."""

OBJECTS = 5
"""In each of the images of a new start."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--done", type=int, default=100_000)
    parser.add_argument("--shard-sizes", type=int, nargs="+", default=[16, 125])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "ssd7.keras"
        save_detector(SSD.from_preset("ssd7", STREET_CLASSES), model)
        photos = photographs(folder / "photos", arguments.images)
        rows = [plain(model, photos)]
        rows += [
            with_ray(model, photos, folder / f"found-{size}", arguments.workers, size)
            for size in arguments.shard_sizes
        ]
        facts = {
            "seconds_a_shard_costs": cost_of_a_shard(rows[1], rows[-1], arguments.workers),
            **new_start(model, folder / "done", arguments.done),
        }
    title = f"SSD7, {arguments.images} JPEG files of 500×375, {arguments.workers} workers"
    report("bulk", title, rows, load=os.getloadavg()[1], **facts)


def photographs(folder: Path, count: int) -> Path:
    """Write generated photographs."""
    folder.mkdir()
    kinds = encoded_images(None, min(KINDS, count))
    for number in range(count):
        (folder / f"{number:06d}.jpg").write_bytes(kinds[number % len(kinds)])
    return folder


def plain(model: Path, photos: Path) -> dict[str, Any]:
    """Measure plain detection; its own rate is in its last line."""
    started = time.perf_counter()
    said = ssd("detect", model, photos).splitlines()[-1]
    seconds = time.perf_counter() - started
    count = len(list(photos.iterdir()))
    going = float(said.partition("(")[2].partition(" ")[0])
    return row("ssd detect", "", count / seconds, going, seconds)


def with_ray(model: Path, photos: Path, out: Path, workers: int, size: int) -> dict[str, Any]:
    """Measure bulk detection in shards of a size."""
    started = time.perf_counter()
    flags = ("--workers", workers, "--shard-size", size, "--json")
    document = json.loads(ssd("detect", model, photos, "--engine", "ray", "--out", out, *flags))
    seconds = time.perf_counter() - started
    finished = sorted(file.stat().st_mtime for file in out.iterdir())[workers - 1 :]
    rest = document["images"] - workers * size
    going = rest / (finished[-1] - finished[0]) if len(finished) > 1 else float("nan")
    return row("--engine ray", size, document["images"] / seconds, going, seconds)


def cost_of_a_shard(small: dict[str, Any], large: dict[str, Any], workers: int) -> float:
    """Say how many seconds a worker needs for a shard beside those for its images: a + b · size = seconds."""
    seconds = [workers * one["shard size"] / one["going"] for one in (small, large)]
    sizes = [one["shard size"] for one in (small, large)]
    per_image = (seconds[1] - seconds[0]) / (sizes[1] - sizes[0])
    return float(seconds[0] - per_image * sizes[0])


def row(command: str, size: object, rate: float, going: float, seconds: float) -> dict[str, Any]:
    """Give a row of the table."""
    return {"command": command, "shard size": size, "images/s": rate, "going": going, "seconds": seconds}


def ssd(*words: object) -> str:
    """Run the command line in a process of its own, and give what it prints."""
    command = [sys.executable, "-m", "ssd_keras", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def new_start(model: Path, folder: Path, count: int) -> dict[str, Any]:
    """Measure how long it takes to know what of so many images is done."""
    names = [f"s3://bucket/photographs/{number // 1000:04d}/{number:09d}.jpg" for number in range(count + 1)]
    listed = folder / "list.parquet"
    folder.mkdir()
    write_list(listed, names)
    run = open_bulk(model, [str(listed)], str(folder / "found"), None, Workforce())
    write_done(ResultFolder(str(folder / "found")), names[:count], run.job.origin, run.workforce.shard_size)
    started = time.perf_counter()
    run = open_bulk(model, [str(listed)], str(folder / "found"), None, Workforce())
    checked = time.perf_counter() - started
    started = time.perf_counter()
    done = done_images(ResultFolder(run.job.out), run.done_files)
    (left,) = divide(list_images([str(listed)], "/"), run.workforce.shard_size, done)
    assert list(left.images) == [names[-1].encode()]
    return {
        "images_done": run.done_images,
        "seconds_to_check_them": checked,
        "seconds_to_leave_them_out": time.perf_counter() - started,
    }


def write_list(file: Path, names: Iterable[str]) -> None:
    """Write a Parquet list."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"path": list(names)}), file)


def write_done(results: ResultFolder, names: Iterable[str], origin: Origin, size: int) -> None:
    """Write results as workers do, with a few objects in each image."""
    boxes = [[10.0 * number, 20.0, 10.0 * number + 8, 40.5] for number in range(OBJECTS)]
    found = Detections(boxes, [0.9] * OBJECTS, [0] * OBJECTS, origin.class_names, (375, 500))
    for shard in divide(names, size):
        results.write(shard.file_name, make_table(((shown(name), found) for name in shard.images), origin))


if __name__ == "__main__":
    main()
