"""How much may be sent: counted as it comes in, whatever the headers promise."""

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grievances.contracts import RefusedError
from grievances.settings import MEBIBYTE

FIELDS = MEBIBYTE // 8
"""Bytes that may come with a photograph: the other fields of a report, and what parts them."""


class BodyLimit:
    """Refuse a body that is too large, before it is read where its length is told, and else while it is.

    Args:
        app: what answers the requests that are small enough.
        most_photo_bytes: of a photograph; a few fields more are let through.
    """

    def __init__(self, app: ASGIApp, most_photo_bytes: int) -> None:
        self._app = app
        self._most = most_photo_bytes + FIELDS
        self._too_large = (
            f"more than {most_photo_bytes / MEBIBYTE:g} MiB were sent: send a smaller photograph"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_promise(Headers(scope=scope))
        except RefusedError as refused:
            await JSONResponse({"detail": refused.detail}, refused.status)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _check_promise(self, headers: Headers) -> None:
        length, is_chunked = headers.get("Content-Length"), "Transfer-Encoding" in headers
        if is_chunked and length is not None:  # the length would be ignored: a way past the limit
            raise RefusedError(
                400, "the body has both Content-Length and Transfer-Encoding: send the first alone"
            )
        if is_chunked:
            raise RefusedError(411, "the body has no length: send Content-Length")
        if length is not None and (not length.isdigit() or int(length) > self._most):
            raise RefusedError(413, self._too_large)

    def _counted(self, receive: Receive) -> Receive:
        """Give a `receive` that ends what reads from it once too much came in."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                # FastAPI makes a 400 of any other exception that comes while it reads a body.
                raise HTTPException(413, self._too_large)
            return message

        return counted
