"""The index: what is known about snapshots. Everything put in is immutable; the same value twice is once.

Every `put_…` takes an optional transaction, so that several of them and a log entry become one; without it each is a
transaction of its own.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from sqlalchemy import Table, bindparam, func, insert, select

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import ContentError, IntegrityError
from assay.core.evidence import Evidence
from assay.core.snapshot import Origin, Snapshot
from assay.core.statement import Envelope
from assay.core.verdict import Verdict, format_time
from assay.store import database, log
from assay.store.schema import Hex, origins, snapshots, statements, verdicts
from assay.store.schema import evidence as evidence_table
from assay.store.schema import log as log_table
from assay.store.soon import Soon

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from assay.store.blobs import Blobs


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A signed statement about a snapshot.

    Attributes:
        kind: `fetched`, `scanned`, `approved`, `oms`, `ref`, `revoked`, …
        role: role of the key that signed.
        envelope: DSSE envelope.
        bundle: the same as a Sigstore bundle (JSON), when there is one.
    """

    kind: str
    role: str
    envelope: Envelope
    bundle: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"kind": self.kind, "role": self.role, "envelope": self.envelope.to_json(), "bundle": self.bundle}


class Index:
    """One index; thread-safe. Open with `Index.open`."""

    def __init__(self, engine: Engine, busy_timeout: float = database.BUSY_TIMEOUT) -> None:
        self.engine = engine
        self._busy_timeout = busy_timeout
        self._for_plain = database.for_plain(engine, busy_timeout)
        self._soon: list[Soon] = []

    @classmethod
    def open(cls, url: str, *, busy_timeout: float = database.BUSY_TIMEOUT) -> Self:
        """Open a database by SQLAlchemy URL, and make or upgrade its tables.

        Raises:
            UsageError: not a SQLite or PostgreSQL URL.
            EnvironmentFault: unreachable, locked for longer than `busy_timeout` seconds, no permission, too new.
        """
        engine = database.connect(url, busy_timeout)
        with ExitStack() as undo:
            undo.callback(engine.dispose)
            database.migrate(engine)
            undo.pop_all()
        return cls(engine, busy_timeout)

    def close(self) -> None:
        """Close all connections."""
        for one in self._soon:
            one.close()
        self._for_plain.dispose()
        self.engine.dispose()

    def check(self) -> None:
        """Ask the database something.

        Raises:
            EnvironmentFault: it does not answer.
        """
        with self.reading() as tx:
            tx.execute(select(1)).one()

    def plain(self, statement: str, values: Sequence[Sequence[Any] | Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Rows of a statement in the driver's own words (`store.database.plain`), outside of any transaction."""
        return database.plain(self._for_plain, statement, values)

    def soon(self) -> Soon:
        """For questions from an event loop; closed with the index."""
        self._soon.append(Soon(self._for_plain, self._busy_timeout))
        return self._soon[-1]

    @contextmanager
    def transaction(self, tx: Connection | None = None) -> Iterator[Connection]:
        """A writing transaction, alone among all processes; `tx` itself when one is given."""
        if tx is not None:
            yield tx
            return
        with database.writing(self.engine) as connection:
            yield connection

    @contextmanager
    def reading(self, tx: Connection | None = None) -> Iterator[Connection]:
        """One consistent view; `tx` itself when one is given."""
        if tx is not None:
            yield tx
            return
        with database.reading(self.engine) as connection:
            yield connection

    # Snapshots

    def put_snapshot(self, snapshot: Snapshot, tx: Connection | None = None) -> Digest:
        """Store the listing and its origin; returns the id. The same snapshot may have several origins."""
        manifest = snapshot.manifest_bytes().decode()
        origin = canonical_json(snapshot.origin.to_json()).decode()
        with self.transaction(tx) as connection:
            _once(connection, snapshots, {"id": snapshot.id.hex}, {"manifest": manifest})
            _once(connection, origins, {"snapshot_id": snapshot.id.hex, "origin": origin}, {})
        return snapshot.id

    def get_snapshot(
        self, snapshot_id: Digest, *, name: str | None = None, tx: Connection | None = None
    ) -> Snapshot | None:
        """The snapshot with the origin that claims `name` (the newest such), else with its first origin; or None.

        Raises:
            IntegrityError: when the stored listing is not what its id says.
        """
        with self.reading(tx) as connection:
            text = connection.execute(_MANIFEST, {"digest": snapshot_id.hex}).scalar()
            if text is None:
                return None
            found = connection.execute(_ORIGINS, {"digest": snapshot_id.hex}).scalars()
            claims = [Origin.from_json(json.loads(origin)) for origin in found]
        if Digest.of(text.encode()) != snapshot_id or not claims:
            raise IntegrityError(f"the listing of snapshot {snapshot_id} was changed in the index", hint=_RESTORE)
        named = [claim for claim in claims if claim.name == name]
        return Snapshot.from_manifest(json.loads(text), named[-1] if named else claims[0])

    # Evidence

    def put_evidence(self, evidence: Evidence, tx: Connection | None = None) -> Digest:
        """Store evidence, whatever its outcome; returns its digest."""
        values = {
            "snapshot_id": evidence.subject.hex,
            "inspector": evidence.inspector,
            "body": canonical_json(evidence.to_json()).decode(),
        }
        with self.transaction(tx) as connection:
            _once(connection, evidence_table, {"digest": evidence.digest.hex}, values)
        return evidence.digest

    def get_evidence(self, digest: Digest, tx: Connection | None = None) -> Evidence | None:
        """The evidence of that digest, or None.

        Raises:
            IntegrityError: when the stored text is not what its digest says.
        """
        with self.reading(tx) as connection:
            query = select(evidence_table.c.body).where(evidence_table.c.digest == digest.hex)
            body = connection.execute(query).scalar()
        return None if body is None else Evidence.from_json(_checked("evidence", digest, body))

    def evidence_for(self, snapshot_id: Digest, tx: Connection | None = None) -> tuple[Evidence, ...]:
        """All evidence ever stored about a snapshot, oldest first. A verdict names the evidence that it rests on."""
        query = (
            select(evidence_table.c.digest, evidence_table.c.body)
            .where(evidence_table.c.snapshot_id == snapshot_id.hex)
            .order_by(evidence_table.c.seq)
        )
        with self.reading(tx) as connection:
            rows = connection.execute(query).all()
        return tuple(Evidence.from_json(_checked("evidence", Digest(r.digest), r.body)) for r in rows)

    # Verdicts

    def put_verdict(self, verdict: Verdict, tx: Connection | None = None) -> Digest:
        """Store a verdict and log it; returns its digest."""
        digest = verdict.digest
        values = {
            "snapshot_id": verdict.subject.hex,
            "decision": verdict.decision.value,
            "body": canonical_json(verdict.to_json()).decode(),
        }
        with self.transaction(tx) as connection:
            if _once(connection, verdicts, {"digest": digest.hex}, values):
                body = {"snapshot": verdict.subject.hex, "verdict": digest.hex, "decision": verdict.decision.value}
                log.append(connection, "verdict", body, verdict.decided_at)
        return digest

    def get_verdict(self, digest: Digest, tx: Connection | None = None) -> Verdict | None:
        """The verdict of that digest, or None.

        Raises:
            IntegrityError: when the stored text is not what its digest says.
        """
        with self.reading(tx) as connection:
            body = connection.execute(_VERDICT, {"digest": digest.hex}).scalar()
        return None if body is None else Verdict.from_json(_checked("verdict", digest, body))

    def latest_verdict(self, snapshot_id: Digest, tx: Connection | None = None) -> Verdict | None:
        """The verdict stored last about a snapshot, under whatever name (`Catalog` knows it per name); or None."""
        query = (
            select(verdicts.c.digest)
            .where(verdicts.c.snapshot_id == snapshot_id.hex)
            .order_by(verdicts.c.seq.desc())
            .limit(1)
        )
        with self.reading(tx) as connection:
            digest = connection.execute(query).scalar()
            return None if digest is None else self.get_verdict(Digest(digest), connection)

    # Statements

    def put_statement(
        self,
        snapshot_id: Digest,
        kind: str,
        role: str,
        envelope: Envelope,
        bundle: dict[str, Any] | None = None,
        *,
        at: datetime | None = None,
        tx: Connection | None = None,
    ) -> Digest:
        """Store a signed statement and log it; returns the digest of the envelope. Signatures are not checked here."""
        at = at or datetime.now(UTC)
        where = {"snapshot_id": snapshot_id.hex, "kind": kind, "digest": envelope.digest.hex}
        values = {
            "role": role,
            "envelope": canonical_json(envelope.to_json()).decode(),
            "bundle": None if bundle is None else canonical_json(bundle).decode(),
            "stored_at": format_time(at),
        }
        with self.transaction(tx) as connection:
            if _once(connection, statements, where, values):
                body = {"snapshot": snapshot_id.hex, "kind": kind, "role": role, "statement": envelope.digest.hex}
                log.append_statement(connection, body, at)
        return envelope.digest

    def statements_for(self, snapshot_id: Digest, tx: Connection | None = None) -> tuple[StoredStatement, ...]:
        """All statements about a snapshot, oldest first."""
        query = select(statements).where(statements.c.snapshot_id == snapshot_id.hex).order_by(statements.c.seq)
        with self.reading(tx) as connection:
            rows = connection.execute(query).all()
        return tuple(
            StoredStatement(
                row.kind,
                row.role,
                Envelope.from_json(_checked("statement", Digest(row.digest), row.envelope)),
                None if row.bundle is None else json.loads(row.bundle),
            )
            for row in rows
        )

    # Log

    def log_head(self, tx: Connection | None = None) -> int:
        """Number of the log's last entry; 0 for an empty one."""
        if tx is not None:
            return tx.execute(_HEAD).scalar() or 0
        return self.plain(HEAD, [()])[0][0] or 0

    def verify_log(self, known: log.LogHead | None = None) -> log.LogCheck:
        """Check the whole log (`store.log.verify`)."""
        with self.reading() as connection:
            return log.verify(connection, known)


class BlobFiles:
    """`FileAccess` over a stored snapshot."""

    def __init__(self, snapshot: Snapshot, blobs: Blobs) -> None:
        self._snapshot = snapshot
        self._blobs = blobs

    def open(self, path: str) -> BinaryIO:
        """Open a file of the snapshot.

        Raises:
            ContentError: when the snapshot has no such file.
            IntegrityError: when its blob is missing.
        """
        entry = self._snapshot.entry(path)
        if entry is None:
            raise ContentError(f"not a file of this snapshot: {path[:200]!r}")
        return self._blobs.open(entry.digest)


# What every request asks, made once: SQLAlchemy takes longer to make a statement than a database to answer it.
_DIGEST = bindparam("digest", type_=Hex)
_MANIFEST = select(snapshots.c.manifest).where(snapshots.c.id == _DIGEST)
_ORIGINS = select(origins.c.origin).where(origins.c.snapshot_id == _DIGEST).order_by(origins.c.seq)
_VERDICT = select(verdicts.c.body).where(verdicts.c.digest == _DIGEST)
HEAD = "SELECT max(seq) FROM log"
_HEAD = select(func.max(log_table.c.seq))
_RESTORE = "somebody or the disk changed the database: restore it from a backup"


def _once(connection: Connection, table: Table, key: dict[str, Any], values: dict[str, Any]) -> bool:
    """Insert a row unless its key is there; whether it was inserted. Writers exclude each other, so this can't race."""
    where = [table.c[column] == value for column, value in key.items()]
    if connection.execute(select(1).select_from(table).where(*where)).first() is not None:
        return False
    connection.execute(insert(table).values(**key, **values))
    return True


def _checked(what: str, digest: Digest, text: str) -> Any:
    if Digest.of(text.encode()) != digest:
        raise IntegrityError(f"stored {what} {digest} was changed in the index", hint=_RESTORE)
    return json.loads(text)
