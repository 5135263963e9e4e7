"""Ray: started quietly and ended cleanly, and how much of it there is."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ssd_keras.backend import silent_standard_error
from ssd_keras.bulk.libraries import import_library
from ssd_keras.bulk.places import said_by
from ssd_keras.bulk.settings import Workforce
from ssd_keras.data.checks import counted
from ssd_keras.errors import InputError

LOCAL = "local"

OBJECT_STORE_BYTES = 256 << 20
"""Of shared memory, on this machine alone: only names travel, and the model."""

SECONDS_TO_ANSWER = 10.0
"""For a cluster; Ray itself waits for one that is not there for many minutes, and says nothing."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class Share(NamedTuple):
    """What of a cluster each of so many workers has."""

    workers: int
    gpus: float


@contextmanager
def ray_session(address: str) -> Iterator[Any]:
    """Give Ray, connected to the cluster at `address`, or to one on this machine that ends with the context.

    Where this process is connected already, that stays as it is.

    Raises:
        InputError: Ray is not installed, or no cluster answers.
    """
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
    ray = import_library("ray")
    import_library("ray.data")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what it has to say comes as an exception
    if ray.is_initialized():
        with _few_images_allowed():
            yield ray
        return
    _check_answer(address)
    own: dict[str, Any] = {}
    if address == LOCAL:
        own = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        with silent_standard_error():  # to which the part in C++ says how it was told to be silent
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except (ConnectionError, ValueError) as error:
        raise _no_cluster(address, error) from error
    try:
        with _few_images_allowed():
            yield ray
    finally:
        ray.shutdown()


def _check_answer(address: str) -> None:
    """Raise `InputError` where nobody listens at host:port; addresses of other kinds Ray checks in time."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "://" in address:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:  # the latter: there are no such ports
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> InputError:
    return InputError(f"no Ray cluster answers at {address} ({said_by(error)}): check --ray-address")


@contextmanager
def _few_images_allowed() -> Iterator[None]:
    """Keep Ray Data from warning that there are more workers than shards: there may be one image left."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The minimum number of concurrent actors", UserWarning)
        yield


def share_of(resources: dict[str, float], workforce: Workforce) -> Share:
    """Divide a cluster among workers: each has a GPU, or an equal share of one, or else a core.

    Args:
        resources: of the cluster, as Ray says them: "CPU" and "GPU" with their numbers.
        workforce: how many workers are wanted.

    Raises:
        InputError: this machine has fewer cores than workers; another cluster may grow.
    """
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    workers = workforce.workers or gpus or max(1, cores)
    if workforce.address == LOCAL and workers > cores:
        raise InputError(
            f"--workers {workers} is more than the {counted(cores, 'core')} here: give {cores} or fewer"
        )
    return Share(workers, 1 / -(-workers // gpus) if gpus else 0.0)
