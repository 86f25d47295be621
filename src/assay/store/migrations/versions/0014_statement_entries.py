"""Which entry of the log records a statement, so that it is proven without reading the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table and fill it from the log."""
    op.create_table(
        "statement_entries",
        sa.Column("entry", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("snapshot_id", _HEX, nullable=False),
        sa.Column("statement", _HEX, nullable=False),
    )
    op.create_index("statement_entries_by_snapshot", "statement_entries", ["snapshot_id"])
    part = "body::json ->> '{}'" if op.get_bind().dialect.name == "postgresql" else "json_extract(body, '$.{}')"
    columns: list[sa.ColumnElement[str]] = [
        sa.column("seq"),
        *(sa.literal_column(part.format(name)) for name in ("snapshot", "statement")),
    ]
    held = sa.select(*columns).select_from(sa.table("log")).where(sa.column("kind") == "statement")
    target = sa.table("statement_entries", *map(sa.column, ("entry", "snapshot_id", "statement")))
    op.execute(sa.insert(target).from_select(["entry", "snapshot_id", "statement"], held))
