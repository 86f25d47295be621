"""Our own API: the signed statements of a served revision, and whether the server lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from assay.core.errors import AssayError, UsageError
from assay.core.escape import printable
from assay.core.name import check_name
from assay.core.verdict import parse_time
from assay.gate.export import sign_view
from assay.gate.logged import proofs_of
from assay.gate.stored import Store, Stored, statements_about
from assay.registry.history import moves
from assay.registry.people import may
from assay.registry.queue import WorkQueue
from assay.registry.withdrawn import withdrawn
from assay.server.access import actor_of, model_thing
from assay.server.answers import logger
from assay.server.hub_api import resolve
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response


def attestations(request: Request) -> Response:
    """`/api/assay/v1/attestations/{name}/{rev}`: manifest, statements (oldest first) and the verdict it is served by.

    With a registry key at hand the last statement is a *view*: signed now, it tells a verifier how old its knowledge
    of revocations is. A verifier trusts none of this unchecked: signatures against its own trust file, digests against
    its own files. `proofs` show that the log holds the statements: all of them where the log's key is at hand, else as
    far as the newest checkpoint reaches.
    """
    resolved, registry = resolve(request), registry_of(request)
    registry.metrics.fetched.inc()
    statements = statements_about(resolved.name, registry.catalog.index.statements_for(resolved.snapshot.id))
    found, now = Stored(resolved.name, resolved.revision, resolved.snapshot, statements), registry.clock()
    proofs = proofs_of(registry.catalog.index, found, registry.ring.held("log") if registry.ring else None, now)
    if registry.ring is not None:
        now_seen = sign_view(Store(registry.catalog, registry.blobs), found, registry.ring, now=now)
        statements += (now_seen,) if now_seen else ()
    body = {
        "name": resolved.name,
        "revision": resolved.revision,
        "manifest": resolved.snapshot.manifest(),
        "statements": [statement.to_json() for statement in statements],
        "proofs": [proof.to_json() for proof in proofs.values()],
        "verdict": resolved.verdict.to_json(),
    }
    return JSONResponse(body, headers={"X-Repo-Commit": resolved.revision, "Cache-Control": "no-store"})


def refs_history(request: Request) -> Response:
    """`/api/assay/v1/refs/{name}`: every move of `main` and the aliases; `?ref=`, and `?at=` for what it was then."""
    registry, query = registry_of(request), request.query_params
    name, ref = check_name(target_of(request).name), query.get("ref") or None
    found = moves(registry.catalog.index, name, ref, registry.trust)
    if text := query.get("at"):
        try:
            moment = parse_time(text)
        except ValueError as problem:
            raise UsageError("at is a time like 2026-01-31T12:00:00Z") from problem
        found = tuple({move.ref: move for move in found if move.moved_at <= moment}.values())
    return JSONResponse({"moves": [move.to_json() for move in found]}, headers={"Cache-Control": "no-store"})


def revoked(request: Request) -> Response:
    """`/api/assay/v1/revoked`: revisions whose revocation stands, with the signed revocations: for `assay purge`."""
    registry, actor = registry_of(request), actor_of(request)
    found = [
        one.to_json()
        for one in withdrawn(registry.catalog.index)
        if may(actor, "browse", model_thing(registry, one.name))
    ]
    return JSONResponse({"revoked": found}, headers={"Cache-Control": "no-store"})


def ready(request: Request) -> Response:
    """`/readyz`: whether index, blobs and queue answer; 503 and which does not. The reason stands in the log alone."""
    registry = registry_of(request)
    parts: dict[str, Callable[[], object]] = {
        "index": registry.catalog.index.check,
        "blobs": registry.blobs.check,
        "queue": WorkQueue(registry.catalog.index).depth,
    }
    found = {}
    for name, check in parts.items():
        try:
            check()
        except AssayError as problem:
            logger.error("not ready: %s: %s", name, printable(str(problem), limit=2000))
            found[name] = "failed"
        else:
            found[name] = "ok"
    whole = set(found.values()) == {"ok"}
    return JSONResponse(
        {"status": "ok" if whole else "failed", **found}, 200 if whole else 503, headers={"Cache-Control": "no-store"}
    )


def health(request: Request) -> Response:
    """`/healthz`: the index answers."""
    registry_of(request).catalog.models(limit=1)
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})
