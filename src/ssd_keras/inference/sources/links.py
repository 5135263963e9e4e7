"""Images that a link names: fetched over HTTP(S) when they are needed, with limits on time and size."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ssd_keras.data.images import StoredImage
from ssd_keras.data.pixel_limit import declared_size
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.answers import SECONDS_IN_ALL, BrokenOffError, TooLongError, fetched, opener

MOST_BYTES = 64 << 20
"""Of an answer; photographs have a tenth of it."""

ALLOWED_IN_LINKS = "%:/?#[]@!$&'()*+,;=~"
"""Besides letters and digits; blanks and letters of other alphabets are encoded on the way."""


def is_link(text: str) -> bool:
    """Tell whether a source is written as a link of any kind: `scheme://...`."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.isascii() and scheme.replace("+", "").replace("-", "").isalnum()


class Link(StoredImage):
    """An image behind an HTTP or HTTPS link.

    Args:
        url: the link.
        most_bytes: a longer answer is refused.
        seconds: for the whole answer.

    Raises:
        InputError: it is no link of these two kinds.
    """

    __slots__ = ("_most_bytes", "_seconds", "_url")

    def __init__(self, url: str, most_bytes: int = MOST_BYTES, seconds: float = SECONDS_IN_ALL) -> None:
        parts = _split(url)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"{url} is no link that is fetched: give one that starts with http:// or https://, or a file"
            )
        self._url = url
        self._most_bytes = most_bytes
        self._seconds = seconds

    @property
    def name(self) -> str:
        """The link itself."""
        return self._url

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return unquote(_split(self._url).path).rpartition("/")[2]

    def load(self) -> bytes:
        """Fetch the encoded bytes.

        Raises:
            InputError: it does not answer in time, answers with an error or with too much, or with something
                else than an image.
        """
        try:
            data, kind = self._fetched()
        except InputError:
            raise
        except TooLongError as error:
            raise self._too_long() from error
        except BrokenOffError as error:
            raise InputError(f"{self._url} {error}: try again") from error
        except urllib.error.HTTPError as error:
            error.close()
            said = " ".join(str(error.reason).split())
            raise InputError(f"{self._url} answers {error.code} {said}: check the link") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputError(f"{self._url} cannot be fetched ({_reason(error)}): check the link") from error
        if declared_size(data) is None:
            raise InputError(f"{self._url} answers with {kind}, which is no known image: check the link")
        return data

    def _fetched(self) -> tuple[bytes, str]:
        return fetched(opener(_HttpRedirects()), self._request(), self._most_bytes, self._seconds)

    def _request(self) -> urllib.request.Request:
        return urllib.request.Request(
            quote(self._url, safe=ALLOWED_IN_LINKS), headers={"User-Agent": "ssd-keras"}
        )

    def _too_long(self) -> Exception:
        return InputError(
            f"{self._url} answers with more than {self._most_bytes >> 20} MiB: fetch it yourself and give "
            "the file"
        )


class _HttpRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to HTTP and HTTPS only; the handler of the standard library knows FTP, too."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Give the request that follows; `InputError` where that is of another kind."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            fp.close()
            raise InputError(
                f"{req.full_url} leads on to {newurl}, and only HTTP and HTTPS are followed: give another"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise InputError(f"{url} is no link ({error}): check it") from error


def _reason(error: Exception) -> str:
    """Say why there was no answer, without the wrapping of the standard library."""
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, TimeoutError):
        return "no answer in time" if "timed out" in str(cause) else str(cause)
    return str(getattr(cause, "strerror", None) or cause)
