"""What is served for a name and revision, by one statement for any number of them.

Only the plain case: a live ADMIT, nothing about the snapshot that a person said or took back. Whatever is not plain is
not found here, and `standing` looks at it closely. What is found is what `standing` would find: the listing is what the
snapshot's id says, the verdict what its digest says, and about that snapshot.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assay.core.snapshot import Origin, Snapshot
from assay.core.verdict import Decision, Verdict, format_time
from assay.registry.records import MAIN
from assay.store.index import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from assay.store.index import Index
    from assay.store.soon import Soon

_POSTGRESQL: Final = "postgresql"
_ONE: Final = "(SELECT ? AS name, ? AS ref) AS a"
_MANY: Final = "unnest(%s::text[], %s::text[]) AS a(name, ref)"
# Rows by keys alone, in the order in which they depend on each other: of any revision, or where any ref points.
_ANY: Final = """
SELECT a.name, a.ref, r.revision, coalesce(m.moved_at, r.published_at), r.snapshot_id, s.manifest, v.digest, v.body,
 (SELECT min(f.published_at) FROM revisions f WHERE f.name = a.name), coalesce(l.task, ''), coalesce(l.licence, ''),
 {origin}
FROM {asked}
LEFT JOIN listing l ON l.name = a.name
LEFT JOIN ref_moves m ON m.seq = (SELECT max(x.seq) FROM ref_moves x WHERE x.name = a.name AND x.ref = a.ref)
JOIN revisions r ON r.name = a.name AND r.revision = coalesce(m.revision, a.ref)
JOIN verdicts v ON v.digest = (SELECT d.verdict FROM decisions d WHERE d.name = a.name AND d.snapshot_id = r.snapshot_id
 ORDER BY d.decided_at DESC, d.seq DESC LIMIT 1)
JOIN snapshots s ON s.id = r.snapshot_id
WHERE {plain}
"""
# The same of `main` alone, in two thirds of the time: the listing repeats where it points.
_MAIN: Final = """
SELECT l.name, 'main', l.main_revision, l.moved_at, l.main_snapshot, s.manifest, v.digest, v.body, l.created_at,
 l.task, l.licence, {origin}
FROM listing l
JOIN verdicts v ON v.digest = (SELECT d.verdict FROM decisions d WHERE d.name = l.name
 AND d.snapshot_id = l.main_snapshot ORDER BY d.decided_at DESC, d.seq DESC LIMIT 1)
JOIN snapshots s ON s.id = l.main_snapshot
WHERE l.name = {asked} AND {plain}
"""
_PLAIN: Final = """
NOT EXISTS (SELECT 1 FROM revocations w WHERE w.snapshot_id = s.id)
AND NOT EXISTS (SELECT 1 FROM statements t WHERE t.snapshot_id = s.id AND t.kind = 'decided')
"""
# One message to PostgreSQL and one back: the head of the log comes along, in a row of its own when nothing is found.
_AND_HEAD: Final = """
SELECT q.*, h.head FROM (SELECT coalesce(max(seq), 0) AS head FROM log) h LEFT JOIN ({query}) q ON true
"""
_ORIGIN: Final = "(SELECT CASE count(*) WHEN 1 THEN min(o.origin) END FROM origins o WHERE o.snapshot_id = s.id)"


@cache
def _statement(dialect: str, main: bool, with_origin: bool, with_head: bool) -> str:
    """SQLite is asked for one name (and ref) at a time, PostgreSQL for lists of them."""
    lists = dialect == _POSTGRESQL
    asked = ("ANY(%s)" if lists else "?") if main else _MANY if lists else _ONE
    origin = _ORIGIN if with_origin else "NULL"
    query = (_MAIN if main else _ANY).format(asked=asked, origin=origin, plain=_PLAIN)
    return _AND_HEAD.format(query=query) if with_head else query


def _questions(
    dialect: str, asked: Sequence[tuple[str, str]], *, with_origin: bool = False, with_head: bool = False
) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
    """Statements, and the values to send each of them with; the log's head comes with the rows, or before them."""
    names = [name for name, ref in asked if ref == MAIN]
    others = [one for one in asked if one[1] != MAIN]
    lists = dialect == _POSTGRESQL
    along = with_head and lists
    if with_head and not (along and asked):
        yield HEAD, [()]
    if names:
        yield _statement(dialect, True, with_origin, along), [(names,)] if lists else [(name,) for name in names]
    if others:
        values = [tuple(map(list, zip(*others, strict=True)))] if lists else others
        yield _statement(dialect, False, with_origin, along), values


