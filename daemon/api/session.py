"""Lets a browser show pictures and videos and hear events where a token is demanded.

`<img>`, `<video>` and `EventSource` cannot send a header. The page shows the token once, in a header, and gets a cookie
that is good for reading only: nothing can be changed with it, and it says nothing about the token.
"""

from __future__ import annotations

import hmac
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any

from daemon.api.context import Context
from daemon.api.replies import json_response
from daemon.api.route import Route

PATH = "/session"
COOKIE = "seedvr2_read"
# What the cookie opens: files, events and states, none of which a GET changes.
READABLE = "/api/"
MAX_AGE_S = 12 * 3600


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    token = context.config.server.token

    def begin() -> Any:
        # Whoever comes here has shown the token, or there is none.
        headers = {"Set-Cookie": _set_cookie(grant(token, time.time()), MAX_AGE_S)} if token else {}
        return json_response({"status": "open", "expires_in": MAX_AGE_S}, headers=headers)

    def end() -> Any:
        return json_response({"status": "closed"}, headers={"Set-Cookie": _set_cookie("", 0)})

    return [
        Route("POST", PATH, begin, "Open a session for reading"),
        Route("DELETE", PATH, end, "Close it"),
    ]


def grant(token: str, now: float) -> str:
    """The value of a cookie that is good for MAX_AGE_S from `now` (seconds since 1970)."""
    expires = str(int(now) + MAX_AGE_S)
    return f"{expires}.{_signature(token, expires)}"


def may_read(token: str, method: str, path: str, cookies: str, now: float | None = None) -> bool:
    """Whether the Cookie header `cookies` admits this request. A cookie made with another token does not."""
    if method not in ("GET", "HEAD") or not path.startswith(READABLE):
        return False
    expires, _, signature = _value(cookies).partition(".")
    if not (expires.isascii() and expires.isdigit()) or len(expires) > 15:
        return False
    genuine = hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(token, expires).encode())
    return genuine and int(expires) > (time.time() if now is None else now)


def _value(cookies: str) -> str:
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _signature(token: str, expires: str) -> str:
    return hmac.new(token.encode(), f"{COOKIE} {expires}".encode(), "sha256").hexdigest()


def _set_cookie(value: str, max_age: int) -> str:
    return f"{COOKIE}={value}; Path={READABLE}; Max-Age={max_age}; HttpOnly; SameSite=Strict"
