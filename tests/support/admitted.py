"""Snapshots, verdicts and statements in one line each. Signatures are dummies: store and registry don't check them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.evidence import Evidence, Outcome
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.statement import PAYLOAD_TYPE, Envelope, Signature, Statement
from assay.core.verdict import Decision, Reason, Verdict
from assay.provenance import statements as st
from assay.store.index import StoredStatement

if TYPE_CHECKING:
    from assay.store.blobs import Blobs
    from assay.store.index import Index

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
POLICY = Digest.of(b"policy")


def envelope(statement: Statement) -> Envelope:
    return Envelope(statement.payload(), PAYLOAD_TYPE, (Signature("test", b"not checked here"),))


def snapshot(files: dict[str, bytes], name: str = "org/model") -> Snapshot:
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
    return Snapshot.of(entries, Origin("directory", "file:///somewhere", name))


def evidence(subject: Snapshot, inspector: str = "pickle") -> Evidence:
    return Evidence(subject.id, inspector, "1", {}, Outcome.CLEAN, tuple(entry.path for entry in subject.files))


def verdict(
    subject: Snapshot, decision: Decision = Decision.ADMIT, at: datetime = NOW, days: int = 30, why: str = "all is well"
) -> Verdict:
    reasons, digests = (Reason("test", why),), (evidence(subject).digest,)
    return Verdict(subject.id, decision, reasons, POLICY, digests, at, at + timedelta(days=days))


def chain(subject: Snapshot, judged: Verdict, name: str = "org/model") -> list[StoredStatement]:
    """fetched, scanned, approved."""
    at = judged.decided_at
    fetched = envelope(st.fetched(subject, started=at, finished=at))
    scanned = envelope(st.scanned(subject, [evidence(subject)], previous=fetched, at=at))
    approved = envelope(st.approved(subject, judged, policy_name="strict", inputs=[fetched, scanned], name=name))
    return [
        StoredStatement("fetched", "importer", fetched, {"mediaType": "bundle"}),
        StoredStatement("scanned", "scanner", scanned),
        StoredStatement("approved", "approver", approved),
    ]


def ref_statement(
    subject: Snapshot, previous: Envelope, at: datetime = NOW, name: str = "org/model", ref: str = "main", **says: Any
) -> StoredStatement:
    """`says`: revision and previous_revision."""
    fields = {"previous_revision": "", "reason": "because", **says}
    inside = st.ref(subject, name=name, ref=ref, previous=previous, at=at, **fields)
    return StoredStatement("ref", "approver", envelope(inside))


def revoked_statement(subject: Snapshot, previous: Envelope, reason: str = "bad") -> StoredStatement:
    inside = st.revoked(subject, name="org/model", reason=reason, previous=previous, at=NOW)
    return StoredStatement("revoked", "approver", envelope(inside))


def store(index: Index, blobs: Blobs, files: dict[str, bytes], name: str = "org/model") -> Snapshot:
    """Blobs, snapshot and evidence: everything that comes before a verdict."""
    subject = snapshot(files, name)
    for data in files.values():
        blobs.put([data])
    index.put_snapshot(subject)
    index.put_evidence(evidence(subject))
    return subject
