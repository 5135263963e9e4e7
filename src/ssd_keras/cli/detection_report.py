"""What `ssd detect` says while it works: a line for each image, its speed, and at the end what was found."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ssd_keras.cli.options import Output, note
from ssd_keras.data.checks import counted
from ssd_keras.detections import Detections
from ssd_keras.errors import UNSHOWABLE, InputError
from ssd_keras.inference.sources.images import Clip, SourceImage

MOSTLY = 0.5
"""Where a larger share of the images is without objects, the threshold may be too high."""


@dataclass
class DetectionReport:
    """Tells and counts what is found.

    Attributes:
        is_stdout_taken: standard output is for results alone, and all else goes to standard error.
        is_live: faults are told at once; else the last one waits, since alone it needs no second line.
        objects: how many of each class were found, in `stills` and `frames`, `empty` of them without any;
            `faults` could not be read, `misnamed` have labels that do not fit.
    """

    is_stdout_taken: bool
    is_live: bool
    objects: Counter[str] = field(default_factory=Counter)
    stills: int = 0
    frames: int = 0
    faults: int = 0
    misnamed: int = 0
    empty: int = 0
    _last_fault: InputError | None = None
    _shown: tuple[Clip, dict[str, int]] | None = None
    _started: float = field(default_factory=time.perf_counter)

    def found(self, image: SourceImage, detections: Detections) -> None:
        """Tell what was found in an image; in a frame, if it is not as many of each class as before."""
        self._tell_fault()
        counts = detections.counts()
        self.objects.update(counts)
        self.empty += not counts
        if image.clip is None:
            self.stills += 1
        else:
            self.frames += 1
            if self._shown == (image.clip, counts):
                return
            self._shown = (image.clip, counts)
        if not self.is_stdout_taken:
            print(printable(f"{image.shown_name}: {detections.summary()}"), flush=True)

    def failed(self, error: InputError) -> None:
        """Tell of an image that could not be read."""
        self._tell_fault()
        self.faults += 1
        self._last_fault = error
        if self.is_live:
            self._tell_fault()

    def misfits(self, error: InputError) -> None:
        """Tell of labels that do not fit the image that was found last."""
        self._tell_fault()
        self.misnamed += 1
        self._last_fault = error
        if self.is_live:
            self._tell_fault()

    def _tell_fault(self) -> None:
        if self._last_fault:
            note(f"ssd: {self._last_fault}")
            self._last_fault = None

    @property
    def unit(self) -> str:
        """What is counted: "images", or "frames" where there are no others."""
        return "frames" if self.frames and not self.stills else "images"

    def summary(self) -> str:
        """Say in one line how many images there were, how fast that went, and the objects of each class."""
        kinds = ((self.stills, "image"), (self.frames, "frame"))
        images = " and ".join(counted(number, kind) for number, kind in kinds if number)
        rate = (self.stills + self.frames) / max(time.perf_counter() - self._started, 1e-9)
        objects = ", ".join(f"{number:,} {name}" for name, number in self.objects.most_common())
        return f"{images} ({rate:.1f} {self.unit}/s): {objects or 'nothing found'}"

    def finish(self) -> None:
        """Tell the summary."""
        if self.stills or self.frames:
            (note if self.is_stdout_taken else print)(printable(self.summary()))
        if not self.is_stdout_taken and self.empty > MOSTLY * (self.stills + self.frames):
            note(
                f"nothing was found in {counted(self.empty, 'image')}: a lower --threshold finds more; which "
                "one is best for each class says report.html, or ssd evaluate --analysis"
            )

    def raise_faults(self) -> None:
        """Raise `InputError` if something was wrong: that, if it is alone, or how much there was."""
        if self._last_fault and self.faults + self.misnamed == 1:
            raise self._last_fault
        self._tell_fault()
        total = counted(self.faults + self.stills + self.frames, "image")
        said = [f"{self.faults} of {total} could not be read"] if self.faults else []
        said += [f"{self.misnamed} of {total} have labels of another name"] if self.misnamed else []
        if said:
            raise InputError(f"{', and '.join(said)}, as said above; the rest is done")


def printable(text: str) -> str:
    """Give a text as one line that standard output can take: names of files may hold what breaks or stops it.

    Such characters are shown as Python writes them.
    """
    line = UNSHOWABLE.sub(lambda found: repr(found[0])[1:-1], text)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


@contextmanager
def detection_progress(
    total: int | None, output: Output, is_on_stdout: bool
) -> Iterator[Callable[[str], None]]:
    """Show on a terminal how many images were seen, how fast, and how long it still takes, if that is known.

    Gives what to call after each image, with the `unit` of the report.
    """
    if output.json or not sys.stderr.isatty() or (is_on_stdout and sys.stdout.isatty()):
        yield lambda unit: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn("detecting"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")]
    if total is not None:
        columns.append(TimeRemainingColumn())
    # Lines for a terminal go around the bar; those for a file or a pipe must stay on standard output.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    ) as bar:
        task = bar.add_task("", total=total, rate="")

        def advance(unit: str) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.1f} {unit}/s" if speed else "")

        yield advance
