"""The append-only log: every decision, each entry chained to the one before it by its hash.

An entry's hash is the SHA-256 of the canonical JSON of {seq, previous, at, kind, body}. Appending happens in the same
transaction as what it records, and transactions that write exclude each other (`Index.transaction`): the chain never
forks.

The same canonical JSON is a leaf of a Merkle tree (RFC 6962), so that a checkpoint speaks for all entries, and proofs
are short. Nodes over `TILE` complete leaves are kept in a table, as a shortcut only: `verify` computes them again.

The chain alone shows edited, removed and reordered entries. Entries cut off at the end, or a log rewritten from the
start, show only against a head or a checkpoint that was noted elsewhere: pass it to `verify`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import insert, select

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import IntegrityError, UsageError
from assay.core.merkle import Frontier, leaf_hash, node_hash, root_of, split
from assay.core.verdict import format_time
from assay.store import schema
from assay.store.schema_log import log_tiles, statement_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Row

GENESIS = "0" * 64  # what the first entry names as the one before it
TILE = 1024  # leaves under a node that is kept
_PAGE = 2000  # rows read at a time


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
        kind: `verdict`, `statement`, `admitted`, `refused`, `published`, `ref-moved`, `revoked`, `token-created`,
            `token-revoked`, `team-changed`, `requested`, `break-glass`, `turned`.
        body: what was recorded, JSON-compatible.
    """

    seq: int
    previous: str
    hash: str
    at: str
    kind: str
    body: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As it is exported."""
        return {key: getattr(self, key) for key in ("seq", "previous", "hash", "at", "kind", "body")}


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What `verify` found.

    Attributes:
        ok: whether the log is whole.
        entries: entries checked.
        head: end of the log as it was found.
        problem: first thing wrong, None when whole.
        root: root of the Merkle tree over the entries checked.
        roots: roots of the tree at the sizes that were asked for, as far as it reaches.
    """

    ok: bool
    entries: int
    head: LogHead
    problem: str | None
    root: bytes = b""
    roots: dict[int, bytes] = field(default_factory=dict)


def append(tx: Connection, kind: str, body: dict[str, Any], at: datetime) -> LogEntry:
    """Append one entry in the transaction `tx` (one of `Index.transaction()`: those exclude each other)."""
    last = head(tx)
    seq, moment = last.seq + 1, format_time(at)
    text = canonical_json(body).decode()
    value = Digest.of(_leaf(seq, last.hash, moment, kind, text)).hex
    tx.execute(
        insert(schema.log).values(seq=seq, previous=last.hash, hash=value, at=moment, kind=kind, body=text),
    )
    return LogEntry(seq, last.hash, value, moment, kind, body)


def append_statement(tx: Connection, body: dict[str, Any], at: datetime) -> None:
    """Append the entry of a statement (`snapshot` and `statement`, in hex, are in the body), and note where it is."""
    entry = append(tx, "statement", body, at)
    names = {"snapshot_id": body["snapshot"], "statement": body["statement"]}
    tx.execute(insert(statement_entries).values(entry=entry.seq, **names))


def head(tx: Connection) -> LogHead:
    """The end of the log."""
    row = tx.execute(select(schema.log.c.seq, schema.log.c.hash).order_by(schema.log.c.seq.desc()).limit(1)).first()
    return LogHead(row.seq, row.hash) if row else LogHead(0, GENESIS)


def statements_of(tx: Connection, snapshot: str) -> dict[str, int]:
    """Number of the entry of each statement about a snapshot, by the statement's digest (both in hex)."""
    known = statement_entries.c
    query = select(known.statement, known.entry).where(known.snapshot_id == snapshot).order_by(known.entry)
    return {row.statement: row.entry for row in tx.execute(query)}


def entries(tx: Connection, after: int = 0) -> Iterator[LogEntry]:
    """All entries with a number above `after`, in order."""
    for row in _rows(tx, after):
        yield LogEntry(row.seq, row.previous, row.hash, row.at, row.kind, json.loads(row.body))


def latest(tx: Connection, kinds: tuple[str, ...], *, after: int, limit: int) -> list[LogEntry]:
    """At most `limit` entries of these kinds with a number above `after`, newest first."""
    query = select(schema.log).where(schema.log.c.kind.in_(kinds), schema.log.c.seq > after)
    rows = tx.execute(query.order_by(schema.log.c.seq.desc()).limit(limit)).all()
    return [LogEntry(row.seq, row.previous, row.hash, row.at, row.kind, json.loads(row.body)) for row in rows]


