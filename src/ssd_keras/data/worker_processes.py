"""How a process that makes batches lives and dies: with the one that it works for, whatever ends that."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import resource_tracker
from typing import Any

import cv2
import grain

from ssd_keras.errors import InputError

EXIT_CODE = re.compile(r"[Ww]orker process was terminated .*exit code (-?\d+)")
"""What Grain says of a process that is gone; below 0 it is the signal that ended it."""

MAIN_GUARD = "put what trains under 'if __name__ == \"__main__\":', since each worker runs the script again"


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


def refuse_second_start() -> None:
    """Raise `InputError` in a process that is just being started and runs the user's script for that."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InputError(f"a worker process began to train as well: {MAIN_GUARD}")


class WorkedBatches(grain.IterDataset):
    """Batches that processes make, of `mp_prefetch`; what happens to these is told in one line.

    Raises, while it is iterated over:
        InputError: a process was killed or ended, or could not be given what it needs.
    """

    def __iter__(self) -> _WorkedIterator:
        return _WorkedIterator(iter(self._parent))


class WatchedBatches(grain.IterDataset):
    """Batches that tell `on_failure` the user's error with which they end, before they raise it."""

    def __init__(self, batches: grain.IterDataset, on_failure: Callable[[InputError], None]) -> None:
        super().__init__(batches)
        self._on_failure = on_failure

    def __iter__(self) -> _WatchedIterator:
        return _WatchedIterator(iter(self._parent), self._on_failure)


class _PassingIterator(grain.DatasetIterator):
    """An iterator over another one, whose position is the other's."""

    def get_state(self) -> Any:
        """Give the position."""
        return self._parent.get_state()

    def set_state(self, state: Any) -> None:
        """Go to a position."""
        self._parent.set_state(state)


class _WatchedIterator(_PassingIterator):
    def __init__(self, batches: grain.DatasetIterator, on_failure: Callable[[InputError], None]) -> None:
        super().__init__(batches)
        self._on_failure = on_failure

    def __next__(self) -> Any:
        try:
            return next(self._parent)
        except InputError as error:
            self._on_failure(error)
            raise


class _WorkedIterator(_PassingIterator):
    _started = False

    def __next__(self) -> Any:
        try:
            return self._next()
        except RuntimeError as error:
            ended = EXIT_CODE.search(str(error))
            if ended is None:
                raise
            self._parent.close()  # the other processes, and the memory that they share
            raise InputError(_how_it_ended(int(ended[1]))) from error
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            if self._started:
                raise
            raise InputError(
                f"the augmentation cannot be handed to worker processes ({error}): make what it needs inside "
                "of its functions, or write them into a file and give 'FILE.py:FUNCTION', or train without "
                "workers"
            ) from error

    def _next(self) -> Any:
        if self._started:
            return next(self._parent)
        first: Future[Any] = Future()

        def start() -> None:
            _hold_interrupts_back()
            try:
                first.set_result(next(self._parent))
            except BaseException as error:
                first.set_exception(error)

        threading.Thread(target=start, name="start workers", daemon=True).start()
        batch = first.result()
        self._started = True
        return batch


def _how_it_ended(code: int) -> str:
    if code < 0:
        return (
            f"a worker process was killed (signal {-code}; often memory ran out): use fewer --workers or a "
            "smaller cache"
        )
    return f"a worker process ended by itself (status {code}, its reason is above): in a script, {MAIN_GUARD}"


def _hold_interrupts_back() -> None:
    """Let processes that this thread starts not be met by Ctrl-C before they can ignore it.

    They inherit what the thread holds back. Ctrl-C comes to the program through its other threads.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on every system
        resource_tracker.ensure_running()  # which, where it starts, lets interrupts through again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
