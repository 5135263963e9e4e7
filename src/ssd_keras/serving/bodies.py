"""The body of a request, within limits that hold while it streams in: declared lengths prove nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ssd_keras.serving.body_room import TakeBytes
from ssd_keras.serving.reading import Upload
from ssd_keras.serving.refusals import (
    BAD_REQUEST,
    TOO_LARGE,
    UNPROCESSABLE,
    UNSUPPORTED_TYPE,
    Refusal,
)
from ssd_keras.serving.settings import ServerSettings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "images"
"""The field of a form that holds images."""

MOST_OTHER_PARTS = 32
"""Fields of a form beside its images, which are passed over."""


async def read_uploads(request: Request, settings: ServerSettings, take_bytes: TakeBytes) -> list[Upload]:
    """Read the images of a request: the files in the field `images` of a form, or the body itself.

    Args:
        request: whose body nobody has read.
        settings: limits.
        take_bytes: is called with the number of bytes for each piece that comes, and may refuse it.

    Raises:
        Refusal: 400 the body is empty or no form; 413 too many bytes or images; 415 another content
            type; 422 a form without images.
    """
    header = request.headers.get("content-type", "")
    kind, options = parse_options_header(header)
    if kind == b"multipart/form-data":
        return await _read_form(request, options.get(b"boundary", b""), settings, take_bytes)
    if kind.startswith(b"image/") or kind == b"application/octet-stream":
        data = await read_body(request, settings.max_image_bytes, take_bytes)
        if not data:
            raise Refusal(BAD_REQUEST, "the body is empty: send the bytes of an image")
        return [Upload(None, data)]
    sent = f"Content-Type {header!r} is" if header else "a body without Content-Type is"
    raise Refusal(
        UNSUPPORTED_TYPE,
        f"{sent} not taken: send an image as image/jpeg (or what it is), or files in the field {FIELD!r} of "
        "multipart/form-data",
    )


async def read_body(request: Request, most_bytes: int, take_bytes: TakeBytes) -> bytes:
    """Read a body of at most so many bytes; `Refusal` (413) beyond, and what `take_bytes` refuses."""
    return b"".join([chunk async for chunk in _chunks(request, most_bytes, take_bytes)])


async def _chunks(request: Request, most_bytes: int, take_bytes: TakeBytes) -> AsyncIterator[bytes]:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise _too_long("the body", most_bytes)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > most_bytes:
            raise _too_long("the body", most_bytes)
        take_bytes(len(chunk))
        yield chunk


def _too_long(what: str, most_bytes: int) -> Refusal:
    return Refusal(
        TOO_LARGE,
        f"{what} has more than the {most_bytes:,} bytes that are taken: send smaller or fewer images",
    )


async def _read_form(
    request: Request, boundary: bytes, settings: ServerSettings, take_bytes: TakeBytes
) -> list[Upload]:
    parts = _Parts(settings)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        async for chunk in _chunks(request, settings.most_body_bytes, take_bytes):
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise Refusal(BAD_REQUEST, f"the body is no multipart/form-data ({error}): send a form") from error
    if not parts.is_whole:
        raise Refusal(BAD_REQUEST, "the form ends before its last boundary: send the whole of it")
    if not parts.uploads:
        raise Refusal(UNPROCESSABLE, f"the form has no field {FIELD!r}: send one or several images in it")
    return parts.uploads


class _Parts:
    """Listens to a parser of forms, and keeps the images.

    Attributes:
        uploads: the images, in their order.
        is_whole: the last boundary was there.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.uploads: list[Upload] = []
        self.is_whole = False
        self._settings = settings
        self._others = 0
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._name: str | None = None
        self._data: bytearray | None = None

    def callbacks(self) -> MultipartCallbacks:
        """Give what the parser is to call."""
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._header = self._value = self._disposition = b""
        self._data = None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if _decoded(options.get(b"name", b"")) != FIELD:
            self._others += 1
            if self._others > MOST_OTHER_PARTS:
                raise Refusal(
                    TOO_LARGE,
                    f"the form has more than {MOST_OTHER_PARTS} fields beside {FIELD!r}: leave them out",
                )
            return
        if len(self.uploads) == self._settings.max_images:
            raise Refusal(
                TOO_LARGE,
                f"the form has more than the {self._settings.max_images} images that are taken at once: send "
                "them in several requests",
            )
        self._name = _decoded(options.get(b"filename", b"")) or None
        self._data = bytearray()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._data is None:
            return
        self._data += data[start:end]
        if len(self._data) > self._settings.max_image_bytes:
            raise _too_long(f"image {len(self.uploads) + 1} of the form", self._settings.max_image_bytes)

    def _part_end(self) -> None:
        if self._data is not None:
            self.uploads.append(Upload(self._name, bytes(self._data)))
            self._data = None

    def _end(self) -> None:
        self.is_whole = True


def _decoded(name: bytes) -> str:
    """Decode what a client wrote into a header: in UTF-8, as browsers do, or in what never fails."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")
