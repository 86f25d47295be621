"""What waits to be vetted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = ("kind", "source", "name", "requested", "asked_by", "reason", "asked_at")
_MORE = ("state", "holder", "started_at", "ended_at", "outcome", "detail")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "work",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        *(sa.Column(name, _TEXT, nullable=False) for name in _TEXTS),
        sa.Column("priority", sa.Integer(), nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in _MORE),
    )
    op.create_index("work_by_state", "work", ["state", "priority", "seq"])
    op.create_index("work_by_name", "work", ["name"])
