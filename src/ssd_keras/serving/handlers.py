"""Every error as one line of JSON: {"detail": "what, where, what to do"}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ssd_keras.errors import InputError
from ssd_keras.serving.refusals import (
    CLIENT_GONE,
    FAILED,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNPROCESSABLE,
    Refusal,
)

LONGEST_SHOWN = 60
"""Characters of what a client sent."""


def add_handlers(app: FastAPI) -> None:
    """Let an application answer errors that way."""
    for kind, handler in (
        (Refusal, _refused),
        (HTTPException, _http_error),
        (RequestValidationError, _invalid),
        (ClientDisconnect, _gone),
        (Exception, _failed),
    ):
        app.add_exception_handler(kind, handler)


def _problem(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": line}, status, headers)


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _problem(error.status, str(error), error.headers)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    """Say what the framework refuses: paths and methods."""
    assert isinstance(error, HTTPException)
    line = str(InputError(str(error.detail)))
    path = str(InputError(request.url.path[:LONGEST_SHOWN]))
    if error.status_code == NOT_FOUND:
        line = f"there is nothing at {path}: /docs has the paths"
    elif error.status_code == METHOD_NOT_ALLOWED:
        line = (
            f"{request.method} is not for {path}: use {(error.headers or {}).get('Allow', 'another method')}"
        )
    return _problem(error.status_code, line, error.headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _problem(UNPROCESSABLE, "; ".join(map(_invalid_parameter, error.errors())))


def _invalid_parameter(fault: Mapping[str, Any]) -> str:
    name = ".".join(map(str, fault["loc"][1:])) or "the request"
    given = ascii(fault.get("input"))[:LONGEST_SHOWN]
    return f"{name} is {given}: {fault['msg'].lower()}"


def _gone(_: Request, error: Exception) -> JSONResponse:
    return _problem(CLIENT_GONE, "the client closed the connection")


def _failed(_: Request, error: Exception) -> JSONResponse:
    """Say that the fault is the program's; the framework raises it again, and the log gets its traceback."""
    return _problem(FAILED, f"the server failed ({type(error).__name__}): its log has the reason")
