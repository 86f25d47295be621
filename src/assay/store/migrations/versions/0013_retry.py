"""What waits knows how often it was tried, and when it may be tried again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("work", sa.Column("attempts", sa.Integer, nullable=False, server_default="0"))
    op.add_column("work", sa.Column("not_before", _TEXT, nullable=False, server_default=""))
