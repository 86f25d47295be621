"""Who asks, and whether they may: between the guards and the routes.

A token comes as `Authorization: Bearer assay_…`, a browser's session as a cookie (`server.session`). A server that is
read without an account lets the token of another place pass as nobody (stock clients send whatever they find in their
environment); a token of ours that is not good is refused everywhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from assay.core.errors import AssayError
from assay.core.escape import printable
from assay.registry.people import NOBODY, NOTHING, Actor, Answer, Thing, may
from assay.registry.records import Refused
from assay.registry.teams import teams_of
from assay.registry.token_text import PREFIX, spelled_out
from assay.server import answers, session
from assay.server.answers import GATED, MODEL_KINDS, error, logger
from assay.server.headers import text
from assay.server.limits import caller_of
from assay.server.login import login_path
from assay.server.target import parse_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from assay.server.state import Registry
    from assay.server.target import Target

MAX_BODY = 64 << 10  # bytes of a request, unless its route says otherwise
BODY_SECONDS = 30.0  # that the next part of a body may take to come
_SEE_OTHER = 303
_BAD_REQUEST, _UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND, _RATE = 400, 401, 403, 404, 429


@dataclass(frozen=True, slots=True)
class Route:
    """A kind of target.

    Attributes:
        endpoint: handler.
        methods: that it knows.
        action: right that it takes (`registry.people`); empty: open to everybody, known or not.
        max_body: bytes; None: the handler has its own limit.
        own_token: the handler checks a token or a signature of its own: that of the registry is not looked at.
    """

    endpoint: Callable[..., Any]
    methods: tuple[str, ...]
    action: str
    max_body: int | None = MAX_BODY
    own_token: bool = False


class Access:
    """Pure ASGI. Names the actor in `scope["assay.actor"]`, refuses what it may not, counts what was refused."""

    def __init__(self, app: ASGIApp, registry: Registry, routes: Mapping[str, Route]) -> None:
        self._app = app
        self._registry = registry
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Identify, check, pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        target = scope["assay.target"] = parse_target(scope["raw_path"])
        route = self._routes.get(target.kind) if target else None
        address = _address(scope)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(message, address)
            await send(message)

        try:
            refusal = await self._refusal(scope, target, route, address)
        except AssayError as problem:
            refusal = answers.failed(Request(scope), problem)
        if refusal is not None:
            await refusal(scope, receive, counted)
            return
        receive = _bounded(scope, receive, route.max_body if route else MAX_BODY)
        if "assay.session" in scope and scope["method"] not in session.SAFE:
            refusal, receive = await self._forged(scope, receive)
            if refusal is not None:
                await refusal(scope, receive, counted)
                return
        await self._app(scope, receive, counted)
        await self._note_use(scope)

    async def _forged(self, scope: Scope, receive: Receive) -> tuple[Any, Receive]:
        """The answer to a change that a cookie stands for and nothing else; None when it is the person's own."""
        fine = session.from_here(scope)
        if fine:
            try:
                fine, receive = await session.brings_token(scope, receive, scope["assay.session"])
            except HTTPException as problem:
                return error(problem.status_code, f"assay: {problem.detail}"), receive
        if fine:
            return None, receive
        self._registry.metrics.refused.labels("csrf").inc()
        return error(_FORBIDDEN, "assay: this change did not come from a page of this session: load it again"), receive

    async def _refusal(self, scope: Scope, target: Target | None, route: Route | None, address: str) -> Any:
        """The answer that ends the request here, or None; names the actor."""
        registry, now = self._registry, time.monotonic()
        presented = _bearer(text(scope, b"authorization"))
        if b"%00" in scope["query_string"]:  # as in a path
            return error(_BAD_REQUEST, "assay: a parameter holds a NUL character")
        wait = registry.limiter.wait(address, now) if registry.limiter else 0.0
        if wait or (presented and registry.bad_tokens.over(address, now)):
            registry.metrics.refused.labels("rate").inc()
            return _too_many(wait or 60.0)
        if route is not None and route.own_token:
            return None
        actor = await self._actor(scope, presented)
        if actor is None:
            registry.metrics.tokens.labels("bad").inc()
            registry.bad_tokens.add(address, now)
            return _unauthenticated("this token is unknown, expired or revoked", target)
        scope["assay.actor"] = actor
        return await self._judge(scope, target, route, actor)

    async def _actor(self, scope: Scope, presented: str) -> Actor | None:
        """Who asks; None for a token that is no good. One that was good at this head of the log still is."""
        registry = self._registry
        if not presented:
            return await run_in_threadpool(self._identify, scope, "") if session.cookie_of(scope) else NOBODY
        head, key = await registry.log_head.read(), hashlib.sha256(presented.encode()).digest()
        kept = registry.known_tokens.get(key)
        if kept is not None and kept[0] == head and kept[1].live(registry.clock()):
            registry.metrics.tokens.labels("good").inc()
            scope["assay.token"] = kept[1]
            return kept[2]
        actor = await run_in_threadpool(self._identify, scope, presented)
        if actor is not None and "assay.token" in scope:
            registry.known_tokens.put(key, (head, scope["assay.token"], actor), 1)
        return actor

    async def _judge(self, scope: Scope, target: Target | None, route: Route | None, actor: Actor) -> Any:
        if route is not None and not route.action:
            return None
        if not actor.known and not self._registry.settings.anonymous:
            return _unauthenticated("this registry is read with a token", target, scope)
        if route is None or target is None:
            return None
        if target.name and not self._registry.knows_patterns():
            await run_in_threadpool(self._registry.team_patterns)
        thing = model_thing(self._registry, target.name) if target.name else NOTHING
        answer = may(actor, route.action, thing)
        return None if answer else refusal_of(Request(scope), actor, answer, thing, target)

    def _identify(self, scope: Scope, presented: str) -> Actor | None:
        """Who asks; None for a token that is no good."""
        registry = self._registry
        now = registry.clock()
        if not presented:
            return registry.session_actor(scope, now) or NOBODY
        if not presented.startswith(PREFIX) and registry.settings.anonymous:
            return NOBODY
        record = registry.tokens.check(presented, now)
        if record is None:
            return None
        registry.metrics.tokens.labels("good").inc()
        scope["assay.token"] = record
        actor = record.actor()
        teams = actor.teams | registry.teams.of_person(actor.person)
        return Actor(actor.person, actor.roles, teams, actor.scopes, actor.token, actor.kind)

    def _count(self, message: Message, address: str) -> None:
        status = message["status"]
        if status not in {_UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND}:
            return
        if Headers(raw=message["headers"]).get("x-error-code") == answers.ENTRY_NOT_FOUND:
            return  # clients look for files that a model may lack
        why = {_UNAUTHENTICATED: "unauthenticated", _FORBIDDEN: "forbidden"}.get(status)
        if why:
            self._registry.metrics.refused.labels(why).inc()
        if number := self._registry.refusals.add(address, time.monotonic()):
            self._registry.metrics.probing.inc()
            logger.warning("probing: %d refused or unknown calls within a minute from %s", number, printable(address))

    async def _note_use(self, scope: Scope) -> None:
        registry, now = self._registry, self._registry.clock()
        for key, notes in (("assay.token", registry.tokens), ("assay.session", registry.sessions)):
            record = scope.get(key)
            if record is None or notes.noted(record, now):
                continue
            try:
                await run_in_threadpool(notes.used, record, now)
            except AssayError as problem:
                logger.warning("the use of %s %s was not noted: %s", key, record.id[:16], printable(str(problem)))
            registry.known_tokens.clear()  # they say when they were used last


