"""Tables of what was uploaded and not yet judged: commits, the bytes that were sent, and the key of upload links."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, UniqueConstraint

from assay.store.schema import Hex, Seq, Textual, metadata

# One commit. `listing` is canonical JSON [[path, size, sha256], …]; `snapshot_id` is empty until every byte is there.
uploads = Table(
    "uploads",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Textual, nullable=False),
    Column("commit_id", Textual, nullable=False),
    Column("parent", Textual, nullable=False),
    Column("listing", Textual, nullable=False),
    Column("snapshot_id", Textual, nullable=False),
    Column("actor", Textual, nullable=False),
    Column("message", Textual, nullable=False),
    Column("uploaded_at", Textual, nullable=False),
    Index("uploads_by_name", "name", "seq"),
)

# What somebody really sent: `kind` is file (`label` is its SHA-256), or xorb or shard (as a Xet client sent them,
# unread; `label` is their Xet hash). `blob` is the SHA-256 under which the bytes lie in the store.
sent = Table(
    "sent",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("kind", Textual, nullable=False),
    Column("label", Textual, nullable=False),
    Column("blob", Hex, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("name", Textual, nullable=False),
    Column("actor", Textual, nullable=False),
    Column("stored_at", Textual, nullable=False),
    UniqueConstraint("kind", "label", "name", "actor", name="sent_once"),
    Index("sent_by_actor", "name", "actor"),
)

upload_keys = Table(
    "upload_keys",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("key", Textual, nullable=False),
)
