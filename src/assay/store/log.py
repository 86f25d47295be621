"""The append-only log: every decision, each entry chained to the one before it by its hash.

An entry's hash is the SHA-256 of the canonical JSON of {seq, previous, at, kind, body}. Appending happens in the same
transaction as what it records, and transactions that write exclude each other (`Index.transaction`): the chain never
forks.

The chain alone shows edited, removed and reordered entries. Entries cut off at the end, or a log rewritten from the
start, show only against a head that was noted elsewhere: pass it to `verify`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import insert, select

from assay.core.canonical import canonical_json, json_digest
from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.verdict import format_time
from assay.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Row

GENESIS = "0" * 64  # what the first entry names as the one before it
_PAGE = 1000  # rows read at a time


@dataclass(frozen=True, slots=True)
class LogHead:
    """The end of a log, to be noted where whoever writes the database can't change it.

    Attributes:
        seq: number of entries.
        hash: hash of the last entry (`GENESIS` for an empty log).
    """

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `SEQ:HASH`.

        Raises:
            UsageError: for anything else.
        """
        seq, _, value = text.partition(":")
        if not seq.isdecimal():
            raise UsageError(f"not a log head: {text[:100]!r}", hint="give SEQ:HASH as `assay log verify` printed it")
        return cls(int(seq), Digest(value).hex)

    def __str__(self) -> str:
        """`SEQ:HASH`."""
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry.

    Attributes:
        seq: 1, 2, 3, … without gaps.
        previous: hash of the entry before.
        hash: of this entry.
        at: RFC 3339 time, UTC.
        kind: `verdict`, `statement`, `admitted`, `refused`, `published`, `ref-moved`, `revoked`.
        body: what was recorded, JSON-compatible.
    """

    seq: int
    previous: str
    hash: str
    at: str
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What `verify` found.

    Attributes:
        ok: whether the log is whole.
        entries: entries checked.
        head: end of the log as it was found.
        problem: first thing wrong, None when whole.
    """

    ok: bool
    entries: int
    head: LogHead
    problem: str | None


def append(tx: Connection, kind: str, body: dict[str, Any], at: datetime) -> LogEntry:
    """Append one entry in the transaction `tx` (one of `Index.transaction()`: those exclude each other)."""
    last = head(tx)
    seq, moment = last.seq + 1, format_time(at)
    text = canonical_json(body).decode()
    value = _hash(seq, last.hash, moment, kind, body)
    tx.execute(
        insert(schema.log).values(seq=seq, previous=last.hash, hash=value, at=moment, kind=kind, body=text),
    )
    return LogEntry(seq, last.hash, value, moment, kind, body)


def head(tx: Connection) -> LogHead:
    """The end of the log."""
    row = tx.execute(select(schema.log.c.seq, schema.log.c.hash).order_by(schema.log.c.seq.desc()).limit(1)).first()
    return LogHead(row.seq, row.hash) if row else LogHead(0, GENESIS)


def entries(tx: Connection, after: int = 0) -> Iterator[LogEntry]:
    """All entries with a number above `after`, in order."""
    for row in _rows(tx, after):
        yield LogEntry(row.seq, row.previous, row.hash, row.at, row.kind, json.loads(row.body))


def verify(tx: Connection, known: LogHead | None = None) -> LogCheck:
    """Check numbers, links and hashes of the whole log, and that it still holds the entry `known` that was noted."""
    last = LogHead(0, GENESIS)
    met_known = known is None or known == last
    for row in _rows(tx, -(1 << 62)):
        problem = _problem(row, last)
        if problem is not None:
            return LogCheck(False, last.seq, last, problem)
        last = LogHead(row.seq, row.hash)
        met_known = met_known or last == known
    if not met_known and known is not None:
        cut = f"entry {known.seq} is not the one that was noted" if known.seq <= last.seq else "the end was cut off"
        return LogCheck(False, last.seq, last, f"{cut}: the log does not hold {known}")
    return LogCheck(True, last.seq, last, None)


def _rows(tx: Connection, after: int) -> Iterator[Row[Any]]:
    while True:
        query = select(schema.log).where(schema.log.c.seq > after).order_by(schema.log.c.seq).limit(_PAGE)
        rows = tx.execute(query).all()
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq


def _problem(row: Row[Any], last: LogHead) -> str | None:
    if row.seq != last.seq + 1:
        return f"entry {last.seq + 1} is missing (the next one is {row.seq})"
    if row.previous != last.hash:
        return f"entry {row.seq} does not follow entry {last.seq}: their hashes do not meet"
    try:
        body = json.loads(row.body)
        whole = row.body == canonical_json(body).decode()
        whole = whole and row.hash == _hash(row.seq, row.previous, row.at, row.kind, body)
    except (ValueError, RecursionError, UsageError):
        whole = False
    return None if whole else f"entry {row.seq} was changed: its hash does not fit its content"


def _hash(seq: int, previous: str, at: str, kind: str, body: Any) -> str:
    return json_digest({"seq": seq, "previous": previous, "at": at, "kind": kind, "body": body}).hex
