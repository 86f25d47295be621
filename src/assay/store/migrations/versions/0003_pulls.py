"""Who pulled what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = ("name", "revision", "consumer", "claims", "client", "address", "hour")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "pulls",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("revision", _TEXT, nullable=False),
        sa.Column("snapshot_id", _HEX, nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in (*_KEY[2:], "first_at", "last_at")),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint(*_KEY, name="pulls_once"),
    )
    op.create_index("pulls_by_name", "pulls", ["name", "last_at"])
    op.create_index("pulls_by_consumer", "pulls", ["consumer", "last_at"])
    op.create_index("pulls_by_snapshot", "pulls", ["snapshot_id"])
