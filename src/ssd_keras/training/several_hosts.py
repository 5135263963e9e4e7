"""Processes that train together, one a host: how they find each other, and what they tell each other.

Steps meet in JAX's collective operations. Everything else goes through the store of short texts that JAX's
coordinator, which lives in process 0, keeps for all: who waits there may wait for hours, as no device waits.
The coordinator also hears the heartbeats, and ends all processes when one of them is silent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ssd_keras.backend import choose_backend
from ssd_keras.errors import InputError

HEARTBEAT_SECONDS = 20
"""A process that is silent for so long is gone; the others end within a minute."""

LAST_WORDS_SECONDS = 10
"""How long a process that ends waits for the others to end."""

STILL_WAITING_SECONDS = 10

MEETING_SECONDS = 1800
"""How much later than the others a process may be ready to train."""

SIGNS_OF_A_LOST_PROCESS = ("Gloo", "NCCL", "UNAVAILABLE", "ABORTED", "CANCELLED", "oordination")
"""In what JAX says when a collective operation or the coordinator fails."""


@dataclass(frozen=True)
class Hosts:
    """The processes that train together, and which of them this is; process 0 alone writes and evaluates.

    Attributes:
        index: of this process, from 0.
        count: of all.
    """

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, shows progress and evaluates."""
        return self.index == 0

    def share(self, name: str, content: Any = None) -> Any:
        """Give to all what process 0 calls this with, as JSON; they wait for it. Each name serves once."""
        if self.count == 1:
            return content
        if self.first:
            _store().key_value_set(f"ssd_keras/{name}", json.dumps(content))
            return content
        return json.loads(_wait_for(f"ssd_keras/{name}"))

    def meet(self, name: str) -> None:
        """Wait until all have come here: collective operations wait seconds only. Each name serves once."""
        if self.count > 1:
            _store().wait_at_barrier(f"ssd_keras/{name}", MEETING_SECONDS * 1000)


ALONE = Hosts()


def connect(coordinator: str, index: int, count: int) -> Hosts:
    """Join the processes that train together; before anything is computed. It waits until all are there.

    Args:
        coordinator: HOST:PORT at which the others reach process 0.
        index: of this process, from 0.
        count: of all.

    Raises:
        InputError: the backend is not JAX, the arguments make no sense, or the others did not come.
    """
    check_arguments(coordinator, index, count)
    if count == 1:
        return ALONE
    import jax

    try:
        jax.distributed.initialize(
            coordinator,
            count,
            index,
            cluster_detection_method="deactivate",
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=LAST_WORDS_SECONDS,
        )
    except RuntimeError as error:
        raise InputError(
            f"process {index} of {count} did not find the others at {coordinator} ({_first_line(error)}): "
            "start all of them within five minutes, with an address of process 0 that all reach"
        ) from error
    return Hosts(index, count)


def check_arguments(coordinator: str, index: int, count: int) -> None:
    """Raise `InputError` where the arguments of `connect` cannot be right."""
    backend = choose_backend()
    if backend != "jax":
        raise InputError(f"several hosts train together with JAX, not with {backend}: set KERAS_BACKEND=jax")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"coordinator is {coordinator!r}: give HOST:PORT, at which all reach process 0")
    if count < 1 or not 0 <= index < count:
        raise InputError(
            f"process is {index} and processes is {count}: give each its own number from 0, below processes"
        )


@contextmanager
def telling_of_lost_processes(hosts: Hosts, run: str) -> Iterator[None]:
    """Say in one line that another process is gone, where a step or a wait ends with that.

    Raises:
        InputError: in place of what JAX raises.
    """
    try:
        yield
    except InputError:
        raise
    except (RuntimeError, ValueError) as error:  # JAX has both for a collective operation that fails
        if hosts.count == 1 or not _is_of_a_connection(error):
            raise
        raise InputError(lost_process(hosts.index, hosts.count, run)) from error


def lost_process(index: int, count: int, run: str) -> str:
    """Say what happened and what to do when a process of a run is gone."""
    return (
        f"process {index} of {count} ends: another process is gone or cannot be reached; go on with all from "
        f"the last checkpoint: ssd resume {run} --coordinator HOST:PORT --process I --processes {count}"
    )


def _is_of_a_connection(error: Exception) -> bool:
    said = str(error)
    return any(sign in said for sign in SIGNS_OF_A_LOST_PROCESS)


def _store() -> Any:
    from jax._src import distributed  # the store has no public name yet

    return distributed.global_state.client


def _wait_for(key: str) -> str:
    """Wait for a text however long it takes: if its writer dies, this process is ended."""
    while True:
        try:
            return str(_store().blocking_key_value_get(key, STILL_WAITING_SECONDS * 1000))
        except RuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:150]
