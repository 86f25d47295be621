"""Log in a client by device flow (RFC 8628): `hf auth login`.

1. The client asks `/oauth/device` and shows its user an address and a short code.
2. The user opens `/device` in a browser where they are logged in, sees which client asks, and confirms or refuses.
3. The client, which asks `/oauth/token` meanwhile, gets an access token of that person with an end. It is made in that
   moment, and its text is kept nowhere.

Whoever talks somebody into confirming a code of theirs gets that person's token (RFC 8628, 5.4): so the page says
which program asks, from which address, and that only a login which one began oneself is to be confirmed.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from assay.core.escape import printable
from assay.server.access import require
from assay.server.login import form_of
from assay.server.plain_page import plain_page, text
from assay.server.session import FIELD, session_of
from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.registry.people import Actor
    from assay.server.state import Registry

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL: Final = 5  # seconds between two questions of a client
LIFETIME: Final = timedelta(minutes=10)  # that a person has
TOKEN_LIFETIME: Final = timedelta(days=30)  # of what the client gets
_DEVICE = "device"
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, 6.1: no vowels, so no words; 8 of them are 34 bits
_NO_STORE = {"Cache-Control": "no-store"}


def begin(request: Request) -> Response:
    """`POST /oauth/device`: a code for the client and one for its user."""
    registry, peer = registry_of(request), request.client
    code = secrets.token_urlsafe(32)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    said = {"client": printable(request.headers.get("user-agent", ""), limit=200), "address": peer.host if peer else ""}
    registry.logins.put(_DEVICE, code, {"state": "pending", **said}, registry.clock(), LIFETIME, user_code=letters)
    user_code = f"{letters[:4]}-{letters[4:]}"
    page = f"{request.url.scheme}://{request.url.netloc}/device"
    body = {
        "device_code": code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?{urlencode({'user_code': user_code})}",
        "interval": INTERVAL,
        "expires_in": int(LIFETIME.total_seconds()),
    }
    return JSONResponse(body, headers=_NO_STORE)


def redeem(registry: Registry, code: str) -> dict[str, Any]:
    """The answer to a client that asks for its token; `error` as RFC 8628, 3.5 names it. A token is given once."""
    now = registry.clock()
    waiting = registry.logins.find(_DEVICE, now, secret=code)
    if waiting is None:
        return {"error": "expired_token", "error_description": "this login is over: begin again"}
    body = waiting.body
    if body["state"] == "pending":
        return {"error": "authorization_pending", "error_description": "nobody has confirmed it yet"}
    if not registry.logins.drop(waiting):
        return {"error": "expired_token", "error_description": "this login is over: begin again"}
    if body["state"] != "confirmed":
        return {"error": "access_denied", "error_description": "it was refused on the page"}
    token, record = registry.tokens.create(
        person=body["person"],
        roles=body["roles"],
        teams=body["teams"],
        name=(body["client"].split(";")[0].strip() or "device")[:100],
        by=body["person"],
        now=now,
        lifetime=TOKEN_LIFETIME,
        kind=_DEVICE,
    )
    return {
        "access_token": token,
        "token_type": "bearer",
        "expires_in": int((record.expires_at - now).total_seconds()),
        "scope": " ".join(record.scopes),
    }


async def page(request: Request) -> Response:
    """`/device`: enter the code (`user_code`), look at who asks, confirm or refuse (POST, `answer`)."""
    actor = require(request, "token.own")
    if request.method != "POST":
        return await run_in_threadpool(_show, request, actor, _code(request.query_params.get("user_code", "")))
    fields = form_of(await request.body())
    return await run_in_threadpool(
        _answer, request, actor, _code(fields.get("user_code", "")), fields.get("answer", "")
    )


def _show(request: Request, actor: Actor, code: str) -> Response:
    registry, session = registry_of(request), session_of(request)
    waiting = registry.logins.find(_DEVICE, registry.clock(), user_code=code) if code else None
    if waiting is None or waiting.body["state"] != "pending":
        form = (
            '<form action="/device"><label>Code <input name="user_code" autocomplete="off" autocapitalize="characters" '
            "required></label><button>Go on</button></form><p>The program that you log in shows it.</p>"
        )
        problem = "No login with this code waits; codes are good for ten minutes." if code else ""
        return plain_page("Log in a client", form, problem=problem, status=404 if code else 200)
    csrf = session.csrf if session else ""
    body = (
        f"<p><strong>{text(waiting.body['client'] or 'A program')}</strong> at {text(waiting.body['address'])} asks "
        f"for an access token of <strong>{text(actor.person)}</strong> ({text(', '.join(sorted(actor.roles)))}), "
        f"good for {TOKEN_LIFETIME.days} days.</p><p>Confirm only a login that you began yourself.</p>"
        f'<form method="post" action="/device"><input type="hidden" name="{FIELD}" value="{csrf}">'
        f'<input type="hidden" name="user_code" value="{code}">'
        '<button name="answer" value="confirm">Confirm</button> '
        '<button name="answer" value="refuse">Refuse</button></form>'
    )
    return plain_page("Log in a client", body)


def _answer(request: Request, actor: Actor, code: str, answer: str) -> Response:
    registry = registry_of(request)
    waiting = registry.logins.find(_DEVICE, registry.clock(), user_code=code) if code else None
    said: dict[str, Any] = {"state": "refused"}
    if answer == "confirm":
        rights = {"person": actor.person, "roles": sorted(actor.roles), "teams": _own_teams(request)}
        said = {"state": "confirmed", **rights}
    fresh = waiting is not None and waiting.body["state"] == "pending"
    if waiting is None or not fresh or not registry.logins.change(waiting, waiting.body | said):
        return _show(request, actor, code or "-")
    done = "The client is logged in now." if answer == "confirm" else "The client gets no token."
    return plain_page("Log in a client", f"<p>{done} You can close this page.</p>")


def _own_teams(request: Request) -> list[str]:
    """Teams that the login or token names; those of the registry are looked up at each request."""
    session, record = session_of(request), request.scope.get("assay.token")
    return sorted(session.actor.teams if session else record.teams if record else ())


def _code(value: str) -> str:
    """What was typed, as it is kept."""
    return "".join(letter for letter in value[:40].upper() if letter in _LETTERS)[:8]
