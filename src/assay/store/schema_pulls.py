"""The table of who pulled what: one row for each consumer, client, revision and hour."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, UniqueConstraint

from assay.store.schema import Hex, Seq, Textual, metadata

pulls = Table(
    "pulls",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Textual, nullable=False),
    Column("revision", Textual, nullable=False),
    Column("snapshot_id", Hex, nullable=False),
    Column("consumer", Textual, nullable=False),
    Column("claims", Textual, nullable=False),
    Column("client", Textual, nullable=False),
    Column("address", Textual, nullable=False),
    Column("hour", Textual, nullable=False),
    Column("first_at", Textual, nullable=False),
    Column("last_at", Textual, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    UniqueConstraint("name", "revision", "consumer", "claims", "client", "address", "hour", name="pulls_once"),
    Index("pulls_by_name", "name", "last_at"),
    Index("pulls_by_consumer", "consumer", "last_at"),
    Index("pulls_by_snapshot", "snapshot_id"),
    Index("pulls_by_time", "last_at", "seq"),
)
