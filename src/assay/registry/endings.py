"""When admissions end: kept in step with the verdicts, asked by time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, insert, select

from assay.core.digest import Digest
from assay.core.verdict import Decision, format_time
from assay.registry import rows
from assay.store.schema import decisions, revisions, revocations, verdicts
from assay.store.schema_endings import endings
from assay.store.schema_log import lifts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from assay.core.verdict import Verdict
    from assay.store.index import Index


def refresh(tx: Connection, index: Index, name: str, snapshot_id: Digest) -> None:
    """Write down again when the verdict ends that holds for a snapshot under a name."""
    tx.execute(delete(endings).where(endings.c.name == name, endings.c.snapshot_id == snapshot_id.hex))
    if (verdict := _holding(tx, index, name, snapshot_id)) is not None:
        key = {"name": name, "snapshot_id": snapshot_id.hex}
        tx.execute(insert(endings).values(**key, **_values(verdict)))


def until(tx: Connection, moment: datetime, limit: int) -> list[tuple[str, Digest, Digest]]:
    """Published snapshots (name, id, verdict) whose admission ends up to then and that no revocation stands against."""
    lifted = select(lifts.c.revocation)
    stands = exists().where(revocations.c.snapshot_id == endings.c.snapshot_id, revocations.c.statement.not_in(lifted))
    published = exists().where(revisions.c.name == endings.c.name, revisions.c.snapshot_id == endings.c.snapshot_id)
    query = (
        select(endings.c.name, endings.c.snapshot_id, endings.c.verdict)
        .where(endings.c.expires_at <= format_time(moment), published, ~stands)
        .order_by(endings.c.expires_at, endings.c.name)
        .limit(limit)
    )
    return [(name, Digest(snapshot), Digest(verdict)) for name, snapshot, verdict in tx.execute(query)]


def differences(tx: Connection) -> Iterator[str]:
    """Where the table says something else than the verdicts that hold, one sentence each."""
    kept = {(row.name, row.snapshot_id): (row.verdict, row.expires_at) for row in tx.execute(select(endings))}
    later = decisions.alias()
    mine = (later.c.name == decisions.c.name, later.c.snapshot_id == decisions.c.snapshot_id)
    newest = select(later.c.seq).where(*mine).order_by(later.c.decided_at.desc(), later.c.seq.desc()).limit(1)
    query = (
        select(decisions.c.name, decisions.c.snapshot_id, verdicts.c.digest, verdicts.c.body)
        .join(verdicts, verdicts.c.digest == decisions.c.verdict)
        .where(decisions.c.seq == newest.scalar_subquery(), verdicts.c.decision == Decision.ADMIT.value)
    )
    for name, snapshot, digest, body in tx.execute(query):
        if kept.pop((name, snapshot), None) != (digest, _expiry(body)):
            yield f"the admission of {name} ends at another time than is written down"
    for name, _ in kept:
        yield f"an end is written down for an admission of {name} that does not hold"


def _expiry(body: str) -> str:
    """When a verdict ends; empty for a text that is none."""
    try:
        return str(json.loads(body)["expires_at"])
    except (ValueError, KeyError, TypeError):
        return ""


def _holding(tx: Connection, index: Index, name: str, snapshot_id: Digest) -> Verdict | None:
    """The ADMIT that holds; None when there is none."""
    digest = rows.holding(tx, name, snapshot_id)
    verdict = index.get_verdict(Digest(digest), tx) if digest else None
    return verdict if verdict is not None and verdict.decision is Decision.ADMIT else None


def _values(verdict: Verdict) -> dict[str, Any]:
    return {"verdict": verdict.digest.hex, "expires_at": format_time(verdict.expires_at)}
