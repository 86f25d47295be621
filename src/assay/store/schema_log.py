"""Tables beside the log: nodes of its tree, where statements stand, signed checkpoints, lifts of revocations."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from assay.store.schema import Hex, Seq, Textual, metadata

# Node over the entries tile * 1024 + 1 to (tile + 1) * 1024. A shortcut for proofs: it can be computed again.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("tile", Seq, primary_key=True, autoincrement=False),
    Column("hash", Hex, nullable=False),
)

# Which entry records a statement. It repeats what the log says; a proof is made from the entry itself.
statement_entries = Table(
    "statement_entries",
    metadata,
    Column("entry", Seq, primary_key=True, autoincrement=False),
    Column("snapshot_id", Hex, nullable=False),
    Column("statement", Hex, nullable=False),
    Index("statement_entries_by_snapshot", "snapshot_id"),
)

# Signed notes, oldest first. A copy at a witness or a verifier is what shows a fork; these show an edit.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("size", Seq, nullable=False),
    Column("note", Textual, nullable=False),
    Column("made_at", Textual, nullable=False),
)

# `revocation` is the envelope that is lifted, `statement` the one that lifts it.
lifts = Table(
    "lifts",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("revocation", Hex, nullable=False),
    Column("reason", Textual, nullable=False),
    Column("statement", Hex, nullable=False),
    Column("lifted_at", Textual, nullable=False),
)
