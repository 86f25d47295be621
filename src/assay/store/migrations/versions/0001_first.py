"""The first tables, and the triggers that keep the log append-only.

Written out rather than taken from `schema.metadata`: a migration stays as it was released.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _seq(*, autoincrement: bool = True) -> sa.Column[int]:
    return sa.Column("seq", _SEQ, primary_key=True, autoincrement=autoincrement)


def _snapshot_id() -> sa.Column[str]:
    return sa.Column("snapshot_id", _HEX, sa.ForeignKey("snapshots.id"), nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, _TEXT, nullable=False)


def _hex(name: str, *, unique: bool | None = None) -> sa.Column[str]:
    return sa.Column(name, _HEX, nullable=False, unique=unique)


def upgrade() -> None:
    """Make everything."""
    _knowledge()
    _registry()
    _log()


def _knowledge() -> None:
    op.create_table("snapshots", sa.Column("id", _HEX, primary_key=True), _text("manifest"))
    op.create_table(
        "origins",
        _seq(),
        _snapshot_id(),
        _text("origin"),
        sa.UniqueConstraint("snapshot_id", "origin", name="origins_once"),
    )
    op.create_table("evidence", _seq(), _hex("digest", unique=True), _snapshot_id(), _text("inspector"), _text("body"))
    op.create_index("evidence_by_snapshot", "evidence", ["snapshot_id"])
    op.create_table("verdicts", _seq(), _hex("digest", unique=True), _snapshot_id(), _text("decision"), _text("body"))
    op.create_index("verdicts_by_snapshot", "verdicts", ["snapshot_id"])
    op.create_table(
        "statements",
        _seq(),
        _snapshot_id(),
        _text("kind"),
        _text("role"),
        _hex("digest"),
        _text("envelope"),
        sa.Column("bundle", _TEXT),
        _text("stored_at"),
        sa.UniqueConstraint("snapshot_id", "kind", "digest", name="statements_once"),
    )


def _registry() -> None:
    op.create_table(
        "revisions",
        _seq(),
        _text("name"),
        _text("revision"),
        _text("parent"),
        _snapshot_id(),
        _text("published_at"),
        sa.UniqueConstraint("name", "revision", name="revisions_once"),
        sa.UniqueConstraint("name", "snapshot_id", name="revisions_snapshot_once"),
    )
    op.create_table(
        "decisions",
        _seq(),
        _text("name"),
        _snapshot_id(),
        sa.Column("verdict", _HEX, sa.ForeignKey("verdicts.digest"), nullable=False),
        _text("decided_at"),
    )
    op.create_index("decisions_by_name", "decisions", ["name", "snapshot_id"])
    op.create_table(
        "ref_moves", _seq(), _text("name"), _text("ref"), _text("revision"), _hex("statement"), _text("moved_at")
    )
    op.create_index("ref_moves_by_name", "ref_moves", ["name", "ref"])
    op.create_table("revocations", _seq(), _snapshot_id(), _text("reason"), _hex("statement"), _text("revoked_at"))
    op.create_index("revocations_by_snapshot", "revocations", ["snapshot_id"])


def _log() -> None:
    op.create_table(
        "log",
        _seq(autoincrement=False),
        _hex("previous"),
        _hex("hash", unique=True),
        _text("at"),
        _text("kind"),
        _text("body"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER log_no_{event.lower()} BEFORE {event} ON log "
                "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION assay_log_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log "
        "FOR EACH STATEMENT EXECUTE FUNCTION assay_log_append_only()"
    )
