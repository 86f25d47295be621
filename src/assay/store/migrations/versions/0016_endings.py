"""When admissions end, and an index by which verdicts are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Make both, and write down when the verdicts end that hold."""
    op.create_table(
        "endings",
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("snapshot_id", _HEX, primary_key=True),
        sa.Column("verdict", _HEX, nullable=False),
        sa.Column("expires_at", _TEXT, nullable=False),
    )
    postgres = op.get_bind().dialect.name == "postgresql"
    expires = "v.body::json->>'expires_at'" if postgres else "json_extract(v.body, '$.expires_at')"
    op.execute(
        f"""
        INSERT INTO endings (name, snapshot_id, verdict, expires_at)
        SELECT d.name, d.snapshot_id, v.digest, {expires}
        FROM decisions d JOIN verdicts v ON v.digest = d.verdict
        WHERE v.decision = 'ADMIT' AND d.seq = (
          SELECT x.seq FROM decisions x WHERE x.name = d.name AND x.snapshot_id = d.snapshot_id
          ORDER BY x.decided_at DESC, x.seq DESC LIMIT 1)
        """  # noqa: S608 - one of two texts of ours
    )
    op.create_index("endings_by_time", "endings", ["expires_at", "name"])
    op.create_index("listing_by_standing", "listing", ["decision", "revoked"])
