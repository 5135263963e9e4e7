"""The process of a server: its socket, its start, its end."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable
from time import monotonic
from types import FrameType

import uvicorn
from fastapi import FastAPI

from ssd_keras.errors import InputError
from ssd_keras.serving.connections import ImpatientConnection
from ssd_keras.serving.service import DetectionService

BACKLOG = 2048
SECONDS_OF_REFUSING = 0.5
"""For which requests that are on their way when the server is to stop are told so, and not left alone."""

SECONDS_TO_SEND = 5
"""For answers that are on their way when all else is done."""


def open_socket(host: str, port: int) -> socket.socket:
    """Listen at an address, so that it is known to be free before a model is loaded.

    Args:
        host: a name or number of this machine.
        port: 0: any that is free.

    Raises:
        InputError: the port is taken, or not for this user, or the host is not this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:  # the latter: no name can be like that
        raise InputError(f"host {host} is not known: choose another with --host") from error
    listening = socket.socket(family, kind)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise InputError(_why_not_bound(error, host, port)) from error
    return listening


def _why_not_bound(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} of {host} is taken: choose another with --port"
        case errno.EACCES:
            return f"port {port} of {host} is not for this user: choose one from 1024 on with --port"
        case errno.EADDRNOTAVAIL:
            return f"host {host} is not an address of this machine: choose another with --host"
        case _:
            return f"port {port} of {host} cannot be used ({error.strerror}): choose another with --port"


def run_server(
    app: FastAPI, listening: socket.socket, on_ready: Callable[[], None], log_requests: bool = False
) -> None:
    """Answer until SIGINT or SIGTERM, then finish what was taken in, within `ServerSettings.stop_limit`.

    Args:
        app: made by `create_app`.
        listening: made by `open_socket`.
        on_ready: is called when the network is warm.
        log_requests: write a line for each request on standard error.

    Raises:
        InputError: the model cannot detect, such as an artefact that gives raw predictions.
    """
    if log_requests:
        _log_requests()
    config = uvicorn.Config(
        app,
        http=ImpatientConnection,
        log_config=None,
        log_level=logging.INFO if log_requests else logging.WARNING,
        access_log=log_requests,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_SEND,
        lifespan="on",
        ws="none",
    )
    server = _Server(config, app.state.service, on_ready)
    server.run(sockets=[listening])
    if server.service.batcher.failure is not None:
        raise server.service.batcher.failure


def _log_requests() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    access = logging.getLogger("uvicorn.access")
    access.handlers = [handler]
    access.propagate = False


class _Server(uvicorn.Server):
    """Takes nothing new after the first signal, and ends when all is answered; at once after the second."""

    def __init__(
        self, config: uvicorn.Config, service: DetectionService, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.service = service
        self._on_ready: Callable[[], None] | None = on_ready
        self._stopped_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer a signal; uvicorn would raise it again in the end, and the exit status would not be 0."""
        if self.service.is_stopping:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self.service.is_stopping = True
        self._stopped_at = monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Look after the service, ten times a second."""
        if self.service.batcher.failure is not None:
            self.should_exit = True
        elif self.service.is_stopping:
            self._finish()
        elif self._on_ready and self.service.batcher.is_ready:
            self._on_ready()
            self._on_ready = None
        return await super().on_tick(counter)

    def _finish(self) -> None:
        """End when all is answered, or when it takes too long."""
        passed = monotonic() - self._stopped_at
        if passed >= self.service.settings.stop_limit:
            self.service.abandon()
            self.should_exit = True
        elif not self.service.requests and passed >= SECONDS_OF_REFUSING:
            self.should_exit = True
