"""Models that can be references of a probe, and answers of probes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "probe_kinds",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("snapshot_id", _HEX, sa.ForeignKey("snapshots.id"), nullable=False, unique=True),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("architecture", _TEXT, nullable=False),
        sa.Column("labels", _TEXT, nullable=False),
    )
    op.create_index("probe_kinds_by_kind", "probe_kinds", ["kind", "seq"])
    op.create_table(
        "probe_jobs",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("run", _HEX, nullable=False),
        sa.Column("probe", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("holder", _TEXT, nullable=False),
        sa.Column("task", _TEXT, nullable=False),
        sa.Column("answer", _TEXT, nullable=False),
        sa.Column("changed_at", _TEXT, nullable=False),
    )
    op.create_index("probe_jobs_once", "probe_jobs", ["run", "probe"], unique=True)
    op.create_index("probe_jobs_by_state", "probe_jobs", ["state", "seq"])
