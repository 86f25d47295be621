"""Tokens, teams, requesters, sessions and logins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _seq() -> sa.Column[int]:
    return sa.Column("seq", _SEQ, primary_key=True, autoincrement=True)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in names]


def upgrade() -> None:
    """Make everything."""
    _tokens()
    op.create_table("team_changes", _seq(), *_texts("team", "kind", "value", "change", "changed_by", "changed_at"))
    op.create_index("team_changes_by_team", "team_changes", ["team", "kind", "value"])
    op.create_table(
        "requesters",
        _seq(),
        *_texts("name"),
        sa.Column("snapshot_id", _HEX, sa.ForeignKey("snapshots.id"), nullable=False),
        *_texts("person", "requested_at"),
        sa.UniqueConstraint("name", "snapshot_id", "person", name="requesters_once"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", _HEX, primary_key=True),
        *_texts("person", "roles", "teams", "csrf", "created_at", "expires_at"),
    )
    op.create_table(
        "logins", sa.Column("id", _HEX, primary_key=True), *_texts("kind", "user_code", "body", "expires_at")
    )
    op.create_index("logins_by_user_code", "logins", ["user_code"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        _seq(),
        sa.Column("id", _TEXT, nullable=False, unique=True),
        *_texts("name", "person", "roles", "teams", "scopes", "kind", "hash"),
        sa.Column("fingerprint", _HEX, nullable=False),
        *_texts("created_by", "created_at", "expires_at"),
    )
    op.create_index("tokens_by_person", "tokens", ["person"])
    op.create_table(
        "token_revocations",
        _seq(),
        sa.Column("token", _TEXT, sa.ForeignKey("tokens.id"), nullable=False, unique=True),
        *_texts("revoked_by", "revoked_at"),
    )
    op.create_table(
        "token_uses",
        sa.Column("token", _TEXT, sa.ForeignKey("tokens.id"), primary_key=True),
        *_texts("used_at"),
    )
