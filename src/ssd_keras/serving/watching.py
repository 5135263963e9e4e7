"""What goes around every request: it is counted, and what it still sends is taken when the answer starts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ssd_keras.serving.metrics import Metrics
from ssd_keras.serving.refusals import CLIENT_GONE, FAILED, TOO_LATE, Refusal

T = TypeVar("T")

MOST_DISCARDED = 64 << 20
SECONDS_TO_DISCARD = 5.0
"""A client that sends more or longer after it was refused loses the connection, perhaps unanswered."""


class RequestWatch:
    """Middleware around the whole application.

    A request can be refused before its body was read. If the connection was closed then, the client would
    meet that while it sends, and never read the answer. So the rest of the body is read and thrown away
    first, within limits.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive)
        status = FAILED

        async def send_after_body(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status != TOO_LATE:  # then it was waited for long enough
                    await body.discard_rest()
            await send(message)

        try:
            await self._app(scope, body.receive, send_after_body)
        finally:
            path = getattr(scope.get("route"), "path", "other")  # any other path is a label of its own
            self._metrics.request(path, status)


class _Body:
    """Knows whether all of a body was received."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self._is_over = b"content-length" not in headers and b"transfer-encoding" not in headers
        self._waits_for_word = b"expect" in headers  # curl, with large bodies: it has sent nothing yet
        self._receive = receive

    async def receive(self) -> Message:
        """Give what the server says next."""
        message = await self._receive()
        self._waits_for_word = False
        self._is_over = not message.get("more_body", False)
        return message

    async def discard_rest(self) -> None:
        """Receive what is missing, for nobody."""
        discarded = 0
        try:
            async with asyncio.timeout(SECONDS_TO_DISCARD):
                while not self._is_over and not self._waits_for_word and discarded < MOST_DISCARDED:
                    discarded += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work for a request whose body was read, and stop when the client has closed the connection.

    Raises:
        Refusal: 499, which nobody will read.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refusal(CLIENT_GONE, "the client closed the connection")
        return await working
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
