"""Options that every command has, and how results and progress are shown."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

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


def start_keras() -> None:
    """Import Keras and its backend without what TensorFlow says while it is loaded.

    It writes about its build to the file descriptor itself, before any of its settings is read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        importlib.import_module("keras")
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def note(message: str) -> None:
    """Say something beside the result: on standard error, so that `--json` stays alone."""
    print(message, file=sys.stderr)


def progress(items: Iterable[T], total: int, what: str, output: Output) -> Iterator[T]:
    """Go through `items` with a bar on a terminal: how many, how fast, how long still."""
    if output.json or not sys.stderr.isatty():
        yield from items
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
        for item in items:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "")
            yield item
