"""Connections on which nothing is asked: they are closed after a while, for each is a file that is open."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS_FOR_HEAD = 30.0
"""From the connection, or the first byte of a further request, until all of its headers are there."""


class ImpatientConnection(H11Protocol):
    """A connection that is closed where the head of a request does not come, or not to its end.

    The body that follows has the time limit of the endpoint that reads it, and uvicorn closes a connection on
    which a request was answered if nothing follows. It waits for the rest of half a head without a limit.
    """

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._closing = self.loop.call_later(SECONDS_FOR_HEAD, transport.close)

    def data_received(self, data: bytes) -> None:
        """Take what came: no more waiting when a head is whole, else from the first piece of it on."""
        super().data_received(data)
        is_asked = self.cycle is not None and not self.cycle.response_complete
        if is_asked:
            self._stop_waiting()
        elif self._closing is None:
            self._closing = self.loop.call_later(SECONDS_FOR_HEAD, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
