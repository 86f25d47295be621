"""`/login`, `/login/provider`, `/login/callback`, `/logout`: browser sessions.

With a provider configured people log in there; without one they type an access token, whose rights and end the session
then has.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from assay.core.errors import TrustError, UsageError
from assay.core.escape import printable
from assay.registry.people import Actor
from assay.registry.sessions import SESSION
from assay.server.answers import logger
from assay.server.bodies import parse_form
from assay.server.limits import caller_of
from assay.server.oidc_login import LIFETIME
from assay.server.plain_page import plain_page, text
from assay.server.session import FIELD, clear_cookie, cookie_of, from_here, session_of, set_cookie
from assay.server.state import registry_of

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from assay.server.state import Registry

_BEGUN = "-login"  # what the cookie of a login under way is called, after our name
_MOST_PATH = 500  # characters
_SEE_OTHER = 303


async def login(request: Request) -> Response:
    """The page to log in; POST takes an access token (`token`, `next`) where no provider is configured."""
    if request.method != "POST":
        return await run_in_threadpool(_page, request, "", 200)
    registry = registry_of(request)
    if registry.login is not None or not from_here(request.scope):
        return _page(request, "log in on this page", 403)
    address = caller_of(request.client.host) if request.client else "?"
    if registry.bad_tokens.over(address, time.monotonic()):
        return _page(request, "too many wrong tokens; try again in a minute", 429)
    fields = form_of(await request.body())
    begun = await run_in_threadpool(_by_token, registry, fields.get("token", "").strip())
    if begun is None:
        registry.metrics.tokens.labels("bad").inc()
        registry.bad_tokens.add(address, time.monotonic())
        return _page(request, "this token is unknown, expired or revoked", 401)
    return _welcome(request, begun, fields.get("next", ""))


def _by_token(registry: Registry, token: str) -> tuple[str, datetime] | None:
    now = registry.clock()
    record = registry.tokens.check(token, now)
    if record is None:
        return None
    held = record.actor()
    actor = Actor(held.person, held.roles, held.teams, held.scopes, record.id, SESSION)
    cookie, session = registry.sessions.start(actor, now, until=record.expires_at)
    registry.tokens.used(record, now)
    return cookie, session.expires_at


async def provider(request: Request) -> Response:
    """`/login/provider`: on to the provider."""
    return await run_sync(_provider, request, limiter=registry_of(request).asking)


def _provider(request: Request) -> Response:
    registry = registry_of(request)
    if registry.login is None:
        raise UsageError("no provider is configured here")
    base = f"{request.url.scheme}://{request.url.netloc}"
    back = local_path(request.query_params.get("next", ""))
    state, where = registry.login.begin(registry.logins, f"{base}/login/callback", back, registry.clock())
    answer = RedirectResponse(where, _SEE_OTHER, {"Cache-Control": "no-store"})
    set_cookie(request, answer, state, int(LIFETIME.total_seconds()), _BEGUN)
    return answer


async def callback(request: Request) -> Response:
    """`/login/callback`: back from the provider, with a code."""
    return await run_sync(_callback, request, limiter=registry_of(request).asking)


def _callback(request: Request) -> Response:
    registry = registry_of(request)
    if registry.login is None:
        raise UsageError("no provider is configured here")
    now = registry.clock()
    try:
        actor, back = registry.login.finish(
            registry.logins, cookie_of(request.scope, _BEGUN), dict(request.query_params), now
        )
    except TrustError as problem:
        logger.warning("a login was refused: %s", printable(str(problem)))
        answer: Response = _page(request, str(problem), 403)
    else:
        cookie, session = registry.sessions.start(actor, now)
        answer = _welcome(request, (cookie, session.expires_at), back)
    clear_cookie(request, answer, _BEGUN)
    return answer


def logout(request: Request) -> Response:
    """`/logout` (POST): the session ends, here and in the browser."""
    registry, session = registry_of(request), session_of(request)
    if session is not None:
        registry.sessions.end(session, registry.clock())
    answer = RedirectResponse("/login", _SEE_OTHER, {"Cache-Control": "no-store"})
    clear_cookie(request, answer)
    return answer


def local_path(path: str) -> str:
    """`path` when it leads to a page of ours, else `/`: a login never ends on another site."""
    fine = path.startswith("/") and path[1:2] not in {"/", "\\"} and len(path) <= _MOST_PATH and path.isascii()
    return path if fine and path.isprintable() and "\\" not in path else "/"


def login_path(request: Request) -> str:
    """Where somebody has to log in first, to come back to where they were going."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?{urlencode({'next': local_path(path)})}"


def _welcome(request: Request, begun: tuple[str, datetime], back: str) -> Response:
    cookie, end = begun
    answer = RedirectResponse(local_path(back), _SEE_OTHER, {"Cache-Control": "no-store"})
    set_cookie(request, answer, cookie, int((end - registry_of(request).clock()).total_seconds()))
    return answer


def _page(request: Request, problem: str, status: int) -> Response:
    registry, session = registry_of(request), session_of(request)
    back = local_path(request.query_params.get("next", ""))
    if session is not None:
        body = (
            f"<p>You are {text(session.actor.person)} ({text(', '.join(sorted(session.actor.roles)))}).</p>"
            f'<form method="post" action="/logout"><input type="hidden" name="{FIELD}" value="{session.csrf}">'
            f'<button>Log out</button></form><p><a href="{text(back)}">Go on</a></p>'
        )
    elif registry.login is not None:
        query = text(urlencode({"next": back}))
        body = f'<p><a href="/login/provider?{query}">Log in with the account of your organisation</a></p>'
    else:
        body = (
            f'<form method="post" action="/login"><input type="hidden" name="next" value="{text(back)}">'
            '<label>Access token <input type="password" name="token" autocomplete="off" required></label>'
            "<button>Log in</button></form><p>Your administrator makes one with <code>assay token create</code>.</p>"
        )
    return plain_page("Log in", body, problem=problem, status=status)


def form_of(body: bytes) -> dict[str, str]:
    """The last value of each field (UsageError when it is no form)."""
    try:
        return {key: values[-1] for key, values in parse_form(body).items()}
    except ValueError as problem:
        raise UsageError("the body is a form") from problem
