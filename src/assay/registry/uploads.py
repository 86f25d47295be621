"""What clients upload: bytes into the store under their digest, and a commit that waits to be vetted.

Nothing of an upload is read here, and nothing is served: a commit is a listing in quarantine until it has a verdict. A
commit whose bytes came as Xet objects is put together first, by a confined ingest worker. That the store happens to
hold a file is nothing to build on: a commit may name what its parent has, and what the same person sent for that name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision, format_time, parse_time
from assay.registry.catalog import revision_id
from assay.registry.queue import OPEN, SNAPSHOT, UPLOAD, Work, WorkQueue
from assay.registry.records import MAIN
from assay.registry.rows import by_revision, newest, published, target
from assay.store import log
from assay.store.schema_retention import collected
from assay.store.schema_uploads import sent, upload_keys, uploads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

    from assay.store.blobs import Blobs
    from assay.store.index import Index

LINK_SECONDS: Final = 24 * 3600  # how long a link to upload one file is good for
MAX_OPEN: Final = 100  # uploads of one person that may wait at once
_MOST_TEXT: Final = 2000  # characters of a commit message that are kept
FILE, XORB, SHARD = "file", "xorb", "shard"


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does to the files of its parent.

    Attributes:
        put: files that are new or other than before.
        drop: paths that go; a folder drops what lies below it.
    """

    put: tuple[FileEntry, ...]
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """One commit in quarantine.

    Attributes:
        seq: its number.
        name: `org/name`.
        commit_id: 40 hex digits; the revision id that it will have when it is admitted next.
        parent: commit or revision that it was made on, may be empty.
        files: all files that it holds.
        snapshot_id: None until every byte is in the store.
        actor: who uploaded it.
        message: theirs.
        uploaded_at: when.
    """

    seq: int
    name: str
    commit_id: str
    parent: str
    files: tuple[FileEntry, ...]
    snapshot_id: Digest | None
    actor: str
    message: str
    uploaded_at: datetime

    def snapshot(self) -> Snapshot:
        """The files as a snapshot; its origin is the upload."""
        return Snapshot.of(
            list(self.files), Origin("upload", f"urn:assay:upload:{self.seq}", self.name, "", self.commit_id)
        )


