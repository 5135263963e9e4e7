"""How it hangs together: routes, page, limits, headers, errors, and the task in the background."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from ssd_keras import InputError

from grievances import public_api, staff_api
from grievances.bodies import BodyLimit
from grievances.contracts import RefusedError, in_one_line
from grievances.database import Database
from grievances.looking import DetectorClient, Looking
from grievances.settings import Settings

logger = logging.getLogger("grievances")

PAGE = Path(__file__).parent / "page"
DATABASE_NAME = "register.sqlite"
RETRY_SECONDS = 5
"""After which a program may ask again when the file could not be used."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(self), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer. No script, style or picture comes from elsewhere or stands inside of a page."""


def create_app(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """Make the application; `transport` takes the place of the network to the detector, for tests."""
    database = Database(settings.folder / DATABASE_NAME)

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        client = DetectorClient(settings, transport)
        app.state.looking = Looking(database, client, settings)
        task = asyncio.create_task(app.state.looking.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await client.close()

    app = FastAPI(title="Grievance register", lifespan=life, docs_url=None, redoc_url=None)
    app.state.settings, app.state.database = settings, database
    app.include_router(public_api.router)
    app.include_router(staff_api.router)
    _add_pages(app)
    _add_errors(app)
    app.add_middleware(BodyLimit, most_photo_bytes=settings.most_photo_bytes)
    app.middleware("http")(_guard)  # around the former: its answers have the headers, too
    return app


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def report_page() -> FileResponse:
        return FileResponse(PAGE / "report.html")

    @app.get("/staff", include_in_schema=False)
    def staff_page() -> FileResponse:
        return FileResponse(PAGE / "staff.html")

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Say that the register lives; whether the detector does is another question."""
        return {"status": "ok"}

    app.mount("/page", StaticFiles(directory=PAGE))


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"detail": error.detail}, error.status)

    @app.exception_handler(InputError)
    def cannot_export(request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    def not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": in_one_line(error.errors())}, 422)

    @app.exception_handler(sqlite3.DatabaseError)
    def file_is_away(request: Request, error: sqlite3.DatabaseError) -> JSONResponse:
        """Such as a full disk, or another program that holds the file for longer than is waited for it."""
        logger.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
        detail = (
            f"the register's file cannot be used now: nothing was changed, ask again in {RETRY_SECONDS} s"
        )
        return JSONResponse({"detail": detail}, 503, {"Retry-After": str(RETRY_SECONDS)})

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> JSONResponse:
        """The server logs it; this answer is made outside of what puts the headers on all others."""
        return JSONResponse(
            {"detail": "the register failed: tell who runs it, its log says why"}, 500, HEADERS
        )


async def _guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Put the headers on every answer."""
    response = await answer(request)
    response.headers.update(HEADERS)
    response.headers.setdefault(
        "Cache-Control", "no-cache" if request.url.path.startswith("/page") else "no-store"
    )
    return response
