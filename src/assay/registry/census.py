"""How many of each there are: what the metrics show about the index as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import case, exists, func, select

from assay.store.schema import revisions, revocations, statements
from assay.store.schema_listing import listing
from assay.store.schema_log import lifts
from assay.store.schema_queue import work

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from assay.store.index import Index

_APPROVED = select(func.max(statements.c.seq)).where(statements.c.kind == "approved")


@dataclass(frozen=True, slots=True)
class _Counted:
    """Revisions up to `seq`: how many, how many of them the first of their name, how many without an approval.

    `approved` is the newest approval there was; only a newer one can sign what had none.
    """

    seq: int = 0
    approved: int = 0
    revisions: int = 0
    models: int = 0
    unsigned: int = 0


class Census:
    """Counts of one index. Revisions, approvals and their order stay, so that only what came since is counted.

    For one thread at a time. The first reading takes seconds with a million revisions.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._counted = _Counted()

    def read(self) -> dict[str, int]:
        """Counts by name."""
        judged = exists().where(listing.c.name == work.c.name)
        stands = revocations.c.statement.not_in(select(lifts.c.revocation))
        queries = {
            "unvetted_models": select(func.count(work.c.name.distinct())).where(~judged),
            "revoked_snapshots": select(func.count(revocations.c.snapshot_id.distinct())).where(stands),
        }
        with self._index.reading() as tx:
            now = self._counted = _since(tx, self._counted)
            found = {name: int(tx.execute(query).scalar_one()) for name, query in queries.items()}
        return {"models": now.models, "revisions": now.revisions, "unsigned_revisions": now.unsigned, **found}


def _since(tx: Connection, before: _Counted) -> _Counted:
    approved = tx.execute(_APPROVED).scalar() or 0
    if before.unsigned and approved != before.approved:
        before = _Counted()  # one of them may be signed by now
    signed = exists().where(statements.c.snapshot_id == revisions.c.snapshot_id, statements.c.kind == "approved")
    firsts = func.sum(case((revisions.c.parent == "", 1), else_=0))
    unsigned = func.sum(case((signed, 0), else_=1))
    query = select(func.max(revisions.c.seq), func.count(), firsts, unsigned).where(revisions.c.seq > before.seq)
    seq, count, models, bare = (value or 0 for value in tx.execute(query).one())
    return _Counted(
        max(seq, before.seq),
        approved,
        before.revisions + int(count),
        before.models + int(models),
        before.unsigned + int(bare),
    )
