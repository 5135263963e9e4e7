"""The flags of commands that train in several processes, and the watch over such a process.

When one process of a run dies, the runtime beneath ends the others in its own way, which is no way to talk to
people. So the command starts itself once more, as its child, keeps the runtime's talk to itself, and says in
one line what happened.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO, TextIO

from cyclopts import Parameter

from ssd_keras.errors import InputError
from ssd_keras.training.several_hosts import ALONE, Hosts, check_arguments, connect, lost_process

CHILD = "SSD_KERAS_WATCHED"
"""In the environment of a watched process: the descriptors at which its watcher listens."""

LISTENING_SECONDS = 5
"""After the end of a child, as a process that it has left behind may keep its output open."""

LEAVING_SECONDS = 20
"""After its last words, a process that waits in vain for the others is ended."""


@Parameter(name="*")
@dataclass(frozen=True)
class Processes:
    """Options of training in several processes, one a host."""

    coordinator: str | None = None
    """HOST:PORT at which all processes reach process 0; for several hosts, with JAX."""

    process: int | None = None
    """Number of this process, from 0."""

    processes: int | None = None
    """How many processes there are."""

    def connected(self) -> Hosts:
        """Join the others, once this process is watched."""
        if self.coordinator is None or self.process is None or self.processes is None:
            return ALONE
        return connect(self.coordinator, self.process, self.processes)

    def is_watcher(self) -> bool:
        """Tell whether this process is to watch its child; `InputError` where flags are missing or wrong."""
        given = (self.coordinator, self.process, self.processes)
        if all(flag is None for flag in given):
            return False
        if self.coordinator is None or self.process is None or self.processes is None:
            raise InputError("--coordinator, --process and --processes go together: give all three")
        check_arguments(self.coordinator, self.process, self.processes)
        if CHILD in os.environ:
            _speak_to_the_watcher()
            _end_with_the_watcher()
            return False
        return self.processes > 1


def run_watched(processes: Processes, run: str) -> None:
    """Run this command again as a child, and say how it ended where it cannot say so itself.

    Args:
        processes: this one and the others.
        run: what to resume.

    Raises:
        SystemExit: with the status of the child, where it ended in its own way and not well.
        InputError: it was ended because another process is gone.
    """
    pipes = [os.pipe(), os.pipe()]
    ends = [write for _, write in pipes]
    child = subprocess.Popen(
        [sys.executable, "-m", "ssd_keras", *sys.argv[1:]],
        env={**os.environ, CHILD: " ".join(map(str, ends))},
        pass_fds=ends,
        stdin=subprocess.PIPE,  # whose end tells the child that this process is gone
        stdout=subprocess.DEVNULL,  # the runtime writes to these, Python to the pipes
        stderr=subprocess.DEVNULL,
    )
    for end in ends:
        os.close(end)
    words = [os.fdopen(read, errors="replace") for read, _ in pipes]
    listeners = [_Listener(words[0], sys.stdout, child), _Listener(words[1], sys.stderr, child)]
    try:
        status = child.wait()
    except KeyboardInterrupt:  # which the child got as well
        status = child.wait(LEAVING_SECONDS)
    for listener in listeners:
        listener.join(LISTENING_SECONDS)
    if status == 0:
        return
    if any(listener.told for listener in listeners):
        raise SystemExit(max(status, 1))
    assert processes.process is not None
    assert processes.processes is not None
    raise InputError(lost_process(processes.process, processes.processes, run))


class _Listener(threading.Thread):
    """Prints what a child says.

    Attributes:
        told: whether the child gave a reason to end.
    """

    def __init__(self, lines: IO[str], to: TextIO, child: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.lines = lines
        self.to = to
        self.child = child
        self.told = False
        self.start()

    def run(self) -> None:
        """Pass lines on until there are no more."""
        for line in self.lines:
            self.to.write(line)
            self.to.flush()
            if line.startswith(("ssd: ", "Traceback")) and not self.told:
                self.told = True
                leaving = threading.Timer(LEAVING_SECONDS, self.child.kill)
                leaving.daemon = True
                leaving.start()


def _speak_to_the_watcher() -> None:
    """Let Python write to the pipes of the watcher, and leave the usual ones to the runtime beneath."""
    out, error = map(int, os.environ[CHILD].split())
    for descriptor in (out, error):
        os.set_inheritable(descriptor, False)
    sys.stdout = os.fdopen(out, "w", buffering=1)
    sys.stderr = os.fdopen(error, "w", buffering=1)
    for handler in logging.getLogger("ssd_keras").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)


def _end_with_the_watcher() -> None:
    """End this process when the one that watches it is gone, in whatever way."""

    def wait() -> None:
        while os.read(0, 1024):  # sys.stdin would be locked when Python ends
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
