"""Tables of the index (SQLAlchemy Core): portable between SQLite and PostgreSQL.

Digests are 64 hex digits, times RFC 3339 text in UTC to the second, documents canonical JSON text: what was signed can
be read back byte for byte. Text sorts by code point on both databases.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

HEAD = "0019"  # the newest migration; a test compares it with store/migrations/versions

metadata = MetaData()

# Column types, shared by the other modules of tables.
Textual = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Hex = String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
# SQLite numbers rows by itself only for INTEGER; PostgreSQL needs 64 bits said.
Seq = BigInteger().with_variant(Integer(), "sqlite")

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("manifest", Textual, nullable=False),
)

# One snapshot may be claimed to come from several places: an origin is a claim, kept beside it, in order of arrival.
origins = Table(
    "origins",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("origin", Textual, nullable=False),
    UniqueConstraint("snapshot_id", "origin", name="origins_once"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("digest", Hex, nullable=False, unique=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("inspector", Textual, nullable=False),
    Column("body", Textual, nullable=False),
    Index("evidence_by_snapshot", "snapshot_id"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("digest", Hex, nullable=False, unique=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("decision", Textual, nullable=False),
    Column("body", Textual, nullable=False),
    Index("verdicts_by_snapshot", "snapshot_id"),
)

statements = Table(
    "statements",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("kind", Textual, nullable=False),
    Column("role", Textual, nullable=False),
    Column("digest", Hex, nullable=False),
    Column("envelope", Textual, nullable=False),
    Column("bundle", Textual),
    Column("stored_at", Textual, nullable=False),
    UniqueConstraint("snapshot_id", "kind", "digest", name="statements_once"),
    Index("statements_by_digest", "digest"),
    Index("statements_by_kind", "kind", "seq"),
)

# What the registry serves. `parent` is the revision published before it under the same name, or empty.
revisions = Table(
    "revisions",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Textual, nullable=False),
    Column("revision", Textual, nullable=False),
    Column("parent", Textual, nullable=False),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("published_at", Textual, nullable=False),
    UniqueConstraint("name", "revision", name="revisions_once"),
    UniqueConstraint("name", "snapshot_id", name="revisions_snapshot_once"),
    Index("revisions_by_snapshot", "snapshot_id"),
)

# Every verdict that was given for a name, in order; the last one for (name, snapshot) holds.
decisions = Table(
    "decisions",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Textual, nullable=False),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("verdict", Hex, ForeignKey("verdicts.digest"), nullable=False),
    Column("decided_at", Textual, nullable=False),
    Index("decisions_by_name", "name", "snapshot_id"),
    Index("decisions_by_snapshot", "snapshot_id"),
)

# Where each ref pointed, in order; the last row of (name, ref) holds. `statement` is the envelope that moved it.
ref_moves = Table(
    "ref_moves",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Textual, nullable=False),
    Column("ref", Textual, nullable=False),
    Column("revision", Textual, nullable=False),
    Column("statement", Hex, nullable=False),
    Column("moved_at", Textual, nullable=False),
    Index("ref_moves_by_name", "name", "ref"),
)

# Sticky: a row stays. A lift is a row of `lifts` (schema_log), by a signed statement of another role.
revocations = Table(
    "revocations",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("reason", Textual, nullable=False),
    Column("statement", Hex, nullable=False),
    Column("revoked_at", Textual, nullable=False),
    Index("revocations_by_snapshot", "snapshot_id"),
)

# Hash-chained (store/log.py). Triggers refuse UPDATE and DELETE on both databases.
log = Table(
    "log",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=False),
    Column("previous", Hex, nullable=False),
    Column("hash", Hex, nullable=False, unique=True),
    Column("at", Textual, nullable=False),
    Column("kind", Textual, nullable=False),
    Column("body", Textual, nullable=False),
    Index("log_by_kind", "kind", "seq"),
)
