"""How a server does under load: 32 clients that ask without a pause, beside the bare model.

    python benchmarks/serving.py [--preset ssd7] [--clients 32] [--seconds 60]
    python benchmarks/serving.py --models MODEL ... [--photos FOLDER]

Without others the photographs are generated (500 × 375), and the model is a preset with random weights as in
`detection.py`: Keras's own, and exported to ONNX and OpenVINO.

`ssd serve` runs in a process of its own, the clients in another. Each sends one photograph after the other;
told 429 it waits as long as it was told. "lost" counts requests without an answer, and answers other than 200
and 429. The bare model detects in the same photographs, decoded and resized before, in batches of the same
size, before and after the load. Decoding and resizing, which the server does on the same cores, is timed by
itself: "limit" is the rate of these cores at that and at detecting, if nothing came on top.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import numpy as np
from measuring import report
from numpy.typing import NDArray

from ssd_keras.data.image_headers import read_resized
from ssd_keras.data.images import IMAGE_SUFFIXES
from ssd_keras.inference.detector import load_detector, save_detector
from ssd_keras.runtimes.detector import Detector

MOST_PHOTOS = 64
BARE_SECONDS = 8.0
"""Of the bare model, before the load and after it."""

SECONDS_TO_ANSWER = 120.0
GENERATED_PHOTOS = 16
MEGABYTE = 1e6


@dataclass
class Load:
    """What the clients met.

    Attributes:
        statuses: how many answers had which status; "lost": there was none.
        latencies: seconds of those that were answered with 200.
        seconds: from the first request to the last answer.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--models", type=Path, nargs="+")
    parser.add_argument("--preset", default="ssd7")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--load", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        photos = photographs(arguments.photos)
        load = asyncio.run(put_under_load(arguments.load, photos, arguments.clients, arguments.seconds))
        print(json.dumps(load.__dict__))
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.photos = arguments.photos or generated_photographs(Path(folder))
        models = arguments.models or generated_models(Path(folder), arguments.preset)
        photos = photographs(arguments.photos)
        measured = {model.name: measure(model, photos, arguments) for model in models}
    first, *_ = measured.values()
    rows = [{"what": what, **{name: row[what] for name, row in measured.items()}} for what in first]
    title = f"ssd serve, {arguments.clients} clients for {arguments.seconds:g} s, batch {arguments.batch}"
    report(f"serving-{arguments.preset}", title, rows)


def generated_photographs(folder: Path) -> Path:
    """Write some, and give their folder."""
    from detection import photographs as write_photographs  # with Keras, which the clients do without

    write_photographs(folder, GENERATED_PHOTOS)
    return folder


def generated_models(folder: Path, preset: str) -> list[Path]:
    """Make a detector in the formats that are served."""
    from detection import CLASSES, USUAL_CLASSES, detector

    from ssd_keras.export.exporting import export_detector

    model = folder / f"{preset}.keras"
    save_detector(detector(preset, CLASSES.get(preset, USUAL_CLASSES)), model)
    return [
        model,
        export_detector(model, "onnx", model.with_suffix(".onnx")).path,
        export_detector(model, "openvino", model.with_suffix(".xml")).path,
    ]


def photographs(folder: Path) -> list[bytes]:
    """Read the first photographs of a folder."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    return [file.read_bytes() for file in files[:MOST_PHOTOS]]


# --- The clients -------------------------------------------------------------------------------------------


async def put_under_load(url: str, photos: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Let clients ask for so long, and wait for the last answers."""
    load = Load()
    started = time.perf_counter()
    address = urlsplit(url)
    await asyncio.gather(
        *(
            ask(address.hostname or "", address.port or 80, photos, number, started + seconds, load)
            for number in range(clients)
        )
    )
    load.seconds = time.perf_counter() - started
    return load


async def ask(host: str, port: int, photos: Sequence[bytes], first: int, until: float, load: Load) -> None:
    """Send one photograph after the other over a connection of its own."""
    number = first
    connection: Connection | None = None
    while time.perf_counter() < until:
        began = time.perf_counter()
        try:
            connection = connection or Connection(*await asyncio.open_connection(host, port))
            answer = await asyncio.wait_for(connection.post(photos[number % len(photos)]), SECONDS_TO_ANSWER)
        except (OSError, EOFError, TimeoutError) as error:
            load.statuses[f"lost: {type(error).__name__}"] += 1
            if connection:
                connection.writer.close()
            connection = None
            continue
        load.statuses[str(answer.status)] += 1
        if answer.status == HTTPStatus.OK:
            load.latencies.append(time.perf_counter() - began)
            number += 1
        elif answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            await asyncio.sleep(float(answer.headers["retry-after"]))


