"""Our own API about people: decisions, evidence, tokens, teams, the log, and who may do what.

A browser session or a token identifies the caller; every handler's right stands in the route table, and what depends
on the request is asked for here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from assay.core.errors import TrustError, UsageError
from assay.core.name import check_name
from assay.core.statement import Envelope
from assay.registry.access import review
from assay.registry.decisions import accept, approval_of, snapshot_of
from assay.registry.people import may
from assay.registry.tokens import LIFETIME
from assay.server.access import actor_of, require
from assay.server.bodies import parse_json
from assay.server.hub_api import resolve, shown_to
from assay.server.state import registry_of, target_of
from assay.store import log

if TYPE_CHECKING:
    from starlette.requests import Request

    from assay.registry.access import Review
    from assay.server.state import Registry

MAX_STATEMENT = 1 << 20  # bytes of a signed statement: its subjects name every weight file
AUDIT_PAGE = 1000  # entries
_PRIVATE = {"Cache-Control": "no-store"}


async def decisions(request: Request) -> Response:
    """`/api/assay/v1/decisions/{name}`: what a decision has to rest on, those that were taken; POST takes one."""
    if request.method == "POST":
        document = await _document(request, {"envelope"})
        return await run_in_threadpool(_decide, request, document.get("envelope"))
    return await run_in_threadpool(_decisions, request)


def _decisions(request: Request) -> Response:
    catalog, name = registry_of(request).catalog, check_name(target_of(request).name)
    snapshot_id = snapshot_of(catalog, name, _text(request, "revision"))
    snapshot = catalog.index.get_snapshot(snapshot_id, name=name)
    if snapshot is None:
        raise UsageError(f"the files of {name} are not known here")
    published = [one.revision for one in catalog.revisions(name) if one.snapshot_id == snapshot_id]
    subject = {
        "manifest": snapshot.manifest(),
        "verdict": approval_of(catalog, name, snapshot_id).to_json(),
        "revision": published[0] if published else "",
        "refs": {ref.ref: ref.revision for ref in catalog.refs(name)},
    }
    taken = [
        one.to_json()
        for one in catalog.index.statements_for(snapshot_id)
        if one.role == "reviewer" and one.envelope.statement().predicate.get("name") == name
    ]
    return JSONResponse({"name": name, "subject": subject, "decisions": taken}, headers=_PRIVATE)


def _decide(request: Request, value: Any) -> Response:
    registry = registry_of(request)
    if registry.trust is None:
        raise HTTPException(409, "this registry has no trust file, so it takes no decisions")
    if not actor_of(request).known:
        require(request, "approve")
    glass = registry.settings.break_glass
    try:
        envelope = Envelope.from_json(value)
        if envelope.statement().predicate.get("name") != target_of(request).name:
            raise UsageError("the statement is about another name than the request")
        taken = accept(
            registry.catalog, registry.trust, envelope, registry.clock(), actor=actor_of(request), break_glass=glass
        )
    except TrustError as problem:
        registry.metrics.signatures.labels("bad").inc()
        raise HTTPException(403, str(problem)) from problem
    registry.metrics.signatures.labels("good").inc()
    registry.metrics.decisions.labels(taken.action).inc()
    if taken.urgent:
        registry.metrics.break_glass.inc()
    return JSONResponse(taken.to_json(), 201, headers=_PRIVATE)


def evidence(request: Request) -> Response:
    """`/api/assay/v1/evidence/{name}/{rev}`: the verdict and everything it rests on."""
    resolved = resolve(request)
    index = registry_of(request).catalog.index
    with index.reading() as tx:
        found = [one.to_json() for digest in resolved.verdict.evidence if (one := index.get_evidence(digest, tx))]
    body = {"name": resolved.name, "revision": resolved.revision, "verdict": resolved.verdict.to_json()}
    return JSONResponse({**body, "evidence": found}, headers={"X-Repo-Commit": resolved.revision})


def models(request: Request) -> Response:
    """`/api/assay/v1/models`: what is served, with its verdict's digest; `search`, `limit`, `cursor`."""
    registry = registry_of(request)
    limit = _number(request, "limit", 100, most=AUDIT_PAGE)
    page = registry.catalog.models(
        _text(request, "search"), limit, _text(request, "cursor") or None, registry.clock(), shown=shown_to(request)
    )
    found = [{"name": one.name, "revision": one.revision, "snapshot": str(one.snapshot_id)} for one in page.models]
    return JSONResponse({"models": found, "cursor": page.cursor}, headers=_PRIVATE)


