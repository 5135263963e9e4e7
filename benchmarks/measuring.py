"""How the benchmarks measure and report: rounds in turn, medians, a table and a JSON file."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


Task = TypeVar("Task", bound=Hashable)


def seconds_in_turn(tasks: Mapping[Task, Callable[[], object]], rounds: int) -> dict[Task, list[float]]:
    """Time each task once a round, one after the other, so that a noisy machine slows all of them alike.

    Each runs once before, uncounted, to be compiled and warm.
    """
    for task in tasks.values():
        task()
    times: dict[Task, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - started)
    return times


def median_ratio(first: list[float], second: list[float]) -> float:
    """Give the median over the rounds of `first` / `second`."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def report(name: str, title: str, rows: list[dict[str, Any]], **facts: Any) -> None:
    """Print the rows as a table and write them, with the machine and further facts, to results/NAME.json."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(rows[0]):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)
    for key, value in facts.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
    RESULTS.mkdir(exist_ok=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    document = {"benchmark": name, "machine": machine, "rows": rows, **facts}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
