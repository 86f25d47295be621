"""When the admission of what is published ends: one row for each name and snapshot whose verdict is an ADMIT.

It repeats what the verdict that holds says, and is changed in the same transaction (`registry.endings`), so that what
ends soon is found by an index, among a million.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from assay.store.schema import Hex, Textual, metadata

endings = Table(
    "endings",
    metadata,
    Column("name", Textual, primary_key=True),
    Column("snapshot_id", Hex, primary_key=True),
    Column("verdict", Hex, nullable=False),
    Column("expires_at", Textual, nullable=False),
    Index("endings_by_time", "expires_at", "name"),
)
