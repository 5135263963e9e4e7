"""Who may ask: those who show the token, if there is one."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ssd_keras.serving.refusals import UNAUTHORIZED, Refusal
from ssd_keras.serving.settings import ServerSettings

SCHEME = HTTPBearer(auto_error=False, description="The token of --token or SSD_KERAS_TOKEN.")

NO_TOKEN = "there is no token: send the header 'Authorization: Bearer TOKEN'"


def token_needed(settings: ServerSettings) -> list[Dependency]:
    """Give what a router depends on: the check of the token where there is one, else nothing."""
    if settings.token is None:
        return []
    token = settings.token.get_secret_value().encode()

    def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(SCHEME)]) -> None:
        shown = shown_token(request.headers.get("authorization", ""))
        if not hmac.compare_digest(shown, token):
            raise Refusal(
                UNAUTHORIZED,
                "the token is wrong: send the one that the server was started with" if shown else NO_TOKEN,
                {"WWW-Authenticate": "Bearer"},
            )

    return [Depends(check)]


def shown_token(header: str) -> bytes:
    """Give the token that a header shows: `Bearer TOKEN`, or the password of `Basic`; empty: none.

    Label Studio shows passwords only.
    """
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode("latin-1", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