async def tokens(request: Request) -> Response:
    """`/api/assay/v1/tokens`: one's own (an admin: everybody's); POST makes one, and answers with its text once."""
    document = await _document(request, {"name", "days", "scopes", "roles"}) if request.method == "POST" else None
    return await run_in_threadpool(_tokens, request, document)


def _tokens(request: Request, document: dict[str, Any] | None) -> Response:
    registry, actor = registry_of(request), actor_of(request)
    if document is None:
        person = None if may(actor, "token.any") else actor.person
        return JSONResponse({"tokens": [one.to_json() for one in registry.tokens.all(person)]}, headers=_PRIVATE)
    roles = _words(document, "roles") or sorted(actor.roles)
    if not set(roles) <= actor.roles:
        raise HTTPException(403, "a token has no role that its maker has not")
    days = document.get("days", LIFETIME.days)
    if not isinstance(days, int) or isinstance(days, bool) or abs(days) > 10**4:
        raise UsageError("days is a number")
    text, record = registry.tokens.create(
        person=actor.person,
        roles=roles,
        name=str(document.get("name", "")),
        by=actor.person,
        now=registry.clock(),
        lifetime=timedelta(days=days),
        scopes=_words(document, "scopes"),
    )
    return JSONResponse({"token": text, **record.to_json()}, 201, headers=_PRIVATE)


def token(request: Request) -> Response:
    """`DELETE /api/assay/v1/tokens/{id}`: revokes it; one's own, or as an admin anybody's."""
    registry, actor = registry_of(request), actor_of(request)
    try:
        record = registry.tokens.get(target_of(request).path)
    except UsageError as problem:
        raise HTTPException(404, "no such token") from problem
    if record.person != actor.person and not may(actor, "token.any"):
        raise HTTPException(404, "no such token")
    revoked = registry.tokens.revoke(record.id, by=actor.person, now=registry.clock())
    return JSONResponse(revoked.to_json(), headers=_PRIVATE)


def teams(request: Request) -> Response:
    """`/api/assay/v1/teams`: who belongs to which, and their models."""
    return JSONResponse({"teams": [one.to_json() for one in registry_of(request).teams.all()]}, headers=_PRIVATE)


def audit(request: Request) -> Response:
    """`/api/assay/v1/audit`: the append-only log from entry `after` on, `limit` entries."""
    after = _number(request, "after", 0, least=0, most=1 << 53)
    limit = _number(request, "limit", 100, most=AUDIT_PAGE)
    index = registry_of(request).catalog.index
    with index.reading() as tx:
        found = log.page(tx, after, limit)
        head = log.head(tx)
    body = {"entries": [entry.to_json() for entry in found], "head": str(head)}
    return JSONResponse(body, headers=_PRIVATE)


def access(request: Request) -> Response:
    """`/api/assay/v1/access`: who may do what, and which tokens nobody uses."""
    return JSONResponse(review_of(registry_of(request)).to_json(), headers=_PRIVATE)


def review_of(registry: Registry) -> Review:
    """Everything that gives access to this registry now."""
    rules = (registry.login.rules() if registry.login else ()) + (registry.issuers.said() if registry.issuers else ())
    return review(registry.tokens, registry.teams, registry.sessions, registry.trust, registry.clock(), rules=rules)


async def _document(request: Request, known: set[str]) -> dict[str, Any]:
    """The JSON object of the body, with no other keys than those known (UsageError otherwise)."""
    try:
        document = parse_json(await request.body())
    except (ValueError, RecursionError) as problem:
        raise UsageError("the body is not JSON") from problem
    if not isinstance(document, dict) or not set(document) <= known:
        raise UsageError(f"the body is an object with {', '.join(sorted(known))}")
    return document


def _words(document: dict[str, Any], key: str) -> list[str]:
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{key} is a list of texts")
    return value


def _text(request: Request, key: str) -> str:
    value = request.query_params.get(key, "")
    if "\0" in value:
        raise UsageError(f"{key} holds a NUL character")
    return value[:200]


def _number(request: Request, key: str, default: int, *, least: int = 1, most: int) -> int:
    text = request.query_params.get(key)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise UsageError(f"{key} is a number from {least} to {most}")
    return int(text)
