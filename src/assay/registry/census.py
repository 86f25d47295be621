"""How many of each there are: what the metrics show about the index as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from assay.store.schema import revisions, revocations, statements
from assay.store.schema_listing import listing
from assay.store.schema_log import lifts
from assay.store.schema_queue import work

if TYPE_CHECKING:
    from assay.store.index import Index


def census(index: Index) -> dict[str, int]:
    """Counts by name. Each is one query over an index of the database; they take seconds with a million revisions."""
    signed = exists().where(statements.c.snapshot_id == revisions.c.snapshot_id, statements.c.kind == "approved")
    judged = exists().where(listing.c.name == work.c.name)
    stands = revocations.c.statement.not_in(select(lifts.c.revocation))
    queries = {
        "models": select(func.count()).select_from(revisions).where(revisions.c.parent == ""),
        "revisions": select(func.count()).select_from(revisions),
        "unsigned_revisions": select(func.count()).select_from(revisions).where(~signed),
        "unvetted_models": select(func.count(work.c.name.distinct())).where(~judged),
        "revoked_snapshots": select(func.count(revocations.c.snapshot_id.distinct())).where(stands),
    }
    with index.reading() as tx:
        return {name: int(tx.execute(query).scalar_one()) for name, query in queries.items()}
