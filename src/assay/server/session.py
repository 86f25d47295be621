"""Cookies of browser sessions, and what a change must bring besides the cookie.

A browser sends cookies along with whatever another site makes it ask for. So a change that a cookie stands for also
needs the session's CSRF token (header `X-CSRF-Token`, or `csrf` in a form), and an `Origin` that is ours.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope

    from assay.registry.sessions import Session

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "x-csrf-token"
FIELD = "csrf"
MAX_FORM = 64 << 10  # bytes
_FORM = "application/x-www-form-urlencoded"
_LONGEST = 200  # characters of a cookie of ours


def cookie_name(scheme: str, what: str = "") -> str:
    """`__Host-assay` over TLS (RFC 6265bis, 4.1.3.2: Secure, this host alone, path /), else `assay`."""
    return f"{'__Host-' if scheme == 'https' else ''}assay{what}"


def cookie_of(scope: Scope, what: str = "") -> str:
    """The cookie's value, or empty."""
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    if not given:
        return ""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load("; ".join(given))
    except CookieError:
        return ""
    found = jar.get(cookie_name(scope["scheme"], what))
    return found.value[:_LONGEST] if found else ""


def set_cookie(request: Request, response: Response, value: str, seconds: int, what: str = "") -> None:
    """Give the browser a cookie: not for scripts, not for requests of other sites but a link."""
    scheme = request.url.scheme
    response.set_cookie(
        cookie_name(scheme, what), value, seconds, path="/", secure=scheme == "https", httponly=True, samesite="lax"
    )


def clear_cookie(request: Request, response: Response, what: str = "") -> None:
    """Take it back."""
    set_cookie(request, response, "", 0, what)


def session_of(request: Request) -> Session | None:
    """The session that stands for the request, or None; pages put its `csrf` into their forms."""
    found: Session | None = request.scope.get("assay.session")
    return found


def from_here(scope: Scope) -> bool:
    """Whether a browser says that one of our own pages sent it; what says nothing is no browser."""
    headers = Headers(scope=scope)
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # Behind a proxy that does not say so, our own scheme is http; what arrived over TLS came from a page over TLS.
    schemes = {"https"} if scope["scheme"] == "https" else {"http", "https"}
    return parts.scheme in schemes and parts.netloc.lower() == headers.get("host", "").lower()


async def brings_token(scope: Scope, receive: Receive, session: Session) -> tuple[bool, Receive]:
    """Whether the request brings the session's CSRF token; and a `receive` that gives the body (again)."""
    headers = Headers(scope=scope)
    brought = headers.get(HEADER)
    if brought is None and headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        messages, body = await _buffered(receive)
        receive = _again(messages, receive)
        try:
            brought = parse_qs(body.decode(), max_num_fields=200).get(FIELD, [""])[-1]
        except ValueError:
            brought = None
    return brought is not None and hmac.compare_digest(brought.encode(), session.csrf.encode()), receive


async def _buffered(receive: Receive) -> tuple[list[Message], bytes]:
    messages: list[Message] = []
    body = b""
    while len(body) <= MAX_FORM:
        message = await receive()
        messages.append(message)
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    return messages, body


def _again(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def again() -> Message:
        for message in waiting:
            return message
        return await receive()

    return again
