"""Answers over HTTP and HTTPS, within limits on time and size that hold while they come in."""

from __future__ import annotations

import http.client
import time
import urllib.request

SECONDS_TO_ANSWER = 10.0
"""For each part of an answer."""

SECONDS_IN_ALL = 60.0

CHUNK = 1 << 16


class TooLongError(Exception):
    """An answer has more bytes than are taken."""


class BrokenOffError(OSError):
    """An answer ended before the length that it stated."""


def opener(*more: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Make what fetches over HTTP and HTTPS and knows nothing else: no file, FTP or data links.

    A redirect is an error like 404, unless one of `more` follows it.
    """
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        *more,
    ):
        made.add_handler(handler)
    return made


def fetched(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, most_bytes: int, seconds: float
) -> tuple[bytes, str]:
    """Give the body of an answer with 200 and its content type.

    Args:
        opener: made by `opener`.
        request: what to ask.
        most_bytes: of the body.
        seconds: for the whole answer; each part of it has at most `SECONDS_TO_ANSWER`.

    Raises:
        TooLongError, BrokenOffError: as they say.
        urllib.error.HTTPError: another status; whoever catches it closes it.
        OSError, http.client.HTTPException, ValueError: there is no answer, or none in time.
    """
    deadline = time.monotonic() + seconds
    answer: http.client.HTTPResponse
    with opener.open(request, timeout=min(SECONDS_TO_ANSWER, seconds)) as answer:
        parts, length = [], 0
        while part := answer.read1(CHUNK):
            parts.append(part)
            length += len(part)
            if length > most_bytes:
                raise TooLongError(f"more than {most_bytes:,} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not whole after {seconds:.0f} s")
        stated = answer.headers.get("Content-Length") or ""
        if stated.isdecimal() and length < int(stated):
            raise BrokenOffError(f"broke off after {length} of {stated} bytes")
        return b"".join(parts), answer.headers.get_content_type()
