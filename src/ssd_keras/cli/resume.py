"""`ssd resume`."""

from __future__ import annotations

from pathlib import Path

from ssd_keras.cli.options import Output
from ssd_keras.cli.processes import Processes, run_watched
from ssd_keras.cli.running import resume_run
from ssd_keras.cli.train import print_run


def resume(run: Path, /, *, processes: Processes | None = None, output: Output | None = None) -> None:
    """Go on with a training run that was stopped or killed, exactly where it was last saved.

    Args:
        run: The run folder.
        processes: On which hosts; the run folder lies on storage that all of them share.
        output: How to print.
    """
    output, processes = output or Output(), processes or Processes()
    if processes.is_watcher():
        run_watched(processes, str(run))
        return
    finished = resume_run(run, output.json, processes)
    if not processes.process:
        print_run(finished, output)
