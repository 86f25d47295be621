"""What was served once and must not be used any more: revisions with a revocation that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from assay.core.digest import Digest
from assay.store.schema import revisions, revocations
from assay.store.schema_log import lifts

if TYPE_CHECKING:
    from assay.store.index import Index, StoredStatement


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A revision that was revoked.

    Attributes:
        name: `org/name`.
        revision: 40 hex digits.
        snapshot_id: what it holds.
        reason: of the revocation.
        revoked_at: RFC 3339.
        statement: the signed revocation; None when the index has lost it.
    """

    name: str
    revision: str
    snapshot_id: Digest
    reason: str
    revoked_at: str
    statement: StoredStatement | None

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "name": self.name,
            "revision": self.revision,
            "snapshot": str(self.snapshot_id),
            "reason": self.reason,
            "revoked_at": self.revoked_at,
            "statement": self.statement.to_json() if self.statement else None,
        }


def withdrawn(index: Index) -> tuple[Withdrawn, ...]:
    """All of them, by name and age."""
    lifted = select(lifts.c.revocation)
    query = (
        select(revisions.c.name, revisions.c.revision, revocations)
        .join(revocations, revocations.c.snapshot_id == revisions.c.snapshot_id)
        .where(revocations.c.statement.not_in(lifted))
        .where(revisions.c.snapshot_id.in_(select(revocations.c.snapshot_id)))  # else SQLite reads all revisions
        .order_by(revisions.c.name, revisions.c.seq, revocations.c.seq)
    )
    found: dict[tuple[str, str], Withdrawn] = {}
    with index.reading() as tx:
        for row in tx.execute(query).all():
            snapshot_id = Digest(row.snapshot_id)
            statements = index.statements_for(snapshot_id, tx)
            signed = next((one for one in statements if one.envelope.digest.hex == row.statement), None)
            one = Withdrawn(row.name, row.revision, snapshot_id, row.reason, row.revoked_at, signed)
            found.setdefault((row.name, row.revision), one)
    return tuple(found.values())
