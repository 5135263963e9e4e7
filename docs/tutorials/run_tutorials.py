"""Execute the tutorials, and keep in them what they print and draw.

    python docs/tutorials/run_tutorials.py                      # all, which takes half an hour on two cores
    python docs/tutorials/run_tutorials.py inference            # one
    python docs/tutorials/run_tutorials.py --short --out tried  # all, in a minute each, written elsewhere

Each tutorial runs in an empty folder of its own, and nothing but the package is there to begin with.

The cell tagged `parameters` holds what decides how long a tutorial takes. Its metadata's `short` gives other
values to the same names: with these the tests run it.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

TUTORIALS = Path(__file__).parent
SECONDS_OF_A_CELL = 1800


def main(arguments: list[str] | None = None) -> None:
    """Execute the tutorials named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="of tutorials, without .ipynb; all by default")
    parser.add_argument("--short", action="store_true", help="with the values that the tests take")
    parser.add_argument("--out", type=Path, default=TUTORIALS, help="folder for what was executed")
    options = parser.parse_args(arguments)
    if options.short and options.out.resolve() == TUTORIALS.resolve():
        parser.error("--short wants --out: a short run must not replace the whole one")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or tutorial_names():
        print(name, flush=True)
        nbformat.write(executed(read_tutorial(name), short=options.short), options.out / f"{name}.ipynb")


def tutorial_names() -> list[str]:
    """Give the names of all tutorials, in alphabetical order."""
    return sorted(path.stem for path in TUTORIALS.glob("*.ipynb"))


def read_tutorial(name: str) -> Any:
    """Read a tutorial; raise FileNotFoundError where there is none of that name."""
    return nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)


def executed(tutorial: Any, *, short: bool = False) -> Any:
    """Execute a notebook in an empty folder and return it with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed; the message has the cell and its traceback.
    """
    shortened = shorten(tutorial) if short else None
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        client = NotebookClient(tutorial, timeout=SECONDS_OF_A_CELL, kernel_name="python3", resources=place)
        client.execute(env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"})
    if shortened is not None:
        tutorial.cells.remove(shortened)
    return without_traces(tutorial)


def shorten(tutorial: Any) -> Any:
    """Put the short values behind the cell of the parameters; return the cell that sets them."""
    place, cell = parameters_of(tutorial)
    values = "\n".join(f"{name} = {value!r}" for name, value in cell.metadata["short"].items())
    tutorial.cells.insert(place + 1, nbformat.v4.new_code_cell(values))
    return tutorial.cells[place + 1]


def parameters_of(tutorial: Any) -> tuple[int, Any]:
    """Give the place and the cell of the parameters; raise LookupError where none is tagged so."""
    for place, cell in enumerate(tutorial.cells):
        if "parameters" in cell.metadata.get("tags", ()):
            return place, cell
    raise LookupError("no cell of this tutorial is tagged 'parameters'")


def without_traces(tutorial: Any) -> Any:
    """Leave out what differs from run to run and says nothing: times of cells, and the kernel's version."""
    for cell in tutorial.cells:
        cell.metadata.pop("execution", None)
    tutorial.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return tutorial


if __name__ == "__main__":
    sys.exit(main())
