"""`ssd detect --engine ray`."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssd_keras.bulk.places import without_passwords
from ssd_keras.bulk.ray_session import LOCAL
from ssd_keras.bulk.run import BulkRun, ShardDone, open_bulk
from ssd_keras.bulk.settings import Finding, Workforce
from ssd_keras.bulk.shards import SHARD_SIZE
from ssd_keras.cli.options import Output, note, print_json
from ssd_keras.data.checks import counted
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from ssd_keras.cli import detect

SECONDS_BETWEEN_LINES = 10.0
"""Where there is no terminal."""


def detect_with_ray(
    model: Path,
    sources: Sequence[str],
    writing: detect.Writing,
    finding: detect.Finding,
    frames: detect.Frames,
    engine: detect.Engine,
    output: Output,
) -> None:
    """Look at all images with as many workers as there are, and tell how it goes.

    Raises:
        InputError: a flag is not for this, `open_bulk` and `BulkRun.shards` refuse something, or images could
            not be read: then all else is done.
    """
    out = _checked_out(writing, frames)
    workforce = Workforce(engine.workers, engine.ray_address or LOCAL, engine.shard_size or SHARD_SIZE)
    run = open_bulk(model, sources, out, Finding(**asdict(finding)), workforce)
    out = without_passwords(out)
    tally = _Tally(run.done_images)
    say = note if output.json else partial(print, file=sys.stdout, flush=True)
    if run.done_images:
        say(f"{out}: {counted(run.done_images, 'image')} left out, as done before")
    try:
        _do(run, tally, output, say)
    except BaseException:  # Ctrl-C keeps what is done
        if tally.images and not output.json:
            say(tally.summary())
        raise
    if output.json:
        print_json({"out": out, **tally.as_json()})
    else:
        say(tally.summary())
        say(f"results: {out}")
    tally.raise_errors(out)


def _checked_out(writing: detect.Writing, frames: detect.Frames) -> str:
    if writing.out is None:
        raise InputError("--engine ray writes Parquet files: name a folder or URL for them with --out")
    unknown = {"--crops": writing.crops, "--copy-images": writing.copy_images, "--format": writing.format}
    if flag := next((name for name, value in unknown.items() if value), None):
        raise InputError(f"{flag} is not for --engine ray, which writes Parquet files alone: leave it out")
    if frames.every != 1 or frames.max_frames is not None:
        flag = "--every" if frames.every != 1 else "--max-frames"
        raise InputError(f"{flag} is for videos and cameras, and --engine ray takes images: leave it out")
    return writing.out


def _do(run: BulkRun, tally: _Tally, output: Output, say: Callable[[str], None]) -> None:
    is_terminal = sys.stderr.isatty() and not output.json
    with ExitStack() as opened:
        show = opened.enter_context(_bar(tally) if is_terminal else _lines(tally, say))
        # Of workers that were killed and replaced Ray prints pages, whatever it is asked.
        opened.enter_context(redirect_stdout(opened.enter_context(Path(os.devnull).open("w"))))
        for shard in run.shards():
            tally.add(shard)
            show()


@dataclass
class _Tally:
    """Counts what is done; the clock starts with it, and the rate with the first shard."""

    before: int
    images: int = 0
    errors: int = 0
    shards: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    _started: float = field(default_factory=time.perf_counter)

    def add(self, shard: ShardDone) -> None:
        self.images += shard.images
        self.errors += shard.errors
        self.shards += 1
        self.objects.update(shard.objects)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    @property
    def rate(self) -> float:
        return self.images / max(self.seconds, 1e-9)

    def progress(self) -> str:
        return f"{self.images:,} images ({self.rate:.1f} images/s)"

    def summary(self) -> str:
        if not self.images:
            return "no image was left to look at"
        objects = ", ".join(f"{number:,} {name}" for name, number in self.objects.most_common())
        return f"{counted(self.images, 'image')} ({self.rate:.1f} images/s): {objects or 'nothing found'}"

    def as_json(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "images_before": self.before,
            "errors": self.errors,
            "shards": self.shards,
            "objects": dict(self.objects.most_common()),
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.rate, 2),
        }

    def raise_errors(self, out: str) -> None:
        if self.errors:
            raise InputError(
                f"{self.errors} of {counted(self.images, 'image')} could not be read: the column 'error' of "
                f"the Parquet files in {out} says why; the rest is done"
            )


@contextmanager
def _lines(tally: _Tally, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Say now and then how far it is."""
    last = time.perf_counter()

    def show() -> None:
        nonlocal last
        if time.perf_counter() - last >= SECONDS_BETWEEN_LINES:
            last = time.perf_counter()
            say(tally.progress())

    yield show


@contextmanager
def _bar(tally: _Tally) -> Iterator[Callable[[], None]]:
    """Show on a terminal how far it is; how much is left nobody knows before all is listed."""
    from rich.console import Console

    with Console(stderr=True).status("starting the workers") as status:
        yield lambda: status.update(tally.progress())
