"""The listing: one row for each name that was ever judged, so that a million of them are searched by an index.

It repeats what other tables say, and is changed in the same transaction as they are (`registry.listing`).

Names are found by any three characters in a row. SQLite: the FTS5 table `listing_text` (trigrams; its rowid is `seq`).
PostgreSQL: the column `grams` with a GIN index, which a server without extensions has.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text
from sqlalchemy.dialects import postgresql

from assay.store.schema import Hex, Seq, Textual, metadata

# `snapshot_id`, `decision`, `decided_at`, `verdict`: of the verdict given last. The others: of what `main` points to:
# empty revision when there is none; `state` is served, or why it is not (`records.RefusalKind`). A served one
# is so from `served_from` to `served_until`. `task` and `licence` come from the bill of materials, in lower case.
listing = Table(
    "listing",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Textual, nullable=False, unique=True),
    Column("name_key", Textual, nullable=False),
    Column("publisher", Textual, nullable=False),
    Column("snapshot_id", Hex, nullable=False),
    Column("decision", Textual, nullable=False),
    Column("decided_at", Textual, nullable=False),
    Column("verdict", Hex, nullable=False),
    Column("revoked", Textual, nullable=False),
    Column("main_revision", Textual, nullable=False),
    Column("main_snapshot", Textual, nullable=False),
    Column("state", Textual, nullable=False),
    Column("served_from", Textual, nullable=False),
    Column("served_until", Textual, nullable=False),
    Column("created_at", Textual, nullable=False),
    Column("moved_at", Textual, nullable=False),
    Column("task", Textual, nullable=False),
    Column("licence", Textual, nullable=False),
    Column("grams", postgresql.ARRAY(Text()).with_variant(Text(), "sqlite")),
    Index("listing_by_publisher", "publisher", "name"),
    Index("listing_by_decision", "decision", "name"),
    Index("listing_by_standing", "decision", "revoked"),
    Index("listing_by_task", "task", "name"),
    Index("listing_by_licence", "licence", "name"),
    Index("listing_by_move", "moved_at", "name"),
    Index("listing_by_creation", "created_at", "name"),
)

# Words that a name is found by (`registry.tags`), of the same snapshot as `task` and `licence`.
listing_tags = Table(
    "listing_tags",
    metadata,
    Column("tag", Textual, primary_key=True),
    Column("name", Textual, primary_key=True),
    Index("listing_tags_by_name", "name"),
)