class Uploads:
    """Uploads over one index and one store; thread-safe."""

    def __init__(self, index: Index, blobs: Blobs) -> None:
        self._index = index
        self._blobs = blobs
        self._queue = WorkQueue(index)

    # Links

    def sign_link(self, digest: Digest, size: int, actor: str, expires: int) -> str:
        """Signature of a link that lets its bearer store exactly this file until `expires` (Unix seconds)."""
        return hmac.new(self._key(), _link(digest, size, actor, expires), hashlib.sha256).hexdigest()

    def check_link(self, digest: Digest, size: int, actor: str, expires: int, signature: str, *, now: datetime) -> None:
        """Make sure that a link is ours and still good.

        Raises:
            UsageError: it is not.
        """
        good = hmac.compare_digest(self.sign_link(digest, size, actor, expires).encode(), signature.encode())
        if not good or expires < now.timestamp():
            raise UsageError("this upload link is not good (any more)", hint="start the upload again")

    def sign_text(self, text: str) -> str:
        """Signature over a short text, for tokens that this registry gives out and takes back."""
        return hmac.new(self._key(), canonical_json(["token", text]), hashlib.sha256).hexdigest()

    def _key(self) -> bytes:
        with self._index.reading() as tx:
            value = tx.execute(select(upload_keys.c.key).where(upload_keys.c.seq == 1)).scalar()
        if value is None:
            with self._index.transaction() as tx:
                value = tx.execute(select(upload_keys.c.key).where(upload_keys.c.seq == 1)).scalar()
                if value is None:
                    value = secrets.token_hex(32)
                    tx.execute(insert(upload_keys).values(seq=1, key=value))
        return bytes.fromhex(value)

    # Commits

    def head(self, name: str) -> tuple[str, tuple[FileEntry, ...]]:
        """What the next commit is made on: the newest upload of the name, or its `main`; its id and its files."""
        with self._index.reading() as tx:
            return self._head(tx, name)

    def _head(self, tx: Connection, name: str) -> tuple[str, tuple[FileEntry, ...]]:
        row = _newest(tx, name)
        moved = target(tx, name, MAIN)
        if row is not None and (moved is None or moved.moved_at <= row.uploaded_at):
            return row.commit_id, _files(row.listing)
        if moved is None:
            return "", ()
        snapshot = self._of_revision(tx, name, moved.revision)
        return moved.revision, snapshot.files if snapshot else ()

    def commit(
        self, name: str, change: Change, *, actor: str, message: str, parent: str = "", now: datetime | None = None
    ) -> tuple[Upload, Work]:
        """Put a commit into quarantine and queue it.

        Args:
            name: `org/name`.
            change: files to put and paths to drop.
            actor: who uploads.
            message: theirs.
            parent: the commit that the client thinks it builds on; empty: whatever is newest.
            now: when.

        Raises:
            UsageError: nothing would be left, the parent is not the newest any more, or too much waits already.
        """
        now = now or datetime.now(UTC)
        check_name(name)
        with self._index.transaction() as tx:
            self._check_room(tx, actor)
            head, files = self._head(tx, name)
            if parent and parent != head:
                raise UsageError(
                    f"{name} is at {head or 'nothing'} by now, not at {parent[:60]!r}", hint="upload again"
                )
            merged = _merge(files, change)
            if not merged:
                raise UsageError("no file would be left in the model")
            if (again := self._again(tx, name, merged, actor)) is not None:
                return again
            whole = not self._missing(tx, name, actor, change.put, files)
            draft = Upload(0, name, "", head, merged, None, actor, message[:_MOST_TEXT], now)
            upload = self._add(tx, draft, whole=whole)
            if upload.snapshot_id is None:
                return upload, self._queue.ask(UPLOAD, str(upload.seq), name, asked_by=actor, reason=message, tx=tx)
            self._index.put_snapshot(upload.snapshot(), tx)
            source = str(upload.snapshot_id)
            return upload, self._queue.ask(SNAPSHOT, source, name, asked_by=actor, reason=message, tx=tx)

    def _again(self, tx: Connection, name: str, files: tuple[FileEntry, ...], actor: str) -> tuple[Upload, Work] | None:
        """A commit that is sent again, since its answer was lost: the first one, unless it came to nothing."""
        row = _newest(tx, name)
        if row is None or row.actor != actor or _files(row.listing) != files:
            return None
        upload = _upload(row)
        sources = {str(upload.seq), str(upload.snapshot_id)}
        last = next((one for one in self._queue.about(name, tx=tx) if one.source in sources), None)
        if last is None or not (last.state in OPEN or last.outcome == Decision.ADMIT.value):
            return None
        return upload, last

    def _check_room(self, tx: Connection, actor: str) -> None:
        waiting = self._queue.open_by(actor, tx)
        if waiting >= MAX_OPEN:
            raise UsageError(f"{waiting} items of {actor!r} wait already", hint="wait for their verdicts")

    def _add(self, tx: Connection, draft: Upload, *, whole: bool) -> Upload:
        snapshot_id = Snapshot.of(list(draft.files), Origin("upload", "", draft.name)).id
        listing = canonical_json([[one.path, one.size, one.digest.hex] for one in draft.files]).decode()
        commit_id = _commit_id(tx, draft.name, snapshot_id, listing)
        values = {
            "name": draft.name,
            "commit_id": commit_id,
            "parent": draft.parent,
            "listing": listing,
            "snapshot_id": snapshot_id.hex if whole else "",
            "actor": draft.actor,
            "message": draft.message,
            "uploaded_at": format_time(draft.uploaded_at),
        }
        result = tx.execute(insert(uploads).values(**values))
        seq = int(result.inserted_primary_key[0])  # type: ignore[index]  # one row was inserted
        body = {"name": draft.name, "commit": commit_id, "snapshot": snapshot_id.hex, "actor": draft.actor}
        log.append(tx, "uploaded", body, draft.uploaded_at)
        return _upload(tx.execute(select(uploads).where(uploads.c.seq == seq)).one())

    def _missing(
        self, tx: Connection, name: str, actor: str, wanted: Iterable[FileEntry], before: Iterable[FileEntry]
    ) -> list[FileEntry]:
        """Files that neither stand in the parent nor were sent by this person for this name."""
        query = select(sent.c.blob).where(sent.c.name == name, sent.c.actor == actor, sent.c.kind == FILE)
        known = {one.digest.hex for one in before} | set(tx.execute(query).scalars())
        return [one for one in wanted if one.digest.hex not in known or not self._holds(one)]

    def unsent(self, name: str, actor: str, wanted: Iterable[FileEntry]) -> int:
        """Bytes of files that a commit names and that are still to be put together; each once."""
        with self._index.reading() as tx:
            missing = self._missing(tx, name, actor, wanted, self._head(tx, name)[1])
        return sum({one.digest: one.size for one in missing}.values())

    def size_of(self, name: str, actor: str, digest: Digest) -> int:
        """Bytes of a file that the next commit of a name may copy: its parent has it, or this person sent it.

        Raises:
            UsageError: neither.
        """
        query = select(sent.c.size).where(
            sent.c.name == name, sent.c.actor == actor, sent.c.kind == FILE, sent.c.blob == digest.hex
        )
        with self._index.reading() as tx:
            known = {one.digest: one.size for one in self._head(tx, name)[1]}
            size = known.get(digest, tx.execute(query).scalar())
        if size is None:
            raise UsageError(f"{name} has no file with the SHA-256 {digest.hex} to copy", hint="upload its bytes")
        return int(size)

    def _holds(self, file: FileEntry) -> bool:
        return self._blobs.has(file.digest) and self._blobs.size(file.digest) == file.size

    def get(self, seq: int) -> Upload | None:
        """One commit, or None."""
        with self._index.reading() as tx:
            row = tx.execute(select(uploads).where(uploads.c.seq == seq)).first()
        return _upload(row) if row else None

    def about(self, name: str, limit: int = 50) -> tuple[Upload, ...]:
        """Commits of a name, newest first."""
        query = select(uploads).where(uploads.c.name == name).order_by(uploads.c.seq.desc()).limit(limit)
        with self._index.reading() as tx:
            return tuple(_upload(row) for row in tx.execute(query))

    def complete(self, upload: Upload) -> Snapshot:
        """Every byte of the commit is in the store now: it becomes a snapshot.

        Raises:
            UsageError: a file is still missing.
        """
        if missing := self.missing(upload):
            raise UsageError(f"{missing[0].path[:200]!r} was never uploaded", hint="upload the model again")
        snapshot = upload.snapshot()
        with self._index.transaction() as tx:
            self._index.put_snapshot(snapshot, tx)
            tx.execute(update(uploads).where(uploads.c.seq == upload.seq).values(snapshot_id=snapshot.id.hex))
        return snapshot

    def missing(self, upload: Upload) -> list[FileEntry]:
        """Files of a commit that were not sent yet."""
        with self._index.reading() as tx:
            before = _of_commit(tx, upload.name, upload.parent)
            if before is None:
                snapshot = self._of_revision(tx, upload.name, upload.parent)
                before = snapshot.files if snapshot else ()
            return self._missing(tx, upload.name, upload.actor, upload.files, before)

    def _of_revision(self, tx: Connection, name: str, revision: str) -> Snapshot | None:
        row = by_revision(tx, name, revision)
        return self._index.get_snapshot(Digest(row.snapshot_id), tx=tx) if row else None

    # Bytes

    def put_file(self, chunks: Iterable[bytes], *, name: str, actor: str, expect: Digest | None = None) -> FileEntry:
        """Store a file that somebody sends; its path is not known yet (`-`).

        Raises:
            ContentError: the bytes are not what `expect` says.
        """
        digest, size = self._blobs.put(chunks, expect=expect)
        self._note(FILE, digest.hex, digest, size, name=name, actor=actor)
        return FileEntry("-", size, digest)

    def put_xet(self, kind: str, label: str, chunks: Iterable[bytes], *, name: str, actor: str) -> bool:
        """Store what a Xet client sent, unread. Whether it is new."""
        digest, size = self._blobs.put(chunks)
        return self._note(kind, label or digest.hex, digest, size, name=name, actor=actor)

    def _note(self, kind: str, label: str, digest: Digest, size: int, *, name: str, actor: str) -> bool:
        mine = {"kind": kind, "label": label, "name": name, "actor": actor}
        with self._index.transaction() as tx:
            tx.execute(delete(collected).where(collected.c.digest == digest.hex))  # it is needed (again)
            same = [sent.c[key] == value for key, value in mine.items()]
            if tx.execute(select(sent.c.seq).where(*same)).first() is not None:
                return False
            values = {"blob": digest.hex, "size": size, "stored_at": format_time(datetime.now(UTC))}
            tx.execute(insert(sent).values(**mine, **values))
        return True

    def xet_of(self, name: str, actor: str) -> dict[str, dict[str, Digest]]:
        """What an actor sent for a name: kind → Xet hash → blob."""
        query = select(sent).where(sent.c.name == name, sent.c.actor == actor, sent.c.kind != FILE)
        found: dict[str, dict[str, Digest]] = {XORB: {}, SHARD: {}}
        with self._index.reading() as tx:
            for row in tx.execute(query.order_by(sent.c.seq)):
                found[row.kind][row.label] = Digest(row.blob)
        return found

    def stored_by(self, actor: str, since: datetime) -> int:
        """Bytes that an actor sent since a moment."""
        query = select(func.coalesce(func.sum(sent.c.size), 0)).where(
            sent.c.actor == actor, sent.c.stored_at >= format_time(since)
        )
        with self._index.reading() as tx:
            return int(tx.execute(query).scalar_one())


