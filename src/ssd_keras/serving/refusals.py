"""How the server says no: a status and one line."""

from __future__ import annotations

from collections.abc import Mapping

from ssd_keras.errors import InputError

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, METHOD_NOT_ALLOWED = 400, 401, 404, 405
TOO_LARGE, UNSUPPORTED_TYPE, UNPROCESSABLE, TOO_MANY = 413, 415, 422, 429
CLIENT_GONE = 499
"""Not sent to anybody: it is what the metrics count, as nginx does."""
FAILED, UNAVAILABLE, TOO_LATE = 500, 503, 504


class Refusal(InputError):  # noqa: N818 - what is refused is not always wrong
    """A request is refused, or could not be answered.

    Attributes:
        status: of the HTTP answer.
        headers: of it, such as Retry-After.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
