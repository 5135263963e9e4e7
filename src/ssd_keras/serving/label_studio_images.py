"""The images of Label Studio's tasks: inside of the task, or fetched from the one host the operator named.

Tasks come from strangers, so nothing but that host is asked, however an address is written: the request is
put together from the operator's URL, and only path and query are the task's. Redirects are not followed.
"""

from __future__ import annotations

import binascii
import http.client
import json
import time
import urllib.error
import urllib.request
from base64 import b64decode
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ssd_keras.errors import InputError
from ssd_keras.inference.sources.answers import SECONDS_IN_ALL, TooLongError, fetched, opener
from ssd_keras.inference.sources.links import Link
from ssd_keras.serving.refusals import BAD_REQUEST, TOO_LARGE, Refusal
from ssd_keras.serving.settings import ServerSettings

PORTS = {"http": 80, "https": 443}

SHOWN = 100
"""Characters of an address in a message."""

BASE64_PART = 3 / 2
BASE64_SLACK = 1024
"""Characters of a `data:` URI for each byte (4/3, line breaks, what is written as %2B), and besides."""

PERCENT_ENCODED = [
    (written, letter)
    for letter in "+/=\r\n"
    for written in {quote(letter, safe=""), quote(letter, safe="").lower()}
]
"""What `data:` URIs may write in place of letters of base64."""

SECONDS_OF_ACCESS = 120.0
"""For which a token that was got with a personal access token is used; Label Studio's last five minutes."""

LONGEST_TOKEN_ANSWER = 1 << 16


class TaskImages:
    """Gives the encoded bytes of the images that tasks name.

    Args:
        settings: `label_studio_url`, `label_studio_token` and the limit on the bytes of an image.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._base = urlsplit((settings.label_studio_url or "").rstrip("/"))
        self._token = settings.label_studio_token.get_secret_value() if settings.label_studio_token else ""
        self._most_bytes = settings.max_image_bytes
        self._seconds = min(SECONDS_IN_ALL, settings.time_limit)
        self._access = ("", 0.0)

    def load(self, address: str) -> bytes:
        """Give the bytes behind a `data:` URI, a path `/data/...` or a link; this may take seconds.

        Raises:
            Refusal: 400 it is none of these, leads to another host, or does not answer with an image;
                413 it is too large.
        """
        if address[:5].lower() == "data:":
            return self._decoded(address)
        try:
            return _HostImage(
                self._resolved(address), self._most_bytes, self._seconds, self._authorization()
            ).load()
        except Refusal:
            raise
        except InputError as error:
            raise Refusal(BAD_REQUEST, str(error)) from error

    def _decoded(self, uri: str) -> bytes:
        """Decode a `data:` URI (RFC 2397) in base64, of which no more is looked at than an image may have."""
        header, comma, content = uri.partition(",")
        if not comma:
            raise Refusal(BAD_REQUEST, "a data: URI has no comma: write data:image/jpeg;base64,...")
        if not header.lower().rstrip().endswith(";base64"):
            raise Refusal(BAD_REQUEST, "a data: URI is not in base64: write data:image/jpeg;base64,...")
        if len(content) > BASE64_PART * self._most_bytes + BASE64_SLACK:
            raise self._too_long()
        for written, letter in PERCENT_ENCODED:
            content = content.replace(written, letter)
        try:
            data = b64decode(content)
        except (binascii.Error, ValueError) as error:
            raise Refusal(BAD_REQUEST, f"a data: URI is no base64 ({error}): send it whole") from error
        if len(data) > self._most_bytes:
            raise self._too_long()
        return data

    def _too_long(self) -> Refusal:
        return Refusal(
            TOO_LARGE,
            f"a data: URI has more than the {self._most_bytes:,} bytes that are taken of an image: shrink it",
        )

    def _resolved(self, address: str) -> str:
        """Give the address at the operator's host; `Refusal` where it is none of its."""
        shown = repr(address[:SHOWN])
        if not self._base.netloc:
            raise Refusal(
                BAD_REQUEST,
                f"{shown} is not fetched: start the server with --label-studio-url, or send data: URIs",
            )
        try:
            asked = urlsplit(address)
            path = self._path_at_host(asked, address)
        except ValueError:
            path = None
        if path is None:
            raise Refusal(
                BAD_REQUEST,
                f"{shown} is not fetched: give /data/... or a link to {self._base.geturl()}",
            )
        query = f"?{asked.query}" if asked.query else ""
        return f"{self._base.scheme}://{self._base.netloc}{path}{query}"

    def _path_at_host(self, asked: SplitResult, address: str) -> str | None:
        """Give the path of an address at the operator's host, or None; `ValueError` for no port."""
        if {"..", "."} & set(unquote(asked.path).replace("\\", "/").split("/")):
            return None
        if asked.scheme:
            is_ours = _origin(asked) == _origin(self._base) and "@" not in asked.netloc
            return asked.path or "/" if is_ours else None
        if asked.netloc or address.startswith("//"):
            return None
        if asked.path.startswith(f"{self._base.path}/data/"):
            return asked.path
        return f"{self._base.path}{asked.path}" if asked.path.startswith("/data/") else None

    def _authorization(self) -> str:
        """Give the header that shows the token: a legacy one as it is, a personal one after an exchange."""
        if self._token.count(".") != 2:  # parts of a JSON web token
            return f"Token {self._token}" if self._token else ""
        access, until = self._access
        if time.monotonic() > until:
            access = self._exchanged()
            self._access = (access, time.monotonic() + SECONDS_OF_ACCESS)
        return f"Bearer {access}"

    def _exchanged(self) -> str:
        url = f"{self._base.geturl()}/api/token/refresh"
        body = json.dumps({"refresh": self._token}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            answer, _ = fetched(opener(), request, LONGEST_TOKEN_ANSWER, self._seconds)
            access = json.loads(answer)["access"]
            if not isinstance(access, str) or not access.isascii() or not access.isprintable():
                raise ValueError("no access token")
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, TooLongError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise Refusal(
                BAD_REQUEST,
                f"{url} does not take the token of Label Studio ({error}): check --label-studio-token",
            ) from error
        return access


class _HostImage(Link):
    """An image at the operator's host, asked for with its token."""

    __slots__ = ("_authorization",)

    def __init__(self, url: str, most_bytes: int, seconds: float, authorization: str) -> None:
        super().__init__(url, most_bytes, seconds)
        self._authorization = authorization

    def _fetched(self) -> tuple[bytes, str]:
        """Fetch it; a redirect is an error: it could lead to another host."""
        try:
            return fetched(opener(), self._request(), self._most_bytes, self._seconds)
        except ValueError:  # its words have what stands in the headers, such as the token
            raise OSError("the request cannot be written") from None

    def _request(self) -> urllib.request.Request:
        request = super()._request()
        if self._authorization:
            request.add_header("Authorization", self._authorization)
        return request

    def _too_long(self) -> Exception:
        return Refusal(
            TOO_LARGE, f"{self._url[:SHOWN]} answers with more than {self._most_bytes:,} bytes: shrink it"
        )


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = parts.scheme.lower()
    return scheme, parts.hostname, parts.port or PORTS.get(scheme)