class Answer(NamedTuple):
    """What came back; the headers have names in small letters."""

    status: int
    headers: dict[str, str]


class Connection(NamedTuple):
    """The least that HTTP 1.1 asks of a client: this one takes time from the server, on the same cores.

    A client of a library takes 5 ms for a request here, which is a quarter of what detecting takes.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def post(self, photo: bytes) -> Answer:
        """Send a photograph and read the whole answer; `EOFError` where it breaks off."""
        head = f"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(photo)}\r\n"
        self.writer.write(head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo)
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers)


# --- The server --------------------------------------------------------------------------------------------


def measure(model: Path, photos: Sequence[bytes], arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the bare model, the server under load, and the bare model again."""
    detector = load_detector(model)
    pixels, sizes, decoding = decoded(detector, photos)
    bare = [bare_rate(detector, pixels, sizes, arguments.batch)]
    load, memory, status = served(model, arguments)
    bare.append(bare_rate(detector, pixels, sizes, arguments.batch))
    rate, alone = load.statuses["200"] / load.seconds, statistics.mean(bare)
    limit = 1 / (1 / alone + decoding / cores())
    return {
        "answered with 200": load.statuses["200"],
        "answered with 429": load.statuses["429"],
        "lost": load.statuses.total() - load.statuses["200"] - load.statuses["429"],
        "images/s": rate,
        "bare model, images/s": alone,
        "bare model, before and after": " ".join(f"{each:.1f}" for each in bare),
        "of the bare model": rate / alone,
        "of the limit with decoding": rate / limit,
        "decoding, ms of a core per image": 1000 * decoding,
        "decoding, share of the cores": rate * decoding / cores(),
        "latency, p50, ms": 1000 * float(np.quantile(load.latencies, 0.5)),
        "latency, p95, ms": 1000 * float(np.quantile(load.latencies, 0.95)),
        **{f"memory, {when}, MB": amount for when, amount in memory.items()},
        "exit status": status,
    }


def cores() -> int:
    """Give the number of cores."""
    return os.cpu_count() or 1


def decoded(
    detector: Detector, photos: Sequence[bytes]
) -> tuple[NDArray[np.uint8], list[tuple[int, int]], float]:
    """Decode and resize photographs; also the seconds that one takes on a core."""
    started = time.process_time()
    read = [read_resized(photo, detector.image_size, "photograph") for photo in photos]
    seconds = (time.process_time() - started) / len(photos)
    return np.stack([pixels for _, pixels in read]), [size for size, _ in read], seconds


def bare_rate(
    detector: Detector, pixels: NDArray[np.uint8], sizes: Sequence[tuple[int, int]], batch: int
) -> float:
    """Detect in pixels for some seconds; give images a second."""
    repeated = np.resize(np.arange(len(pixels)), -(-len(pixels) // batch) * batch).reshape(-1, batch)
    detector.detect_batch(pixels[repeated[0]], [sizes[index] for index in repeated[0]])  # compiles
    images, started = 0, time.perf_counter()
    while time.perf_counter() - started < BARE_SECONDS:
        for indices in repeated:
            detector.detect_batch(pixels[indices], [sizes[index] for index in indices])
            images += batch
    return images / (time.perf_counter() - started)


def served(model: Path, arguments: argparse.Namespace) -> tuple[Load, dict[str, float], int]:
    """Start the server and the clients; give what these met, the server's memory in MB, its exit status."""
    serve = [sys.executable, "-m", "ssd_keras", "serve", str(model), "--port", "0", "--json"]
    server = subprocess.Popen(
        [*serve, "--max-batch", str(arguments.batch)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")["url"]
    memory = {"start": resident(url)}
    timer = threading.Timer(arguments.seconds / 2, lambda: memory.update(middle=resident(url)))
    timer.start()
    clients = ["--clients", str(arguments.clients), "--seconds", str(arguments.seconds), "--load", url]
    command = [sys.executable, __file__, "--photos", str(arguments.photos), *clients]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    timer.join()
    memory["end"] = resident(url)
    server.send_signal(signal.SIGTERM)
    status = server.wait(60)
    met = json.loads(said)
    return Load(Counter(met["statuses"]), met["latencies"], met["seconds"]), memory, status


def resident(url: str) -> float:
    """Give the resident memory of a server in MB, as its metrics tell."""
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    found = next(line for line in lines if line.startswith("process_resident_memory_bytes "))
    return float(found.split()[1]) / MEGABYTE


if __name__ == "__main__":
    main()
