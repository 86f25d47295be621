"""The pull ledger: who, or which pipeline, pulled which revision, when. What an incident asks first.

A pull is noted before its first byte leaves (or its link is issued): one row for each consumer, client, revision and
hour, written at once when it is new. Further files of the same row are counted in memory and added a few seconds later,
so a crash can lose a count, and never a consumer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, func, insert, select, update

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault
from assay.core.escape import printable
from assay.core.verdict import format_time, parse_time
from assay.store import log
from assay.store.schema_pulls import pulls
from assay.store.schema_retention import holds

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from assay.store.index import Index

FLUSH_SECONDS: Final = 2.0  # how old an unwritten count gets
_MOST_TEXT: Final = 300  # characters kept of what a client says about itself
_MOST_CLAIMS: Final = 2000  # characters; `server.oidc` keeps fewer, so that it stays JSON
_MOST_KEYS: Final = 50_000  # rows of this hour that are remembered; more are looked up again
_HOUR: Final = "%Y-%m-%dT%H"
ANONYMOUS: Final = "anonymous"


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who pulls.

    Attributes:
        name: of the person or the token; `anonymous` where reading needs none.
        claims: which token (`token`: its id), and what a pipeline's identity token said, as canonical JSON; empty
            without one.
        client: the User-Agent, a claim.
        address: of the peer.
    """

    name: str = ANONYMOUS
    claims: str = ""
    client: str = ""
    address: str = ""

    def cut(self) -> Consumer:
        """As it is stored: printable and bounded."""
        name, client, address = (printable(text, limit=_MOST_TEXT) for text in (self.name, self.client, self.address))
        return Consumer(name, printable(self.claims, limit=_MOST_CLAIMS), client, address)


@dataclass(frozen=True, slots=True)
class Pull:
    """One row of the ledger.

    Attributes:
        name: `org/name`.
        revision: what was pulled.
        snapshot_id: what that revision holds.
        consumer: who.
        first_at: first file in this hour.
        last_at: last one.
        files: how many file requests were answered.
        bytes: of those files (a part counts as its file).
    """

    name: str
    revision: str
    snapshot_id: Digest
    consumer: Consumer
    first_at: datetime
    last_at: datetime
    files: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "name": self.name,
            "revision": self.revision,
            "snapshot": str(self.snapshot_id),
            "consumer": self.consumer.name,
            "claims": self.consumer.claims,
            "client": self.consumer.client,
            "address": self.consumer.address,
            "first_at": format_time(self.first_at),
            "last_at": format_time(self.last_at),
            "files": self.files,
            "bytes": self.bytes,
        }


@dataclass(slots=True)
class _Count:
    files: int = 0
    size: int = 0
    last_at: str = ""


_Key = tuple[str, str, str, str, str, str, str]  # name, revision, consumer, claims, client, address, hour


