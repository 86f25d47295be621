"""Rows of the registry's tables: small queries, and the refusals that follow from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select

from assay.core.digest import Digest
from assay.core.verdict import Decision, Verdict, format_time, parse_time
from assay.registry.records import Ref, Refused, Revision
from assay.store import log
from assay.store.schema import Hex, Textual, decisions, ref_moves, revisions, revocations, verdicts
from assay.store.schema_log import lifts
from assay.store.schema_uploads import uploads

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row

# The verdict that holds: the one given last.
NEWEST = (decisions.c.decided_at.desc(), decisions.c.seq.desc())

# What every request asks, made once: SQLAlchemy takes longer to make a statement than a database to answer it.
_NAME = bindparam("name", type_=Textual)
_BY_REVISION = select(revisions).where(
    revisions.c.name == _NAME, revisions.c.revision == bindparam("revision", type_=Textual)
)
_TARGET = (
    select(ref_moves)
    .where(ref_moves.c.name == _NAME, ref_moves.c.ref == bindparam("ref", type_=Textual))
    .order_by(ref_moves.c.seq.desc())
    .limit(1)
)
_SNAPSHOT = bindparam("snapshot", type_=Hex)
_REVOKED = (
    select(revocations)
    .where(
        revocations.c.snapshot_id == _SNAPSHOT,
        revocations.c.statement.not_in(select(lifts.c.revocation).where(lifts.c.snapshot_id == _SNAPSHOT)),
    )
    .order_by(revocations.c.seq)
    .limit(1)
)
_HOLDS = (
    select(decisions.c.verdict)
    .where(decisions.c.name == _NAME, decisions.c.snapshot_id == _SNAPSHOT)
    .order_by(*NEWEST)
    .limit(1)
)


def published(tx: Connection, name: str, snapshot_id: Digest) -> Row[Any] | None:
    """The revision that holds the snapshot under a name, or None."""
    where = (revisions.c.name == name, revisions.c.snapshot_id == snapshot_id.hex)
    return tx.execute(select(revisions).where(*where)).first()


def promised(tx: Connection, name: str, snapshot_id: Digest) -> str:
    """The commit id that whoever uploaded the snapshot under that name was told, or empty."""
    where = (uploads.c.name == name, uploads.c.snapshot_id == snapshot_id.hex)
    return tx.execute(select(uploads.c.commit_id).where(*where).order_by(uploads.c.seq).limit(1)).scalar() or ""


def by_revision(tx: Connection, name: str, revision: str) -> Row[Any] | None:
    """The revision of that id under a name, or None."""
    return tx.execute(_BY_REVISION, {"name": name, "revision": revision}).first()


def newest(tx: Connection, name: str) -> str:
    """The revision published last under a name, or empty."""
    query = select(revisions.c.revision).where(revisions.c.name == name).order_by(revisions.c.seq.desc()).limit(1)
    return tx.execute(query).scalar() or ""


def target(tx: Connection, name: str, ref: str) -> Row[Any] | None:
    """The last move of a ref, or None."""
    return tx.execute(_TARGET, {"name": name, "ref": ref}).first()


def admitted(tx: Connection, name: str, snapshot_id: Digest) -> str:
    """Digest of the ADMIT that holds for a published snapshot under a name; empty when none does."""
    if published(tx, name, snapshot_id) is None:
        return ""
    where = (decisions.c.name == name, decisions.c.snapshot_id == snapshot_id.hex)
    joined = decisions.join(verdicts, verdicts.c.digest == decisions.c.verdict)
    query = select(verdicts.c.digest, verdicts.c.decision).select_from(joined).where(*where)
    row = tx.execute(query.order_by(*NEWEST).limit(1)).first()
    return str(row.digest) if row is not None and row.decision == Decision.ADMIT.value else ""


def holding(tx: Connection, name: str, snapshot_id: Digest) -> str:
    """Digest (hex) of the verdict that holds for a snapshot under a name; empty when there is none."""
    return tx.execute(_HOLDS, {"name": name, "snapshot": snapshot_id.hex}).scalar() or ""


def record_move(tx: Connection, revision: Revision, ref: str, statement: Digest, now: datetime) -> None:
    """Point a ref to a revision and log it."""
    values = {"name": revision.name, "ref": ref, "revision": revision.revision, "statement": statement.hex}
    tx.execute(insert(ref_moves).values(**values, moved_at=format_time(now)))
    log.append(tx, "ref-moved", values, now)


def refuse_revoked(tx: Connection, name: str, snapshot_id: Digest) -> None:
    """Raise Refused when a revocation of the snapshot stands: one that no holder of the role lift took back."""
    row = tx.execute(_REVOKED, {"snapshot": snapshot_id.hex}).first()
    if row is not None:
        message = f"{name} was revoked at {row.revoked_at}: {row.reason}"
        raise Refused("revoked", message, name=name, snapshot_id=snapshot_id)


def is_revoked(tx: Connection, snapshot_id: Digest) -> bool:
    """Whether a revocation of the snapshot stands."""
    try:
        refuse_revoked(tx, "", snapshot_id)
    except Refused:
        return True
    return False


def refused(name: str, verdict: Verdict) -> Refused:
    """Why a verdict that is not a live ADMIT does not serve."""
    why = "; ".join(reason.text for reason in verdict.reasons)
    at = format_time(verdict.decided_at)
    if verdict.decision is Decision.REJECT:
        return Refused("rejected", f"{name} was rejected at {at}: {why}", name=name, snapshot_id=verdict.subject)
    if verdict.decision is Decision.HOLD:
        return Refused("held", f"{name} is on hold since {at}: {why}", name=name, snapshot_id=verdict.subject)
    message = f"the admission of {name} is valid from {at} to {format_time(verdict.expires_at)}: vet it again"
    return Refused("expired", message, name=name, snapshot_id=verdict.subject)


def revision_unknown(name: str, revision: str) -> Refused:
    """The name is served, that revision is not."""
    return Refused("revision-unknown", f"{name} has no revision {revision[:100]!r} here", name=name)


def unknown(name: str, near: str = "", *, but_for_case: bool = False) -> Refused:
    """Nothing is known about the name; `near` is the nearest one that is served."""
    hint = f"; did you mean {near}?" if near else ""
    said = f"{name[:200]!r} was never vetted here{hint}"
    return Refused("unknown", said, name=name, near=near, but_for_case=but_for_case)


def by_beginning(tx: Connection, name: str, beginning: str) -> Row[Any] | None:
    """The revision under a name whose id begins so, when there is just one; else None."""
    where = (revisions.c.name == name, revisions.c.revision.startswith(beginning, autoescape=True))
    found = tx.execute(select(revisions).where(*where).limit(2)).all()
    return found[0] if len(found) == 1 else None


def revision_of(row: Row[Any]) -> Revision:
    """A row of `revisions` as a value."""
    return Revision(row.name, row.revision, row.parent, Digest(row.snapshot_id), parse_time(row.published_at))


def ref_of(row: Row[Any]) -> Ref:
    """A row of `ref_moves` as a value."""
    return Ref(row.name, row.ref, row.revision, parse_time(row.moved_at), Digest(row.statement))
