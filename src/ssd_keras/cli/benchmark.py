"""`ssd benchmark`."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ssd_keras
from ssd_keras.cli.options import Output, note, print_json
from ssd_keras.errors import InputError, nearest_name

CHECKOUT = Path(ssd_keras.__file__).parents[2]
"""Of the repository, where the package is used from there: its files of measurements are not installed."""

STANDARD_ERROR = 2
"""Its file descriptor."""


def benchmark(*names: str, output: Output | None = None) -> None:
    """Run measurements of the folder benchmarks, or list them. Each prints a table and writes a JSON file.

    The figures of the README come from these files. They want a machine with nothing else to do.

    Args:
        names: Names of the files without .py, such as training_step; by default all are listed and none is
            run.
        output: How to print.
    """
    output = output or Output()
    known = _benchmarks(_folder())
    _check(names, known)
    documents = [document for name in names for document in _run(known[name], output.json)]
    if output.json:
        print_json({"benchmarks": documents} if names else {"known": {n: _title(known[n]) for n in known}})
    elif not names:
        width = max(map(len, known))
        print("\n".join(f"{name:{width}}  {_title(file)}" for name, file in known.items()))


def _folder() -> Path:
    for root in (Path.cwd(), CHECKOUT):
        if (root / "benchmarks" / "measuring.py").exists():
            return root / "benchmarks"
    raise InputError("there is no folder benchmarks here: run 'ssd benchmark' in a checkout of ssd-keras")


def _benchmarks(folder: Path) -> dict[str, Path]:
    """Give the files that measure something, by name; the others are what they share."""
    files = sorted(folder.glob("*.py"))
    return {file.stem: file for file in files if '__name__ == "__main__"' in file.read_text(encoding="utf-8")}


def _title(file: Path) -> str:
    """Give the first line of what a file says about itself."""
    says = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return says.partition("\n")[0]


def _check(names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"there is no benchmark {name!r}: {nearest_name(name, known)}")


def _run(file: Path, tables_aside: bool) -> list[Any]:
    """Run one and give what it wrote; its tables go to standard error where JSON is wanted."""
    started = time.time()
    note(f"{file.stem}: {_title(file)}")
    command = [sys.executable, str(file)]
    status = subprocess.run(command, check=False, stdout=STANDARD_ERROR if tables_aside else None).returncode
    if status:
        raise InputError(f"benchmark {file.stem} ended with status {status}: see what it says above")
    written = sorted((file.parent / "results").glob("*.json"))
    return [json.loads(one.read_text("utf-8")) for one in written if one.stat().st_mtime >= started]
