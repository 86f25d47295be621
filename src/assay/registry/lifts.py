"""Lifting a revocation in the registry: checked against the trust file, then stored and logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from assay.core.errors import UsageError
from assay.core.verdict import format_time
from assay.provenance.lifts import check_lift
from assay.provenance.statements import inputs_of
from assay.registry import checks, listing
from assay.store import log
from assay.store.schema import revocations
from assay.store.schema_log import lifts

if TYPE_CHECKING:
    from datetime import datetime

    from assay.core.digest import Digest
    from assay.provenance.trust import Trust
    from assay.store.index import Index, StoredStatement


def standing(index: Index, snapshot_id: Digest) -> tuple[StoredStatement, ...]:
    """The revocations of a snapshot that nobody lifted, oldest first."""
    with index.reading() as tx:
        lifted = select(lifts.c.revocation).where(lifts.c.snapshot_id == snapshot_id.hex)
        where = (revocations.c.snapshot_id == snapshot_id.hex, revocations.c.statement.not_in(lifted))
        digests = set(tx.execute(select(revocations.c.statement).where(*where)).scalars())
        return tuple(one for one in index.statements_for(snapshot_id, tx) if one.envelope.digest.hex in digests)


def lift(
    index: Index, snapshot_id: Digest, statement: StoredStatement, *, reason: str, trust: Trust, now: datetime
) -> None:
    """Take one revocation back, by a signed `lifted` statement; idempotent. The verdict must still be a live ADMIT.

    Raises:
        TrustError: when the statement does not lift it (`provenance.lifts.check_lift`).
        UsageError: when there is no such revocation.
    """
    named = inputs_of(checks.about(statement, "lifted", snapshot_id))[-1]
    digest = statement.envelope.digest.hex
    with index.transaction() as tx:
        if tx.execute(select(lifts.c.seq).where(lifts.c.statement == digest)).first() is not None:
            return
        known = (one for one in index.statements_for(snapshot_id, tx) if one.kind == "revoked")
        revocation = next((one for one in known if one.envelope.digest == named), None)
        if revocation is None:
            raise UsageError(f"no revocation {named} of {snapshot_id}", hint="see `assay attest list`")
        check_lift(revocation.envelope, statement.envelope, trust)
        index.put_statement(snapshot_id, "lifted", statement.role, statement.envelope, statement.bundle, at=now, tx=tx)
        values = {"reason": reason, "revocation": named.hex, "statement": digest}
        tx.execute(insert(lifts).values(snapshot_id=snapshot_id.hex, **values, lifted_at=format_time(now)))
        log.append(tx, "lifted", {"snapshot": snapshot_id.hex, **values}, now)
        listing.refresh_snapshot(tx, index, snapshot_id)
