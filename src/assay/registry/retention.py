"""What is kept and what goes: garbage collection of blobs, and legal holds.

A blob is needed while a snapshot is that can be served (published and not revoked), that waits to be vetted, that is
under a legal hold, or that was judged or revoked within the time that is kept for looking back; and what a statement
names beside the model (the bill of materials of an evaluation's environment). Rows are never deleted:
manifests, evidence, verdicts and statements say for ever what was there.

Collection is in two passes, a day apart: what nobody needs is marked, and what is still marked then is deleted. A
publication takes the marks of its blobs away in the transaction in which it happens, and a deletion takes the mark in
one of its own: whichever comes second sees the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, func, insert, or_, select, update

from assay.core.digest import Digest
from assay.core.errors import IntegrityError, UsageError
from assay.core.statement import Envelope
from assay.core.verdict import format_time, parse_time
from assay.provenance.measured import environment_of
from assay.registry.queue import OPEN, SNAPSHOT
from assay.store import log
from assay.store.schema import decisions, revisions, revocations, snapshots, statements
from assay.store.schema_log import lifts
from assay.store.schema_queue import work
from assay.store.schema_retention import collected, holds
from assay.store.schema_uploads import sent, uploads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row

    from assay.core.snapshot import Snapshot
    from assay.store.blobs import Blobs
    from assay.store.index import Index

KEEP_DAYS: Final = 90  # how long what is not served is kept for looking back
GRACE: Final = timedelta(days=1)  # between the marking of a blob and its deletion; longer than an admission takes


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection did, or would do.

    Attributes:
        kept: blobs that are needed, and their bytes.
        marked: blobs that nothing needs since less than a day, and their bytes.
        deleted: blobs that went (or would go), and their bytes.
    """

    kept: tuple[int, int]
    marked: tuple[int, int]
    deleted: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            name: {"blobs": pair[0], "bytes": pair[1]}
            for name, pair in (("kept", self.kept), ("marked", self.marked), ("deleted", self.deleted))
        }


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold.

    Attributes:
        seq: its number.
        snapshot_id: what must not be deleted.
        reason: why.
        placed_by: who.
        placed_at: when.
        released_at: when it ended; None while it holds.
    """

    seq: int
    snapshot_id: Digest
    reason: str
    placed_by: str
    placed_at: datetime
    released_at: datetime | None


def forget_marks(tx: Connection, digests: list[str]) -> None:
    """These blobs (hex) are needed from now on."""
    tx.execute(delete(collected).where(collected.c.digest.in_(digests)))


def unmark(tx: Connection, snapshot: Snapshot, blobs: Blobs) -> None:
    """Part of a publication: its blobs are needed from now on.

    Raises:
        IntegrityError: one was collected meanwhile, and is not there again.
    """
    digests = [entry.digest.hex for entry in snapshot.files]
    for start in range(0, len(digests), 500):
        some = digests[start : start + 500]
        rows = tx.execute(select(collected).where(collected.c.digest.in_(some))).all()
        for row in rows:
            if row.deleted_at and not blobs.has(Digest(row.digest)):
                raise IntegrityError(f"blob {row.digest} was collected as garbage", hint="vet the model again")
        forget_marks(tx, [row.digest for row in rows])


class Retention:
    """Collection and holds over one index and its blobs."""

    def __init__(self, index: Index, blobs: Blobs, keep_days: int = KEEP_DAYS) -> None:
        """`keep_days`: for how long what is not served is kept."""
        if keep_days < 0:
            raise UsageError("days to keep are not negative")
        self._index = index
        self._blobs = blobs
        self._keep = timedelta(days=keep_days)

    def collect(self, now: datetime | None = None, *, dry_run: bool = False) -> Collection:
        """Mark what nothing needs, and delete what was marked a day ago and is still not needed."""
        now = now or datetime.now(UTC)
        needed, marks = self.needed(now), self._marks()
        kept, fresh, gone = [0, 0], [0, 0], [0, 0]
        for digest, size in self._stored():
            marked = marks.get(digest.hex)
            if digest.hex in needed:
                tally = kept
            elif marked is None or parse_time(marked) > now - GRACE:
                tally = fresh
            else:
                tally = gone if dry_run or self._delete(digest, now) else kept
            tally[0] += 1
            tally[1] += size
            if not dry_run and tally is not gone and (tally is kept) is (marked is not None):
                self._mark(digest, now if tally is fresh else None)
        return Collection((kept[0], kept[1]), (fresh[0], fresh[1]), (gone[0], gone[1]))

    def needed(self, now: datetime) -> set[str]:
        """Digests (hex) of every blob that something needs."""
        since = format_time(now - self._keep)
        with self._index.reading() as tx:
            found = {entry.digest.hex for snapshot in self._snapshots(tx, since) for entry in snapshot.files}
            return found | set(_of_uploads(tx, since)) | set(_of_evaluations(tx))

    def _snapshots(self, tx: Connection, since: str) -> Iterator[Snapshot]:
        revoked = exists().where(
            revocations.c.snapshot_id == snapshots.c.id,
            revocations.c.revoked_at < since,
            revocations.c.statement.not_in(select(lifts.c.revocation)),
        )
        waits = exists().where(
            work.c.kind == SNAPSHOT, work.c.source == "sha256:" + snapshots.c.id, work.c.state.in_(OPEN)
        )
        held = exists().where(holds.c.snapshot_id == snapshots.c.id, holds.c.released_at == "")
        published = exists().where(revisions.c.snapshot_id == snapshots.c.id) & ~revoked
        judged = exists().where(decisions.c.snapshot_id == snapshots.c.id, decisions.c.decided_at >= since)
        for value in tx.execute(select(snapshots.c.id).where(or_(published, waits, held, judged))).scalars():
            snapshot = self._index.get_snapshot(Digest(value), tx=tx)
            if snapshot is not None:
                yield snapshot

    def _stored(self) -> Iterator[tuple[Digest, int]]:
        for name, size in self._blobs.objects():
            try:
                yield Digest(name.rpartition("/")[2]), size
            except UsageError:
                continue  # no blob of ours: scrubbing reports it

    def _marks(self) -> dict[str, str]:
        with self._index.reading() as tx:
            rows = tx.execute(select(collected.c.digest, collected.c.marked_at).where(collected.c.deleted_at == ""))
            return {row.digest: row.marked_at for row in rows}

    def _mark(self, digest: Digest, at: datetime | None) -> None:
        """Mark a blob, or (None) take its mark away."""
        with self._index.transaction() as tx:
            forget_marks(tx, [digest.hex])
            if at is not None:
                tx.execute(insert(collected).values(digest=digest.hex, marked_at=format_time(at), deleted_at=""))

    def _delete(self, digest: Digest, now: datetime) -> bool:
        """Delete a marked blob; False when something took the mark away meanwhile."""
        mine = (collected.c.digest == digest.hex, collected.c.deleted_at == "")
        with self._index.transaction() as tx:
            if tx.execute(select(collected.c.digest).where(*mine)).first() is None:
                return False
            tx.execute(update(collected).where(*mine).values(deleted_at=format_time(now)))
            tx.execute(delete(sent).where(sent.c.blob == digest.hex))
            self._blobs.delete(digest)
        return True

    # Holds

    def hold(self, snapshot_id: Digest, reason: str, by: str, now: datetime | None = None) -> Hold:
        """Keep a snapshot until the hold is released.

        Raises:
            UsageError: no reason, or an unknown snapshot.
        """
        now = now or datetime.now(UTC)
        if not reason.strip():
            raise UsageError("a legal hold needs a reason", hint="give --reason")
        with self._index.transaction() as tx:
            snapshot = self._index.get_snapshot(snapshot_id, tx=tx)
            if snapshot is None:
                raise UsageError(f"snapshot {snapshot_id} is not in the index")
            unmark(tx, snapshot, self._blobs)
            values = {"snapshot_id": snapshot_id.hex, "reason": reason, "placed_by": by, "placed_at": format_time(now)}
            result = tx.execute(insert(holds).values(**values, released_by="", released_at=""))
            seq = result.inserted_primary_key[0]  # type: ignore[index]  # one row was inserted
            log.append(tx, "held", values, now)
            return _hold(tx.execute(select(holds).where(holds.c.seq == seq)).one())

    def release(self, seq: int, by: str, now: datetime | None = None) -> Hold:
        """End a hold.

        Raises:
            UsageError: there is none of that number, or it was released.
        """
        now = now or datetime.now(UTC)
        with self._index.transaction() as tx:
            row = tx.execute(select(holds).where(holds.c.seq == seq, holds.c.released_at == "")).first()
            if row is None:
                raise UsageError(f"no hold {seq} is in force", hint="assay hold list")
            values = {"released_by": by, "released_at": format_time(now)}
            tx.execute(update(holds).where(holds.c.seq == seq).values(**values))
            log.append(tx, "released", {"hold": seq, "snapshot_id": row.snapshot_id, **values}, now)
            return _hold(tx.execute(select(holds).where(holds.c.seq == seq)).one())

    def holds(self) -> tuple[Hold, ...]:
        """All holds ever placed, newest first."""
        with self._index.reading() as tx:
            return tuple(_hold(row) for row in tx.execute(select(holds).order_by(holds.c.seq.desc())))

    def report(self, now: datetime | None = None) -> dict[str, Any]:
        """What the store holds: served, kept for other reasons, needed by nothing."""
        now = now or datetime.now(UTC)
        needed = self.needed(now)
        with self._index.reading() as tx:
            names = tx.execute(select(func.count(revisions.c.name.distinct()))).scalar_one()
            count = tx.execute(select(func.count()).select_from(revisions)).scalar_one()
            waiting = tx.execute(select(func.count()).select_from(uploads)).scalar_one()
        sizes = list(self._stored())
        return {
            "models": names,
            "revisions": count,
            "uploads": waiting,
            "blobs": len(sizes),
            "bytes": sum(size for _, size in sizes),
            "needed_bytes": sum(size for digest, size in sizes if digest.hex in needed),
            "holds": len([one for one in self.holds() if one.released_at is None]),
        }


def _of_uploads(tx: Connection, since: str) -> Iterator[str]:
    """Bytes of uploads that are still to be put together, and whatever was sent lately."""
    for row in tx.execute(select(uploads.c.listing, uploads.c.snapshot_id, uploads.c.uploaded_at)):
        if row.snapshot_id == "" and row.uploaded_at >= since:
            yield from (digest for _path, _size, digest in json.loads(row.listing))
    yield from tx.execute(select(sent.c.blob).where(sent.c.stored_at >= since)).scalars()


def _of_evaluations(tx: Connection) -> Iterator[str]:
    """Bills of materials of what evaluations ran in: a signed statement names them, and statements stay."""
    query = select(statements.c.envelope).where(statements.c.kind == "evaluated")
    for text in tx.execute(query).scalars():
        digest = environment_of(Envelope.from_json(json.loads(text)).statement())
        if digest is not None:
            yield digest.hex


def _hold(row: Row[Any]) -> Hold:
    released = parse_time(row.released_at) if row.released_at else None
    return Hold(row.seq, Digest(row.snapshot_id), row.reason, row.placed_by, parse_time(row.placed_at), released)
