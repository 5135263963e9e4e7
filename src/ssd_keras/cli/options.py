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

if TYPE_CHECKING:
    from ssd_keras.data.samples import Dataset

T = TypeVar("T")


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
        count = "1 problem" if len(dataset.problems) == 1 else f"{len(dataset.problems)} problems"
        note(
            f"{', '.join(map(str, paths))}: {count}, left out or put right; the first: "
            f"{dataset.problems[0]}; all of them: ssd inspect {paths[0]}"
        )


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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
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
