"""Indexes for what pages ask: the log and statements by kind, a statement by its digest, pulls and work by time."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_index("log_by_kind", "log", ["kind", "seq"])
    op.create_index("statements_by_digest", "statements", ["digest"])
    op.create_index("statements_by_kind", "statements", ["kind", "seq"])
    op.create_index("pulls_by_time", "pulls", ["last_at", "seq"])
    op.create_index("work_by_end", "work", ["ended_at", "seq"])