def actor_of(request: Request) -> Actor:
    """Who sent the request."""
    return cast("Actor", request.scope.get("assay.actor", NOBODY))


def require(request: Request, action: str, thing: Thing = NOTHING) -> Actor:
    """The actor, when it may; for handlers whose right depends on what is in the request.

    Raises:
        HTTPException: 401 for nobody known, 403 for somebody who may not, 404 for what must not be seen.
    """
    actor = actor_of(request)
    answer = may(actor, action, thing)
    if answer:
        return actor
    if answer.hidden:
        raise HTTPException(_NOT_FOUND, f"{thing.model!r} was never vetted here")
    if not actor.known:
        raise HTTPException(_UNAUTHENTICATED, answer.why, {"WWW-Authenticate": "Bearer"})
    raise HTTPException(_FORBIDDEN, answer.why)


def model_thing(registry: Registry, name: str) -> Thing:
    """A model as `may` looks at it."""
    return Thing(name, teams_of(name, registry.team_patterns()))


def refusal_of(request: Request, actor: Actor, answer: Answer, thing: Thing, target: Target) -> Any:
    """The answer to a request that `may` refused."""
    if answer.hidden:
        return answers.refused(
            request, Refused("unknown", f"{thing.model[:200]!r} was never vetted here", name=thing.model)
        )
    if not actor.known:
        return _unauthenticated(answer.why, target, request.scope)
    code = GATED if target.kind in MODEL_KINDS else ""
    return error(_FORBIDDEN, f"assay: {answer.why}", code)


def _unauthenticated(why: str, target: Target | None, scope: Scope | None = None) -> Any:
    """401, or the way to the login for a browser that asks for a page (`scope`: nobody known sent it)."""
    page = scope is not None and scope["method"] in session.SAFE and not scope["path"].startswith("/api/")
    if scope is not None and page and "text/html" in text(scope, b"accept"):
        return RedirectResponse(login_path(Request(scope)), _SEE_OTHER, {"Cache-Control": "no-store"})
    message = f"assay: {why} (make one with `assay token create`, or log in with `hf auth login`)"
    code = GATED if target is not None and target.kind in MODEL_KINDS else ""
    return error(_UNAUTHENTICATED, message, code, {"WWW-Authenticate": 'Bearer realm="assay"'})


def _too_many(wait: float) -> Any:
    seconds = max(1, int(wait + 1))
    return error(_RATE, f"assay: too many requests; try again in {seconds} s", headers={"Retry-After": str(seconds)})


def _bearer(given: str) -> str:
    scheme, _, value = given.partition(" ")
    return spelled_out(value.strip()) if scheme.lower() == "bearer" else ""


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return caller_of(str(client[0])) if client else "?"


def _bounded(scope: Scope, receive: Receive, limit: int | None) -> Receive:
    """`receive`, but a body ends with 413 after `limit` bytes, and with 408 when its next part does not come."""
    said = text(scope, b"content-length") or "0"
    read = 0
    whole = False

    async def bounded() -> Message:
        nonlocal read, whole
        if whole:
            return await receive()
        if limit is not None and said.isdecimal() and int(said[:20]) > limit:
            raise HTTPException(413, f"a request of this kind has at most {limit} bytes")
        try:
            message = await asyncio.wait_for(receive(), BODY_SECONDS)
        except TimeoutError as problem:
            raise HTTPException(408, "the rest of the request did not come") from problem
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        read += len(message.get("body", b""))
        if limit is not None and read > limit:
            raise HTTPException(413, f"a request of this kind has at most {limit} bytes")
        return message

    return bounded
