"""Options that every command has, and how results and progress are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from ssd_keras.data.checks import counted, shown_text
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from ssd_keras.data.samples import Dataset

T = TypeVar("T")

LARGEST_SIDE = 8192
"""Pixels of a network's input."""


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """Options of every command."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON document on standard output, and nothing else there."""

    debug: Annotated[bool, Parameter(negative="")] = False
    """Show the traceback of an error."""


def print_json(document: dict[str, Any]) -> None:
    """Print the one document of `--json`."""
    print(json.dumps(document, indent=2))


def note(message: str) -> None:
    """Say something beside the result: on standard error, so that `--json` stays alone."""
    print(message, file=sys.stderr)


def report_problems(dataset: Dataset, *paths: Path) -> None:
    """Say in one line how much of a data set its reader had to leave out or put right."""
    if dataset.problems:
        shown = [shown_text(str(path)) for path in paths]
        note(
            f"{', '.join(shown)}: {counted(len(dataset.problems), 'problem')}, left out or put right; the "
            f"first: {dataset.problems[0]}; all of them: ssd inspect {shown[0]}"
        )


def checked_image_size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Give the (height, width) of `--image-size` back; `InputError` where no network's input is like that."""
    if size is not None and not all(1 <= side <= LARGEST_SIDE for side in size):
        raise InputError(
            f"--image-size {size[0]} {size[1]} is no size of a network's input: give height and width in "
            f"pixels, 1 to {LARGEST_SIDE}"
        )
    return size


@contextmanager
def progress_bar(total: int, what: str, output: Output) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal: how many, how fast, how long still. Gives what to call after each item."""
    if output.json or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    # What is printed meanwhile goes where it is told to go, which may be a file.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(what, total=total, rate="")

        def advance() -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "")

        yield advance


def progress(items: Iterable[T], total: int, what: str, output: Output) -> Iterator[T]:
    """Go through `items` with a bar on a terminal."""
    with progress_bar(total, what, output) as advance:
        for item in items:
            advance()
            yield item