class Row(NamedTuple):
    """A row of the statement: text as the index holds it."""

    name: str
    ref: str
    revision: str
    moved_at: str
    snapshot_id: str
    manifest: str
    verdict: str
    judged: str
    created_at: str
    task: str
    licence: str
    origin: str | None


@dataclass(frozen=True)
class Served:
    """A revision that is served, and was checked to be.

    Attributes:
        row: as the index holds it.
        files: of the manifest.
        decided_at: beginning of its verdict; RFC 3339.
        expires_at: end of its verdict; RFC 3339.
    """

    row: Row
    files: list[dict[str, Any]]
    decided_at: str
    expires_at: str

    @cached_property
    def verdict(self) -> Verdict:
        """The ADMIT."""
        return Verdict.from_json(json.loads(self.row.judged))

    def snapshot(self) -> Snapshot | None:
        """The files, and where they are said to come from; None when that is several places, or was not asked for."""
        if self.row.origin is None:
            return None
        return Snapshot.from_manifest(json.loads(self.row.manifest), Origin.from_json(json.loads(self.row.origin)))


def served(
    index: Index, asked: Sequence[tuple[str, str]], now: datetime, *, with_origin: bool = False
) -> dict[tuple[str, str], Served]:
    """By (name, ref or revision): those of `asked` that are plainly served.

    Args:
        index: to ask.
        asked: (name, ref or revision), as they came.
        now: the time.
        with_origin: whether `Served.snapshot` is needed.

    Raises:
        EnvironmentFault: the database does not answer.
    """
    rows: list[tuple[Any, ...]] = []
    for statement, values in _questions(index.engine.dialect.name, asked, with_origin=with_origin):
        rows += index.plain(statement, values)
    return _found(rows, now)


async def served_soon(soon: Soon, asked: Sequence[tuple[str, str]], now: datetime) -> dict[tuple[str, str], Served]:
    """The same from an event loop, without origins."""
    return _found(await soon.all([*_questions(soon.dialect, asked)]), now) if asked else {}


async def head_and_served(
    soon: Soon, asked: Sequence[tuple[str, str]], now: datetime
) -> tuple[int, dict[tuple[str, str], Served]]:
    """The number of the log's last entry, and what was served at least as late as it was read."""
    rows = await soon.all([*_questions(soon.dialect, asked, with_head=True)])
    if soon.dialect == _POSTGRESQL and asked:
        head: int = rows[0][-1]
        return head, _found([row[:-1] for row in rows if row[0] is not None], now)
    return rows[0][0] or 0, _found(rows[1:], now)


def _found(rows: list[tuple[Any, ...]], now: datetime) -> dict[tuple[str, str], Served]:
    at = format_time(now)
    found = (_checked(Row._make(row), at) for row in rows)
    return {(one.row.name, one.row.ref): one for one in found if one is not None}


def _checked(row: Row, at: str) -> Served | None:
    """The row, when its texts are what their digests say, and its verdict serves it at that time."""
    if _sha256(row.manifest) != row.snapshot_id or _sha256(row.judged) != row.verdict:
        return None
    said = json.loads(row.judged)
    if said["subject"] != f"sha256:{row.snapshot_id}" or said["decision"] != Decision.ADMIT.value:
        return None
    if not said["decided_at"] <= at < said["expires_at"]:
        return None
    return Served(row, json.loads(row.manifest)["files"], said["decided_at"], said["expires_at"])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
