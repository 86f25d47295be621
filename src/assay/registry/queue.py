"""What waits to be vetted. Whoever serves only asks, by name; `assay worker` takes it from here.

The registry never opens what it queues: an item names a hub's model or a snapshot whose bytes are in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select, update

from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.core.verdict import format_time, parse_time
from assay.store.schema_queue import work

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row

    from assay.store.index import Index

HUB: Final = "hub"  # `source` is a model's name on the configured hub, `requested` a revision of it
SNAPSHOT: Final = "snapshot"  # `source` is the id of a snapshot that lies in the store
UPLOAD: Final = "upload"  # `source` is the number of an upload that is still to be put together (registry/uploads.py)
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
OPEN: Final = (WAITING, RUNNING)
ATTEMPTS: Final = 5  # with pauses of 1, 4, 16 and 64 minutes
FIRST_PAUSE: Final = timedelta(minutes=1)
PAUSE_GROWTH: Final = 4
_TIMES: Final = ("started_at", "ended_at", "not_before")
_MOST_TEXT: Final = 2000  # characters kept of a reason or a detail


@dataclass(frozen=True, slots=True)
class Work:
    """One item.

    Attributes:
        seq: its number.
        kind: `hub`, `snapshot` or `upload`.
        source: name on the hub, `sha256:…` of the snapshot, or number of the upload.
        name: `org/name` under which it is judged.
        requested: revision asked for at the hub; empty for a snapshot.
        asked_by: who asked, or which part of assay.
        reason: why.
        asked_at: when.
        priority: a higher one goes first.
        state: `waiting`, `running`, `done` or `failed`.
        holder: lease of the process that is at it, or was last.
        started_at: when it was last begun.
        ended_at: when it ended.
        outcome: `ADMIT`, `HOLD`, `REJECT`; empty when it has not ended with a verdict.
        detail: the first reason, or what went wrong (last time, when it waits to be tried again).
        attempts: how often it failed for a passing fault.
        not_before: when it may be tried again.
    """

    seq: int
    kind: str
    source: str
    name: str
    requested: str
    asked_by: str
    reason: str
    asked_at: datetime
    priority: int
    state: str
    holder: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    detail: str
    attempts: int = 0
    not_before: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        times = {"asked_at": format_time(self.asked_at)}
        times |= {key: format_time(at) if (at := getattr(self, key)) else "" for key in _TIMES}
        plain = ("kind", "source", "name", "requested", "asked_by", "reason", "priority", "state", "outcome", "detail",
                 "attempts")  # fmt: skip
        return {"id": self.seq, **{key: getattr(self, key) for key in plain}, **times}


class WorkQueue:
    """The queue over one index; thread-safe, shared by any number of processes."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def ask(
        self,
        kind: str,
        source: str,
        name: str,
        *,
        requested: str = "",
        asked_by: str,
        reason: str = "",
        priority: int = 0,
        now: datetime | None = None,
        tx: Connection | None = None,
    ) -> Work:
        """Queue it; the item that is open already when the same is asked for twice (its priority may rise).

        Raises:
            UsageError: an unknown kind, or a name that is none.
        """
        if kind not in {HUB, SNAPSHOT, UPLOAD}:
            raise UsageError(f"not a kind of work: {kind!r}")
        check_name(name)
        same = (work.c.kind == kind, work.c.source == source, work.c.name == name, work.c.requested == requested)
        with self._index.transaction(tx) as connection:
            row = connection.execute(select(work).where(*same, work.c.state.in_(OPEN))).first()
            if row is None:
                row = self._add(
                    connection,
                    {"kind": kind, "source": source, "name": name, "requested": requested, "priority": priority},
                    asked_by,
                    reason,
                    now or datetime.now(UTC),
                )
            elif row.priority < priority:
                connection.execute(update(work).where(work.c.seq == row.seq).values(priority=priority))
                row = self._row(connection, row.seq)
            return _work(row)

    def _add(self, tx: Connection, values: dict[str, Any], asked_by: str, reason: str, now: datetime) -> Row[Any]:
        blank = dict.fromkeys(("holder", "started_at", "ended_at", "outcome", "detail"), "")
        texts = {"asked_by": asked_by[:_MOST_TEXT], "reason": reason[:_MOST_TEXT], "asked_at": format_time(now)}
        result = tx.execute(insert(work).values(**values, **texts, **blank, state=WAITING))
        return self._row(tx, result.inserted_primary_key[0])  # type: ignore[index]  # one row was inserted

    @staticmethod
    def _row(tx: Connection, seq: int) -> Row[Any]:
        return tx.execute(select(work).where(work.c.seq == seq)).one()

    def claim(self, holder: str, dead: Callable[[str], bool], now: datetime | None = None) -> Work | None:
        """Take the next item: highest priority, then first come. What a dead process was at is waiting again.

        Args:
            holder: lease of this process.
            dead: whether the process with a lease is dead.
            now: of the claim.
        """
        self._give_back(holder, dead)
        now = now or datetime.now(UTC)
        ready = (work.c.state == WAITING, work.c.not_before <= format_time(now))
        query = select(work).where(*ready).order_by(work.c.priority.desc(), work.c.seq).limit(1)
        with self._index.reading() as tx:
            if tx.execute(query).first() is None:
                return None
        with self._index.transaction() as tx:
            row = tx.execute(query).first()
            if row is None:
                return None
            values = {"state": RUNNING, "holder": holder, "started_at": format_time(now)}
            tx.execute(update(work).where(work.c.seq == row.seq).values(**values))
            return _work(self._row(tx, row.seq))

    def _give_back(self, holder: str, dead: Callable[[str], bool]) -> None:
        running = select(work.c.seq, work.c.holder).where(work.c.state == RUNNING, work.c.holder != holder)
        with self._index.reading() as tx:
            rows = tx.execute(running).all()
        for owner in {row.holder for row in rows}:
            if not dead(owner):
                continue
            mine = (work.c.state == RUNNING, work.c.holder == owner)
            with self._index.transaction() as tx:
                tx.execute(update(work).where(*mine).values(state=WAITING, holder=""))

    def again(self, item: Work, detail: str, now: datetime | None = None) -> bool:
        """Let it wait and be tried again after a passing fault; false: it was tried often enough, or is not ours."""
        if item.attempts + 1 >= ATTEMPTS:
            return False
        now = now or datetime.now(UTC)
        mine = (work.c.seq == item.seq, work.c.state == RUNNING, work.c.holder == item.holder)
        later = format_time(now + FIRST_PAUSE * PAUSE_GROWTH**item.attempts)
        values = {"state": WAITING, "attempts": item.attempts + 1, "not_before": later, "detail": detail[:_MOST_TEXT]}
        with self._index.transaction() as tx:
            return bool(tx.execute(update(work).where(*mine).values(**values)).rowcount)

    def end(self, item: Work, state: str, outcome: str, detail: str, now: datetime | None = None) -> None:
        """Record how it ended; nothing happens when another process has taken it over meanwhile."""
        mine = (work.c.seq == item.seq, work.c.state == RUNNING, work.c.holder == item.holder)
        values = {"state": state, "outcome": outcome, "detail": detail[:_MOST_TEXT]}
        with self._index.transaction() as tx:
            tx.execute(update(work).where(*mine).values(**values, ended_at=format_time(now or datetime.now(UTC))))

    # Questions

    def get(self, seq: int) -> Work | None:
        """One item, or None."""
        with self._index.reading() as tx:
            row = tx.execute(select(work).where(work.c.seq == seq)).first()
        return _work(row) if row else None

    def about(self, name: str, limit: int = 20, tx: Connection | None = None) -> tuple[Work, ...]:
        """Items about a name, newest first."""
        return self._list(select(work).where(work.c.name == name).order_by(work.c.seq.desc()).limit(limit), tx)

    def waiting(self, limit: int = 100) -> tuple[Work, ...]:
        """What is open: running first, then in the order in which it will be taken."""
        order = (work.c.state, work.c.priority.desc(), work.c.seq)
        return self._list(select(work).where(work.c.state.in_(OPEN)).order_by(*order).limit(limit))

    def ended(self, limit: int = 20) -> tuple[Work, ...]:
        """What ended last, newest first."""
        newest = (work.c.ended_at.desc(), work.c.seq.desc())
        return self._list(select(work).where(work.c.ended_at > "").order_by(*newest).limit(limit))

    def open_by(self, asked_by: str, tx: Connection | None = None) -> int:
        """How many items of one person are open."""
        query = select(func.count()).where(work.c.asked_by == asked_by, work.c.state.in_(OPEN))
        with self._index.reading(tx) as connection:
            return int(connection.execute(query).scalar_one())

    def depth(self, hidden: Callable[[str], bool] | None = None) -> tuple[int, datetime | None]:
        """How many items wait, and since when the oldest of them does.

        Args:
            hidden: whether a name is left out, for somebody who does not see all; None: nothing is.
        """
        query = select(func.count(), func.min(work.c.asked_at)).where(work.c.state == WAITING)
        with self._index.reading() as tx:
            if hidden is None:
                count, oldest = tx.execute(query).one()
                return count, parse_time(oldest) if oldest else None
            rows = tx.execute(query.add_columns(work.c.name).group_by(work.c.name)).all()
        mine = [(count, oldest) for count, oldest, name in rows if not hidden(name)]
        return sum(count for count, _ in mine), parse_time(min(oldest for _, oldest in mine)) if mine else None

    def _list(self, query: Any, tx: Connection | None = None) -> tuple[Work, ...]:
        with self._index.reading(tx) as connection:
            return tuple(_work(row) for row in connection.execute(query))


def _work(row: Row[Any]) -> Work:
    values = dict(row._mapping)  # noqa: SLF001 - the documented way
    values["asked_at"] = parse_time(values["asked_at"])
    for key in _TIMES:
        values[key] = parse_time(values[key]) if values[key] else None
    return Work(**values)
