"""How a process that makes batches lives and dies: with the one that it works for, whatever ends that."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading

import cv2


def start_worker(number: int, count: int) -> None:
    """Prepare a worker process; Grain calls this in it, with its number among `count` workers.

    Ctrl-C is left to the main process, which then ends its workers. A worker whose main process was killed,
    which can tell nobody, ends by itself. OpenCV's own threads would only compete with the other workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        sys.stderr.flush()
        os._exit(1)