class PullLedger:
    """The ledger over one index; thread-safe. `close` writes what is counted."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._counts: dict[_Key, _Count] = {}
        self._flushed = datetime.now(UTC)

    def record(
        self, name: str, revision: str, snapshot_id: Digest, *, consumer: Consumer, size: int, now: datetime
    ) -> None:
        """Note one answered file request.

        Raises:
            EnvironmentFault: a consumer that was not noted yet could not be: nothing is served unrecorded.
        """
        who, hour = consumer.cut(), now.astimezone(UTC).strftime(_HOUR)
        key = (name, revision, who.name, who.claims, who.client, who.address, hour)
        with self._lock:
            count = self._counts.get(key)
            if count is None:
                self._first(key, snapshot_id, now)
                self._make_room(hour)
                count = self._counts[key] = _Count()
            count.files += 1
            count.size += size
            count.last_at = format_time(now)
            if now - self._flushed >= timedelta(seconds=FLUSH_SECONDS):
                self._flush(now)

    def _first(self, key: _Key, snapshot_id: Digest, now: datetime) -> None:
        with self._index.transaction() as tx:
            if tx.execute(select(pulls.c.seq).where(_is(key))).first() is None:
                moment = format_time(now)
                values = dict(zip(_COLUMNS, key, strict=True)) | {"snapshot_id": snapshot_id.hex}
                tx.execute(insert(pulls).values(**values, first_at=moment, last_at=moment, files=0, bytes=0))

    def _make_room(self, hour: str) -> None:
        if len(self._counts) < _MOST_KEYS:
            return
        self._flush(datetime.now(UTC))
        self._counts = {key: count for key, count in self._counts.items() if key[-1] == hour}
        if len(self._counts) >= _MOST_KEYS:
            self._counts = {}

    def _flush(self, now: datetime) -> None:
        waiting = [(key, count) for key, count in self._counts.items() if count.files]
        if waiting:
            try:
                with self._index.transaction() as tx:
                    for key, count in waiting:
                        _add(tx, key, count)
            except EnvironmentFault:
                return  # the consumers are noted; the counts wait for the next time
            for key, _ in waiting:
                self._counts[key] = _Count()
        self._flushed = now

    def close(self) -> None:
        """Write what is counted."""
        with self._lock:
            self._flush(datetime.now(UTC))

    # Questions

    def find(
        self,
        *,
        name: str | None = None,
        consumer: str | None = None,
        snapshot_id: Digest | None = None,
        since: datetime | None = None,
        limit: int = 1000,
    ) -> tuple[Pull, ...]:
        """Rows that fit all that is given, newest first.

        Args:
            name: of the model.
            consumer: name of the person or token.
            snapshot_id: the bytes, under whatever name.
            since: only what was pulled at or after.
            limit: most rows.
        """
        query = select(pulls)
        for column, value in (
            (pulls.c.name, name),
            (pulls.c.consumer, consumer),
            (pulls.c.snapshot_id, snapshot_id.hex if snapshot_id else None),
        ):
            query = query if value is None else query.where(column == value)
        if since is not None:
            query = query.where(pulls.c.last_at >= format_time(since))
        self.close()
        with self._index.reading() as tx:
            rows = tx.execute(query.order_by(pulls.c.last_at.desc(), pulls.c.seq.desc()).limit(limit)).all()
        return tuple(_pull(row) for row in rows)

    def prune(self, before: datetime, now: datetime, *, dry_run: bool = False) -> int:
        """Forget what was last pulled before a moment, not of models under a legal hold; how many rows.

        Args:
            before: older rows go.
            now: the time.
            dry_run: only count them.
        """
        held = select(holds.c.snapshot_id).where(holds.c.released_at == "")
        old = and_(pulls.c.last_at < format_time(before), pulls.c.snapshot_id.not_in(held))
        if dry_run:
            with self._index.reading() as tx:
                return int(tx.execute(select(func.count()).select_from(pulls).where(old)).scalar_one())
        with self._index.transaction() as tx:
            count = int(tx.execute(delete(pulls).where(old)).rowcount)
            if count:
                log.append(tx, "pulls-forgotten", {"before": format_time(before), "rows": count}, now)
        return count


_COLUMNS: Final = ("name", "revision", "consumer", "claims", "client", "address", "hour")


def _is(key: _Key) -> Any:
    return and_(*(pulls.c[column] == value for column, value in zip(_COLUMNS, key, strict=True)))


def _add(tx: Connection, key: _Key, count: _Count) -> None:
    values = {"files": pulls.c.files + count.files, "bytes": pulls.c.bytes + count.size, "last_at": count.last_at}
    tx.execute(update(pulls).where(_is(key)).values(**values))


def _pull(row: Row[Any]) -> Pull:
    who = Consumer(row.consumer, row.claims, row.client, row.address)
    times = parse_time(row.first_at), parse_time(row.last_at)
    return Pull(row.name, row.revision, Digest(row.snapshot_id), who, *times, row.files, row.bytes)
