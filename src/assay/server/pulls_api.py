"""The pull ledger over HTTP, and how a pull is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.verdict import parse_time
from assay.registry.pulls import ANONYMOUS, Consumer
from assay.server.access import actor_of
from assay.server.state import registry_of

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from assay.core.snapshot import FileEntry
    from assay.registry.records import Resolved

MOST_ROWS: Final = 10_000


def note_pull(request: Request, resolved: Resolved, entry: FileEntry) -> None:
    """Note that a file goes out (or a link to it), before it does.

    Raises:
        EnvironmentFault: it can't be noted: then nothing goes out.
    """
    registry, actor, peer = registry_of(request), actor_of(request), request.client
    consumer = Consumer(
        actor.person if actor.known else ANONYMOUS,
        _claims(request),
        request.headers.get("user-agent", ""),
        peer.host if peer else "",
    )
    registry.ledger.record(
        resolved.name,
        resolved.revision,
        resolved.snapshot.id,
        consumer=consumer,
        size=entry.size,
        now=registry.clock(),
    )


def _claims(request: Request) -> str:
    record, actor = request.scope.get("assay.token"), actor_of(request)
    if not actor.token:
        return ""
    return canonical_json({"token": actor.token, **(record.claims if record else {})}).decode()


def pulls(request: Request) -> Response:
    """`GET /api/assay/v1/pulls`: `?name=`, `?consumer=`, `?snapshot=`, `?since=` (RFC 3339, UTC); newest first."""
    query = request.query_params
    snapshot = query.get("snapshot")
    rows = registry_of(request).ledger.find(
        name=query.get("name") or None,
        consumer=query.get("consumer") or None,
        snapshot_id=Digest.parse(snapshot) if snapshot else None,
        since=_since(query.get("since")),
        limit=MOST_ROWS,
    )
    return JSONResponse({"pulls": [row.to_json() for row in rows]}, headers={"Cache-Control": "no-store"})


def _since(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError as problem:
        raise UsageError("since is a time like 2026-01-31T12:00:00Z") from problem
