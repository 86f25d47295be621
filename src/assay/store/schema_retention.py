"""Tables of what may be forgotten, and what must not be."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from assay.store.schema import Hex, Seq, Textual, metadata

# Blobs that nothing needed when it was looked last. `deleted_at` is empty as long as the bytes are there: a publication
# that needs them takes the row away, and the next collection finds out again.
collected = Table(
    "collected",
    metadata,
    Column("digest", Hex, primary_key=True),
    Column("marked_at", Textual, nullable=False),
    Column("deleted_at", Textual, nullable=False),
)

# Legal holds: what a hold covers is kept whatever else says. A released one stays as a row.
holds = Table(
    "holds",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("reason", Textual, nullable=False),
    Column("placed_by", Textual, nullable=False),
    Column("placed_at", Textual, nullable=False),
    Column("released_by", Textual, nullable=False),
    Column("released_at", Textual, nullable=False),
    Index("holds_by_snapshot", "snapshot_id"),
)
