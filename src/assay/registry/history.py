"""Where `main` and the aliases of a name pointed: who moved what, when, why, and what it was on a given day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from assay.core.errors import TrustError
from assay.core.statement import Envelope
from assay.core.verdict import format_time, parse_time
from assay.provenance.statements import SIGNERS, time_of
from assay.store.schema import ref_moves, statements

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from assay.core.statement import Statement
    from assay.provenance.trust import Trust
    from assay.store.index import Index


@dataclass(frozen=True, slots=True)
class Move:
    """One move of a ref.

    Attributes:
        name: `org/name`.
        ref: `main` or an alias.
        revision: where it points since.
        before: where it pointed until then; empty for its first move.
        moved_at: when.
        by: person whose key signed it, by the trust file; else the role of the key.
        reason: as signed.
        statement: digest (hex) of the signed statement.
    """

    name: str
    ref: str
    revision: str
    before: str
    moved_at: datetime
    by: str
    reason: str
    statement: str

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        plain = {key: getattr(self, key) for key in ("name", "ref", "revision", "before", "by", "reason", "statement")}
        return plain | {"moved_at": format_time(self.moved_at)}


def moves(index: Index, name: str, ref: str | None = None, trust: Trust | None = None) -> tuple[Move, ...]:
    """All moves of a name's refs (or of one), oldest first. The log holds the same, hash-chained.

    Args:
        index: to ask.
        name: `org/name`.
        ref: `main` or an alias; None for all.
        trust: names the people behind the keys.
    """
    query = (
        select(ref_moves, statements.c.role, statements.c.envelope)
        .join(statements, statements.c.digest == ref_moves.c.statement, isouter=True)
        .where(ref_moves.c.name == name)
        .order_by(ref_moves.c.seq)
    )
    if ref is not None:
        query = query.where(ref_moves.c.ref == ref)
    last: dict[str, str] = {}
    found: dict[int, Move] = {}
    with index.reading() as tx:
        for row in tx.execute(query):
            if row.seq in found:  # one envelope may be kept about several snapshots
                continue
            by, reason = _said(row, trust)
            moment = parse_time(row.moved_at)
            before = last.get(row.ref, "")
            found[row.seq] = Move(row.name, row.ref, row.revision, before, moment, by, reason, row.statement)
            last[row.ref] = row.revision
    return tuple(found.values())


def _said(row: Row[Any], trust: Trust | None) -> tuple[str, str]:
    """Who signed a move and why; the first `main` may rest on the approval alone, which says neither."""
    if row.envelope is None:
        return "", ""
    try:
        envelope = Envelope.from_json(json.loads(row.envelope))
        statement = envelope.statement()
    except (TrustError, ValueError):
        return "", "the stored statement can't be read"
    reason = str(statement.predicate.get("reason", "")) or "the first admitted revision of the name"
    return _person(envelope, statement, trust) or str(row.role), reason


def _person(envelope: Envelope, statement: Statement, trust: Trust | None) -> str:
    if trust is None:
        return ""
    try:
        return trust.signer(envelope, SIGNERS["ref"] | SIGNERS["approved"], time_of(statement)).person
    except TrustError:
        return ""
