"""The table of what waits to be vetted: a request from a person, an upload, an admitted model whose verdict is old."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table

from assay.store.schema import Seq, Textual, metadata

# `attempts` failed for a passing fault; it is not tried again before `not_before` (empty: any time).
# `holder` is the lease of the process that is at it (admission/leases.py): a dead one's work is given out again.
work = Table(
    "work",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("kind", Textual, nullable=False),
    Column("source", Textual, nullable=False),
    Column("name", Textual, nullable=False),
    Column("requested", Textual, nullable=False),
    Column("asked_by", Textual, nullable=False),
    Column("reason", Textual, nullable=False),
    Column("asked_at", Textual, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", Textual, nullable=False),
    Column("holder", Textual, nullable=False),
    Column("started_at", Textual, nullable=False),
    Column("ended_at", Textual, nullable=False),
    Column("outcome", Textual, nullable=False),
    Column("detail", Textual, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", Textual, nullable=False, server_default=""),
    Index("work_by_state", "state", "priority", "seq"),
    Index("work_by_name", "name"),
    Index("work_by_end", "ended_at", "seq"),
)
