"""How it hangs together: routes, page, limits, headers, errors, and the task in the background."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from ssd_keras import InputError

from grievances import public_api, staff_api
from grievances.contracts import RefusedError, in_one_line
from grievances.database import Database
from grievances.looking import DetectorClient, Looking
from grievances.settings import MEBIBYTE, Settings

PAGE = Path(__file__).parent / "page"
DATABASE_NAME = "register.sqlite"

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
    app.middleware("http")(_guard)
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


async def _guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse bodies that are too large before they are read, and put the headers on every answer."""
    settings: Settings = request.app.state.settings
    refused = _refuse_body(request, settings)
    response = refused if refused is not None else await answer(request)
    response.headers.update(HEADERS)
    response.headers.setdefault(
        "Cache-Control", "no-cache" if request.url.path.startswith("/page") else "no-store"
    )
    return response


def _refuse_body(request: Request, settings: Settings) -> Response | None:
    """Give the refusal of a body without a length (nobody knows where it ends) or with too great a one."""
    length = request.headers.get("Content-Length")
    if length is None:
        if "Transfer-Encoding" in request.headers:
            return JSONResponse({"detail": "the body has no length: send Content-Length"}, 411)
        return None
    most = settings.most_photo_bytes + MEBIBYTE // 8  # the fields beside the photograph
    if not length.isdigit() or int(length) > most:
        mebibytes = settings.most_photo_bytes / MEBIBYTE
        return JSONResponse(
            {"detail": f"more than {mebibytes:g} MiB were sent: send a smaller photograph"}, 413
        )
    return None
