"""What may be forgotten, and what must not be."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "collected",
        sa.Column("digest", _HEX, primary_key=True),
        sa.Column("marked_at", _TEXT, nullable=False),
        sa.Column("deleted_at", _TEXT, nullable=False),
    )
    op.create_table(
        "holds",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("snapshot_id", _HEX, sa.ForeignKey("snapshots.id"), nullable=False),
        *(
            sa.Column(name, _TEXT, nullable=False)
            for name in ("reason", "placed_by", "placed_at", "released_by", "released_at")
        ),
    )
    op.create_index("holds_by_snapshot", "holds", ["snapshot_id"])
