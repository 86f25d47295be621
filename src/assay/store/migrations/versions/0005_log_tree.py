"""Nodes and checkpoints of the log's Merkle tree, and lifts of revocations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "log_tiles",
        sa.Column("tile", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("hash", _HEX, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("size", _SEQ, nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("note", "made_at")),
    )
    op.create_table(
        "lifts",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("snapshot_id", _HEX, sa.ForeignKey("snapshots.id"), nullable=False),
        sa.Column("revocation", _HEX, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("statement", _HEX, nullable=False),
        sa.Column("lifted_at", _TEXT, nullable=False),
    )
