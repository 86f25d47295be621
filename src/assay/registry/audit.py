"""Compare the index with its log: every row that decides what is served has its entry, in the same order, and no other.

The chain shows whether the log was changed; this shows whether the tables were changed behind it: a revocation removed,
a ref moved by hand, a verdict put in without a decision.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from assay.core.digest import Digest
from assay.registry import endings, listing
from assay.store import schema, schema_log, schema_people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Table

    from assay.store.index import Index


@dataclass(frozen=True, slots=True)
class _Pair:
    """A table and the log entries that mirror it.

    Attributes:
        table: the table.
        kinds: kinds of its entries.
        fields: key in the entry's body → column.
        time: column that holds the entry's time; None when the row has another time of its own.
    """

    table: Table
    kinds: tuple[str, ...]
    fields: dict[str, str]
    time: str | None


_PAIRS = (
    _Pair(
        schema.verdicts,
        ("verdict",),
        {"snapshot": "snapshot_id", "verdict": "digest", "decision": "decision"},
        None,
    ),
    _Pair(
        schema.statements,
        ("statement",),
        {"snapshot": "snapshot_id", "kind": "kind", "role": "role", "statement": "digest"},
        "stored_at",
    ),
    _Pair(
        schema.decisions,
        ("admitted", "refused"),
        {"name": "name", "snapshot": "snapshot_id", "verdict": "verdict", "decided_at": "decided_at"},
        None,
    ),
    _Pair(
        schema.revisions,
        ("published",),
        {"name": "name", "revision": "revision", "parent": "parent", "snapshot": "snapshot_id"},
        "published_at",
    ),
    _Pair(
        schema.ref_moves,
        ("ref-moved",),
        {"name": "name", "ref": "ref", "revision": "revision", "statement": "statement"},
        "moved_at",
    ),
    _Pair(
        schema.revocations,
        ("revoked",),
        {"snapshot": "snapshot_id", "reason": "reason", "statement": "statement"},
        "revoked_at",
    ),
    _Pair(
        schema_log.lifts,
        ("lifted",),
        {"snapshot": "snapshot_id", "reason": "reason", "revocation": "revocation", "statement": "statement"},
        "lifted_at",
    ),
    _Pair(
        schema_people.tokens,
        ("token-created",),
        {
            **{key: key for key in ("id", "name", "person", "roles", "teams", "scopes", "kind", "fingerprint")},
            "created_by": "created_by",
            "expires_at": "expires_at",
        },
        "created_at",
    ),
    _Pair(
        schema_people.token_revocations,
        ("token-revoked",),
        {"token": "token", "revoked_by": "revoked_by"},
        "revoked_at",
    ),
    _Pair(
        schema_people.team_changes,
        ("team-changed",),
        {key: key for key in ("team", "kind", "value", "change", "changed_by")},
        "changed_at",
    ),
    _Pair(
        schema_people.requesters,
        ("requested",),
        {"name": "name", "snapshot": "snapshot_id", "person": "person"},
        "requested_at",
    ),
)
_HASHED = (
    (schema.snapshots, "id", "manifest"),
    (schema.evidence, "digest", "body"),
    (schema.verdicts, "digest", "body"),
    (schema.statements, "digest", "envelope"),
    (schema_people.tokens, "fingerprint", "hash"),
)


def audit_since(tx: Connection, seq: int) -> tuple[str, ...]:
    """As `audit`, for what the entries after `seq` record: rows of each table behind as many as were recorded before.

    A row that was removed or put in before them shifts the others and shows; one changed in its place does not.
    """
    return tuple(problem for pair in _PAIRS if (problem := _compare(tx, pair, seq)) is not None)


def audit(index: Index) -> tuple[str, ...]:
    """What in the tables does not fit the log or its own digest, one sentence each; empty when all is well."""
    with index.reading() as tx:
        problems = [problem for pair in _PAIRS if (problem := _compare(tx, pair)) is not None]
        return (
            *problems,
            *_misplaced(tx),
            *_wrong_digests(tx),
            *listing.differences(tx, index),
            *endings.differences(tx),
        )


def _misplaced(tx: Connection) -> Iterator[str]:
    """The first statement of which the index says another entry of the log than the one that records it."""
    known = schema_log.statement_entries.c
    rows = tx.execute(select(known.entry, known.snapshot_id, known.statement).order_by(known.entry)).all()
    query = select(schema.log.c.seq, schema.log.c.body).where(schema.log.c.kind == "statement")
    entries = tx.execute(query.order_by(schema.log.c.seq)).all()
    for entry, row in zip_longest(entries, rows):
        said = json.loads(entry.body) if entry else {}
        if not (entry and row) or tuple(row) != (entry.seq, said.get("snapshot"), said.get("statement")):
            yield f"the index does not say what log entry {entry.seq if entry else row.entry} recorded: a statement"
            return


def _compare(tx: Connection, pair: _Pair, since: int = 0) -> str | None:
    """The first difference between a table and its log entries after `since`."""
    mine = schema.log.c.kind.in_(pair.kinds)
    query = select(schema.log.c.seq, schema.log.c.at, schema.log.c.body).where(mine, schema.log.c.seq > since)
    entries = tx.execute(query.order_by(schema.log.c.seq)).all()
    columns = [pair.table.c[column] for column in pair.fields.values()]
    times = [pair.table.c[pair.time]] if pair.time else []
    wanted = select(*columns, *times).order_by(pair.table.c.seq)
    if since:
        before = tx.execute(select(func.count()).where(mine, schema.log.c.seq <= since)).scalar_one()
        wanted = wanted.offset(before)
        if tx.dialect.name == "sqlite":  # knows no OFFSET without LIMIT
            wanted = wanted.limit(-1)
    rows = tx.execute(wanted).all()
    for entry, row in zip_longest(entries, rows):
        if entry is None:
            return f"table {pair.table.name} has a row that no log entry records: {_shown(row)}"
        if row is None:
            return f"log entry {entry.seq} records a row that table {pair.table.name} does not have"
        body = json.loads(entry.body)
        expected = tuple(body.get(key) for key in pair.fields) + ((entry.at,) if pair.time else ())
        if tuple(row) != expected:
            return f"table {pair.table.name} does not say what log entry {entry.seq} recorded: {_shown(row)}"
    return None


def _wrong_digests(tx: Connection) -> Iterator[str]:
    for table, key, text in _HASHED:
        for row in tx.execute(select(table.c[key], table.c[text])):
            if Digest.of(row[1].encode()).hex != row[0]:
                yield f"a row of table {table.name} is not what its digest says: {row[0]}"


def _shown(row: Any) -> str:
    return ", ".join(str(value)[:80] for value in row)
