"""Lineage and weights."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BIG = sa.BigInteger()


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lineage_nodes",
        sa.Column("id", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("key", _TEXT, nullable=False),
        sa.UniqueConstraint("kind", "key", name="lineage_nodes_once"),
    )
    op.create_table(
        "lineage_edges",
        sa.Column("child", _BIG, sa.ForeignKey("lineage_nodes.id"), primary_key=True),
        sa.Column("parent", _BIG, sa.ForeignKey("lineage_nodes.id"), primary_key=True),
        sa.Column("relation", _TEXT, primary_key=True),
        sa.Column("basis", _TEXT, nullable=False),
    )
    op.create_index("lineage_edges_by_parent", "lineage_edges", ["parent", "child"])
    op.create_table(
        "weights",
        sa.Column("model", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("snapshot_id", _HEX, nullable=False, unique=True),
        sa.Column("tensors", _BIG, nullable=False),
        sa.Column("sketched", _BIG, nullable=False),
    )
    op.create_table(
        "tensors",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("model", _BIG, sa.ForeignKey("weights.model"), nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("path", "name", "dtype", "shape")),
        sa.Column("elements", _BIG, nullable=False),
        sa.Column("digest", _HEX, nullable=False),
        sa.Column("sketch", _TEXT, nullable=False),
    )
    op.create_index("tensors_by_digest", "tensors", ["digest", "model"])
    op.create_index("tensors_by_model", "tensors", ["model"])
    op.create_table(
        "sketch_bands",
        sa.Column("key", _BIG, primary_key=True, autoincrement=False),
        sa.Column("model", _BIG, sa.ForeignKey("weights.model"), primary_key=True, autoincrement=False),
    )