def _commit_id(tx: Connection, name: str, snapshot_id: Digest, listing: str) -> str:
    """One id for the same files under a name, however often they come: the revision's, once there is one."""
    if (row := published(tx, name, snapshot_id)) is not None:
        return str(row.revision)
    same = select(uploads.c.commit_id).where(uploads.c.name == name, uploads.c.listing == listing)
    first = tx.execute(same.order_by(uploads.c.seq).limit(1)).scalar()
    return first or revision_id(name, snapshot_id, newest(tx, name))


def _link(digest: Digest, size: int, actor: str, expires: int) -> bytes:
    return canonical_json(["lfs", digest.hex, size, actor, expires])


def _newest(tx: Connection, name: str) -> Row[Any] | None:
    return tx.execute(select(uploads).where(uploads.c.name == name).order_by(uploads.c.seq.desc()).limit(1)).first()


def _of_commit(tx: Connection, name: str, commit_id: str) -> tuple[FileEntry, ...] | None:
    where = (uploads.c.name == name, uploads.c.commit_id == commit_id)
    row = tx.execute(select(uploads.c.listing).where(*where).order_by(uploads.c.seq.desc()).limit(1)).first()
    return _files(row.listing) if row else None


def _files(listing: str) -> tuple[FileEntry, ...]:
    return tuple(FileEntry(path, size, Digest(digest)) for path, size, digest in json.loads(listing))


def _merge(files: tuple[FileEntry, ...], change: Change) -> tuple[FileEntry, ...]:
    gone = tuple(path.strip("/") for path in change.drop)
    kept = {
        one.path: one for one in files if not any(one.path == path or one.path.startswith(f"{path}/") for path in gone)
    }
    kept |= {one.path: one for one in change.put}
    return tuple(sorted(kept.values()))


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        row.seq,
        row.name,
        row.commit_id,
        row.parent,
        _files(row.listing),
        Digest(row.snapshot_id) if row.snapshot_id else None,
        row.actor,
        row.message,
        parse_time(row.uploaded_at),
    )
