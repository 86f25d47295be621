"""The inventory of bills of materials."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "boms",
        _seq(),
        sa.Column("digest", _HEX, nullable=False, unique=True),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("kind", "name", "name_key")),
        sa.Column("snapshot_id", _HEX, nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("publisher", "licence", "body", "recorded_at")),
    )
    op.create_index("boms_by_name", "boms", ["name_key"])
    op.create_index("boms_by_snapshot", "boms", ["snapshot_id"])
    op.create_table(
        "bom_hashes",
        _seq(),
        sa.Column("bom", _HEX, nullable=False),
        sa.Column("sha256", _HEX, nullable=False),
        sa.Column("what", _TEXT, nullable=False),
    )
    op.create_index("bom_hashes_by_hash", "bom_hashes", ["sha256"])
    op.create_index("bom_hashes_by_bom", "bom_hashes", ["bom"])
    op.create_table(
        "bom_links",
        _seq(),
        sa.Column("bom", _HEX, nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("relation", "target", "target_key")),
    )
    op.create_index("bom_links_by_target", "bom_links", ["relation", "target_key"])
    op.create_index("bom_links_by_bom", "bom_links", ["bom"])


def _seq() -> sa.Column[int]:
    return sa.Column("seq", _SEQ, primary_key=True, autoincrement=True)
