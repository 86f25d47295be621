"""The listing: names with what stands behind them, searched by an index; filled from what is there."""

from __future__ import annotations

import base64
import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_HEX = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_GRAMS = postgresql.ARRAY(sa.Text()).with_variant(sa.Text(), "sqlite")
_STATE = ("revoked", "main_revision", "main_snapshot", "state", "served_from", "served_until", "created_at", "moved_at")
_COLUMNS = ("snapshot_id", "decision", "decided_at", "verdict", *_STATE, "task", "licence")
_NEWEST = (
    "SELECT decisions.snapshot_id, decisions.decided_at, decisions.verdict, verdicts.decision, verdicts.body "
    "FROM decisions JOIN verdicts ON verdicts.digest = decisions.verdict "
    "WHERE name = :name AND (:snapshot = '' OR decisions.snapshot_id = :snapshot) "
    "ORDER BY decided_at DESC, decisions.seq DESC LIMIT 1"
)
_STANDS = (
    "SELECT 1 FROM revocations WHERE snapshot_id = :snapshot AND statement NOT IN "
    "(SELECT revocation FROM lifts WHERE snapshot_id = :snapshot)"
)


def upgrade() -> None:
    """Make the tables, then one row for each name that was judged."""
    hexes = {"snapshot_id", "verdict"}
    op.create_table(
        "listing",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("name", _TEXT, nullable=False, unique=True),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("name_key", "publisher")),
        *(sa.Column(name, _HEX if name in hexes else _TEXT, nullable=False) for name in _COLUMNS),
        sa.Column("grams", _GRAMS),
    )
    for column in ("publisher", "decision", "task", "licence"):
        op.create_index(f"listing_by_{column}", "listing", [column, "name"])
    op.create_index("revisions_by_snapshot", "revisions", ["snapshot_id"])
    op.create_index("decisions_by_snapshot", "decisions", ["snapshot_id"])
    connection = op.get_bind()
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        op.create_index("listing_by_grams", "listing", ["grams"], postgresql_using="gin")
    else:
        op.execute("CREATE VIRTUAL TABLE listing_text USING fts5 (name, content='', tokenize='trigram')")
    names = connection.execute(sa.text("SELECT DISTINCT name FROM decisions ORDER BY name")).scalars().all()
    for seq, name in enumerate(names, 1):
        key = name.lower()
        values = {
            "seq": seq,
            "name": name,
            "name_key": key,
            "publisher": name.rpartition("/")[0],
            **_row(connection, name),
        }
        values["grams"] = sorted({key[at : at + 3] for at in range(len(key) - 2)}) if postgres else None
        columns = ", ".join(values)
        given = ", ".join(f":{column}" for column in values)
        connection.execute(sa.text(f"INSERT INTO listing ({columns}) VALUES ({given})"), values)  # noqa: S608 - our own names
        if not postgres:
            fill = sa.text("INSERT INTO listing_text (rowid, name) VALUES (:seq, :name)")
            connection.execute(fill, {"seq": seq, "name": key})
    if postgres and names:
        op.execute("SELECT setval(pg_get_serial_sequence('listing', 'seq'), (SELECT max(seq) FROM listing))")


def _row(connection: sa.Connection, name: str) -> dict[str, Any]:
    newest = _first(connection, _NEWEST, name=name, snapshot="")
    judged = {key: value for key, value in newest._asdict().items() if key != "body"}
    found = {**judged, **dict.fromkeys((*_STATE, "task", "licence"), "")}
    found["revoked"] = "revoked" if _first(connection, _STANDS, snapshot=newest.snapshot_id) else ""
    found |= _main(connection, name, newest.decision)
    snapshot = found["main_snapshot"] or newest.snapshot_id
    query = (
        "SELECT licence, body FROM boms WHERE name_key = :key AND kind = 'record' AND snapshot_id = :snapshot "
        "ORDER BY seq DESC LIMIT 1"
    )
    if bom := _first(connection, query, key=name.lower(), snapshot=snapshot):
        task = json.loads(bom.body).get("fields", {}).get("task", {}).get("value")
        found |= {"licence": bom.licence.lower(), "task": task.lower() if isinstance(task, str) else ""}
    return found


def _main(connection: sa.Connection, name: str, decision: str) -> dict[str, str]:
    """What `main` points to, and whether it is served."""
    query = (
        "SELECT revisions.revision, revisions.snapshot_id, moved_at, "
        "(SELECT min(published_at) FROM revisions WHERE name = :name) AS created_at FROM ref_moves JOIN revisions "
        "ON revisions.name = ref_moves.name AND revisions.revision = ref_moves.revision "
        "WHERE ref_moves.name = :name AND ref = 'main' ORDER BY ref_moves.seq DESC LIMIT 1"
    )
    row = _first(connection, query, name=name)
    if row is None:
        published = _first(connection, "SELECT 1 FROM revisions WHERE name = :name LIMIT 1", name=name)
        never = {"HOLD": "held", "REJECT": "rejected"}.get(decision, "expired")
        return {"state": "revision-unknown" if published else never}
    found = {"main_revision": row.revision, "main_snapshot": row.snapshot_id}
    found |= {"created_at": row.created_at, "moved_at": row.moved_at}
    judged = _first(connection, _NEWEST, name=name, snapshot=row.snapshot_id)
    if _first(connection, _STANDS, snapshot=row.snapshot_id):
        return {**found, "state": "revoked"}
    if judged is None:
        return {**found, "state": "broken"}
    if judged.decision != "ADMIT":
        return {**found, "state": {"HOLD": "held", "REJECT": "rejected"}[judged.decision]}
    if _rejected(connection, name, row.snapshot_id):
        return {**found, "state": "rejected"}
    body = json.loads(judged.body)
    return {**found, "state": "served", "served_from": body["decided_at"], "served_until": body["expires_at"]}


def _rejected(connection: sa.Connection, name: str, snapshot: str) -> bool:
    """Whether the last word of a person is a rejection."""
    query = sa.text("SELECT envelope FROM statements WHERE snapshot_id = :snapshot AND kind = 'decided' ORDER BY seq")
    last: dict[str, str] = {}
    for envelope in connection.execute(query, {"snapshot": snapshot}).scalars():
        said = json.loads(base64.b64decode(json.loads(envelope)["payload"]))["predicate"]
        if said.get("name") == name:
            last[str(said.get("person"))] = said["decision"]
    return "reject" in last.values()


def _first(connection: sa.Connection, query: str, **values: str) -> Any:
    return connection.execute(sa.text(query), values).first()
