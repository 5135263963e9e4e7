"""The page of the server: files without a build step, delivered with a strict Content-Security-Policy."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

from fastapi import FastAPI, Request, Response

PAGE = "index.html"

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Content types of the page's files by their suffixes; only these are delivered."""

HEADERS = {
    # Everything comes from here; pictures are also made in the page itself, from the user's files.
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again each time, and answered with 304 while nothing changed
}


class PageFile(NamedTuple):
    """A file of the page: its bytes, their content type, and an entity tag that changes with them."""

    content: bytes
    kind: str
    tag: str


def add_page(app: FastAPI) -> None:
    """Let `app` answer `GET /` with the page, and `GET /page/NAME` with the files that it needs.

    They are read once. They need no token: what the page asks the server for does.
    """
    delivered = page_files()

    async def page(request: Request) -> Response:
        return _answer(request, delivered[PAGE])

    async def part(request: Request, name: str) -> Response:
        if name not in delivered:
            return Response(f"the page has no {name[:80]!r}\n", 404, {**HEADERS}, "text/plain; charset=utf-8")
        return _answer(request, delivered[name])

    methods = ["GET", "HEAD"]
    app.add_api_route("/", page, methods=methods, include_in_schema=False)
    app.add_api_route("/page/{name}", part, methods=methods, include_in_schema=False)


def page_files() -> dict[str, PageFile]:
    """Read the files of the page: `{name: PageFile}`."""
    found = {}
    for file in files("ssd_keras.serving").joinpath("page").iterdir():
        kind = KINDS.get(file.name[file.name.rfind(".") :])
        if kind:
            content = file.read_bytes()
            found[file.name] = PageFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found


def _answer(request: Request, file: PageFile) -> Response:
    headers = {**HEADERS, "ETag": file.tag}
    if request.headers.get("If-None-Match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.kind)
