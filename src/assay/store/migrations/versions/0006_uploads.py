"""What was uploaded and not yet judged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "uploads",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        *_texts("name", "commit_id", "parent", "listing", "snapshot_id", "actor", "message", "uploaded_at"),
    )
    op.create_index("uploads_by_name", "uploads", ["name", "seq"])
    op.create_table(
        "sent",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        *_texts("kind", "label"),
        sa.Column("blob", _HEX, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        *_texts("name", "actor", "stored_at"),
        sa.UniqueConstraint("kind", "label", "name", "actor", name="sent_once"),
    )
    op.create_index("sent_by_actor", "sent", ["name", "actor"])
    op.create_table(
        "upload_keys",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        *_texts("key"),
    )