def page(tx: Connection, after: int, limit: int) -> list[LogEntry]:
    """At most `limit` entries with a number above `after`."""
    query = select(schema.log).where(schema.log.c.seq > after).order_by(schema.log.c.seq).limit(limit)
    rows = tx.execute(query).all()
    return [LogEntry(row.seq, row.previous, row.hash, row.at, row.kind, json.loads(row.body)) for row in rows]


def before(tx: Connection, seq: int, kinds: tuple[str, ...], limit: int) -> list[LogEntry]:
    """At most `limit` entries with a number below `seq`, of these kinds (none: of any), newest first."""
    newest = select(schema.log).where(schema.log.c.seq < seq).order_by(schema.log.c.seq.desc()).limit(limit)
    # Each kind by itself: of several at once SQLite would sort all that there ever were.
    asked = [newest.where(schema.log.c.kind == kind) for kind in kinds] or [newest]
    rows = [row for query in asked for row in tx.execute(query)]
    rows.sort(key=lambda row: row.seq, reverse=True)
    return [LogEntry(row.seq, row.previous, row.hash, row.at, row.kind, json.loads(row.body)) for row in rows[:limit]]


def verify(tx: Connection, known: LogHead | None = None, sizes: Iterable[int] = ()) -> LogCheck:
    """Check numbers, links and hashes of the whole log, and that it still holds the entry `known` that was noted.

    Args:
        tx: a view of the database.
        known: an entry that must be in it.
        sizes: numbers of entries at which the root of the tree is wanted.
    """
    last = LogHead(0, GENESIS)
    met_known = known is None or known == last
    tree, wanted, roots = Frontier(), frozenset(sizes), {}
    tiles = {row.tile: row.hash for row in tx.execute(select(log_tiles))}
    tile = Frontier()
    problem: str | None = None
    for row in _rows(tx, -(1 << 62)):
        data = _leaf(row.seq, row.previous, row.at, row.kind, row.body)
        problem = _problem(row, last, data)
        if problem is not None:
            break
        last = LogHead(row.seq, row.hash)
        met_known = met_known or last == known
        leaf = leaf_hash(data)
        tree.add(leaf)
        tile.add(leaf)
        if tile.size == TILE:
            kept = tiles.pop(row.seq // TILE - 1, None)
            if kept is not None and kept != tile.root().hex():
                problem = f"the node over the {TILE} entries up to {row.seq} was changed"
                break
            tile = Frontier()
        if row.seq in wanted:
            roots[row.seq] = tree.root()
    if problem is None and tiles:
        problem = f"there are nodes over entries that the log does not hold: {TILE * (max(tiles) + 1)}"
    if problem is None and not met_known and known is not None:
        cut = f"entry {known.seq} is not the one that was noted" if known.seq <= last.seq else "the end was cut off"
        problem = f"{cut}: the log does not hold {known}"
    return LogCheck(problem is None, last.seq, last, problem, tree.root(), roots)


def verify_from(tx: Connection, start: int, stop: int | None = None) -> LogCheck:
    """Check numbers, links, hashes and kept nodes of the entries after `start`, a multiple of `TILE`.

    The entry before them is taken at its word: whoever asks binds it by a root.

    Args:
        tx: a view of the database.
        start: number of the last entry that is not read.
        stop: last entry that is read; None: the end.
    """
    first = next(iter(_rows(tx, start)), None) if start else None
    last = LogHead(start, first.previous if first is not None else GENESIS)
    query = select(log_tiles).where(log_tiles.c.tile >= start // TILE)
    tiles = {row.tile: row.hash for row in tx.execute(query)}
    tile, problem = Frontier(), None
    for row in _rows(tx, start):
        if stop is not None and row.seq > stop:
            break
        data = _leaf(row.seq, row.previous, row.at, row.kind, row.body)
        problem = _problem(row, last, data)
        if problem is not None:
            break
        last = LogHead(row.seq, row.hash)
        tile.add(leaf_hash(data))
        if tile.size == TILE:
            if tiles.pop(row.seq // TILE - 1, tile.root().hex()) != tile.root().hex():
                problem = f"the node over the {TILE} entries up to {row.seq} was changed, or one of them"
                break
            tile = Frontier()
    if problem is None and stop is None and tiles:
        problem = f"there are nodes over entries that the log does not hold: {TILE * (max(tiles) + 1)}"
    return LogCheck(problem is None, last.seq, last, problem)


class Tree:
    """The Merkle tree over the first `size` entries, read as far as a proof needs it."""

    def __init__(self, tx: Connection, size: int) -> None:
        self._tx = tx
        self.size = size
        self._last: tuple[int, list[bytes]] = -1, []

    @cached_property
    def _tiles(self) -> dict[int, bytes]:
        query = select(log_tiles).where(log_tiles.c.tile < self.size // TILE)
        return {row.tile: bytes.fromhex(row.hash) for row in self._tx.execute(query)}

    def leaf(self, index: int) -> bytes:
        """Hash of the leaf of entry `index` + 1."""
        return self._leaves(index, index + 1)[0]

    def ranges(self, low: int, high: int) -> bytes:
        """Hash over the leaves [low, high), as proofs need it."""
        if high - low == TILE and low % TILE == 0 and low // TILE in self._tiles:
            return self._tiles[low // TILE]
        if low // TILE == (high - 1) // TILE:
            return root_of(self._within(low, high))
        middle = low + split(high - low)
        return node_hash(self.ranges(low, middle), self.ranges(middle, high))

    def _within(self, low: int, high: int) -> list[bytes]:
        """Leaves of one tile, or of a part of it. The tile read last is kept: proofs ask for its parts one by one."""
        start = low // TILE * TILE
        if high - low == TILE:
            return self._leaves(low, high)
        if self._last[0] != start:
            self._last = start, self._leaves(start, min(start + TILE, self.size))
        return self._last[1][low - start : high - start]

    def root(self) -> bytes:
        """The root."""
        return self.ranges(0, self.size)

    def keep(self) -> None:
        """Keep the nodes that are not kept yet. Needs a writing transaction."""
        for tile in range(self.size // TILE):
            if tile not in self._tiles:
                value = self.ranges(tile * TILE, (tile + 1) * TILE)
                self._tx.execute(insert(log_tiles).values(tile=tile, hash=value.hex()))
                self._tiles[tile] = value

    def _leaves(self, low: int, high: int) -> list[bytes]:
        query = select(schema.log).where(schema.log.c.seq > low, schema.log.c.seq <= high).order_by(schema.log.c.seq)
        rows = self._tx.execute(query).all()
        if [row.seq for row in rows] != list(range(low + 1, high + 1)):
            raise IntegrityError(
                f"the log does not hold the entries {low + 1} to {high}", hint="run `assay log verify`"
            )
        return [leaf_hash(_leaf(row.seq, row.previous, row.at, row.kind, row.body)) for row in rows]


def _rows(tx: Connection, after: int) -> Iterator[Row[Any]]:
    while True:
        query = select(schema.log).where(schema.log.c.seq > after).order_by(schema.log.c.seq).limit(_PAGE)
        rows = tx.execute(query).all()
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq


def _problem(row: Row[Any], last: LogHead, data: bytes) -> str | None:
    if row.seq != last.seq + 1:
        return f"entry {last.seq + 1} is missing (the next one is {row.seq})"
    if row.previous != last.hash:
        return f"entry {row.seq} does not follow entry {last.seq}: their hashes do not meet"
    try:
        whole = hashlib.sha256(data).hexdigest() == row.hash and isinstance(json.loads(row.body), dict)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        return f"entry {row.seq} was changed: its hash does not fit its content"
    return None


def leaf_data(entry: LogEntry) -> bytes:
    """The bytes that an entry's hash and its leaf are over: canonical JSON of {at, body, kind, previous, seq}."""
    return _leaf(entry.seq, entry.previous, entry.at, entry.kind, canonical_json(entry.body).decode())


def _leaf(seq: int, previous: str, at: str, kind: str, body: str) -> bytes:
    """RFC 8785 by hand: the body is stored in that form already. A hundred times faster over a million entries."""
    return (f'{{"at":{_text(at)},"body":{body},"kind":{_text(kind)},"previous":{_text(previous)},"seq":{seq}}}').encode(
        "utf-8", "surrogatepass"
    )


def _text(value: str) -> str:
    return f'"{value}"' if value.isalnum() and value.isascii() else json.dumps(value, ensure_ascii=False)
