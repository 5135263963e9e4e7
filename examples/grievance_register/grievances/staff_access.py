"""Who is staff: a login with the token of the environment, then a signed cookie; or the token as bearer.

There is one token for all; each staff member gives a name with it, which stands in the history. An
installation with accounts puts its own `staff_name` here: the rest of the register only asks for that name.
"""

import base64
import hashlib
import hmac
import time
from typing import Annotated

from fastapi import Depends, Request, Response

from grievances.contracts import RefusedError
from grievances.settings import Settings

COOKIE = "staff"
SECONDS = 12 * 3600
"""How long a login lasts."""


def token_is_right(token: str, settings: Settings) -> bool:
    """Compare a token with that of the staff; the time it takes tells nothing about it."""
    right = settings.staff_token.get_secret_value()
    return hmac.compare_digest(token.encode("utf-8", "replace"), right.encode())


def set_login_cookie(response: Response, name: str, settings: Settings, is_https: bool) -> None:
    """Let the browser show from now on that this is `name`. Scripts cannot read it."""
    content = f"{int(time.time()) + SECONDS}:{name}".encode()
    value = f"{_as_text(content)}.{_as_text(_signature(content, settings))}"
    response.set_cookie(COOKIE, value, SECONDS, httponly=True, samesite="strict", secure=is_https)


def staff_name(request: Request) -> str:
    """Give the name of the staff member who asks; `RefusedError` (401) where it is nobody of them."""
    settings: Settings = request.app.state.settings
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token_is_right(token, settings):
        return "a program"
    name = _name_of_cookie(request.cookies.get(COOKIE, ""), settings)
    if name is None:
        raise RefusedError(401, "this is for staff: log in")
    return name


StaffName = Annotated[str, Depends(staff_name)]


def _name_of_cookie(value: str, settings: Settings) -> str | None:
    try:
        content, signature = (base64.urlsafe_b64decode(part) for part in value.split("."))
        if not hmac.compare_digest(signature, _signature(content, settings)):
            return None
        until, _, name = content.decode().partition(":")
        return name if int(until) > time.time() else None
    except ValueError:  # not two parts, not base64
        return None


def _signature(content: bytes, settings: Settings) -> bytes:
    """Sign with a key made of the token: with another token all logins end."""
    key = hmac.digest(settings.staff_token.get_secret_value().encode(), b"login cookie", hashlib.sha256)
    return hmac.digest(key, content, hashlib.sha256)


def _as_text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
