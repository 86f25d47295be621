"""Tables of the inventory: every bill of materials that was made or imported here, found by what stands in it.

A later bill of materials about the same thing is a further row; the newest of a name counts as current.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from assay.store.schema import Hex, Seq, Textual, metadata

# `kind`: record (made here), cyclonedx or spdx (imported). `digest`: of the record, or of the imported file.
# Keys to look up by are lower case. `body`: the record, or what was taken from the imported file, as canonical JSON.
boms = Table(
    "boms",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("digest", Hex, nullable=False, unique=True),
    Column("kind", Textual, nullable=False),
    Column("name", Textual, nullable=False),
    Column("name_key", Textual, nullable=False),
    Column("snapshot_id", Hex, nullable=False),
    Column("publisher", Textual, nullable=False),
    Column("licence", Textual, nullable=False),
    Column("body", Textual, nullable=False),
    Column("recorded_at", Textual, nullable=False),
    Index("boms_by_name", "name_key"),
    Index("boms_by_snapshot", "snapshot_id"),
)

# Every SHA-256 that stands in a bill of materials, with what it is of.
bom_hashes = Table(
    "bom_hashes",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("bom", Hex, nullable=False),
    Column("sha256", Hex, nullable=False),
    Column("what", Textual, nullable=False),
    Index("bom_hashes_by_hash", "sha256"),
    Index("bom_hashes_by_bom", "bom"),
)

# `relation`: base, dataset, tokenizer, component or card (a band of the sketch of the card's text).
bom_links = Table(
    "bom_links",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("bom", Hex, nullable=False),
    Column("relation", Textual, nullable=False),
    Column("target", Textual, nullable=False),
    Column("target_key", Textual, nullable=False),
    Index("bom_links_by_target", "relation", "target_key"),
    Index("bom_links_by_bom", "bom"),
)
