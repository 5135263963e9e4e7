"""Going through something endless in another thread, a few steps ahead of who takes it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

LOOKS_UP_EVERY = 0.2
"""Seconds after which a full queue is left, if nobody takes from it any more."""

_END = object()


def read_ahead(items: Iterable[T], most: int) -> Iterator[T]:
    """Give `items`, which another thread goes through at the same time, `most` items ahead.

    Whatever it raises is raised here, in its place. Closing the iterator ends the thread after its item.
    """
    waiting: queue.Queue[object] = queue.Queue(most)
    is_stopped = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> None:
        while not is_stopped.is_set():
            try:
                return waiting.put(item, timeout=LOOKS_UP_EVERY)
            except queue.Full:
                continue
        return None

    def go_through() -> None:
        try:
            for item in items:
                put(item)
                if is_stopped.is_set():
                    return
        except BaseException as error:  # it is raised where the items are taken
            failure.append(error)
        put(_END)

    thread = threading.Thread(target=go_through, name="read_ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        is_stopped.set()
        thread.join(timeout=1)
