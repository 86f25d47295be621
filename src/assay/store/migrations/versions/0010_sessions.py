"""Browser sessions know their last use, scopes and token; a token knows what a pipeline's identity token said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SESSION = ("person", "roles", "teams", "scopes", "token", "csrf", "created_at", "used_at", "expires_at")


def upgrade() -> None:
    """Make the table of sessions again (nothing ever wrote to it), and one of claims."""
    op.drop_table("sessions")
    op.create_table(
        "sessions",
        sa.Column("id", _HEX, primary_key=True),
        *(sa.Column(name, _TEXT, nullable=False) for name in _SESSION),
    )
    op.create_index("sessions_by_person", "sessions", ["person"])
    op.create_table(
        "token_claims",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("token", _TEXT, sa.ForeignKey("tokens.id"), nullable=False, unique=True),
        sa.Column("claims", _TEXT, nullable=False),
    )
