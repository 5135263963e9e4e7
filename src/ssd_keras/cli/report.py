"""`ssd report`."""

from __future__ import annotations

from pathlib import Path

from ssd_keras.cli.options import Output, print_json
from ssd_keras.cli.running import report_run


def report(run: Path, /, *, output: Output | None = None) -> None:
    """Write report.html of a training run again, also of one that was stopped.

    Args:
        run: The run folder.
        output: How to print.
    """
    output = output or Output()
    page = report_run(run)
    if output.json:
        print_json({"report": str(page)})
    else:
        print(f"report: {page}")
