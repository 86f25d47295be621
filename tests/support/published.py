"""Publish files through the catalogue with really signed statements, as an admission would, without inspecting them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.core.verdict import Decision
from assay.provenance import statements as st
from assay.provenance.bundle import to_bundle
from assay.provenance.keys import KeyRing
from assay.provenance.oms import oms_statement
from assay.registry.catalog import Catalog
from assay.registry.inventory import Entry, Inventory
from assay.registry.listing import refresh
from assay.store.blobs import Blobs, open_blobs
from assay.store.index import Index, StoredStatement
from tests.support import admitted

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope, Statement
    from assay.core.verdict import Verdict


@dataclass
class Publisher:
    """An index, blobs and keys below a directory, laid out like a data directory."""

    root: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.index = Index.open(f"sqlite:///{self.root / 'index.sqlite'}")
        self.blobs: Blobs = open_blobs(self.root / "blobs")
        self.catalog = Catalog(self.index)
        self.ring = KeyRing.create(self.root / "keys")
        self._approved: dict[str, Envelope] = {}

    def sign(self, kind: str, role: str, statement: Statement) -> StoredStatement:
        envelope = self.ring.sign(role, statement)
        return StoredStatement(kind, role, envelope, to_bundle(envelope, self.ring.public(role)))

    def admit(self, name: str, files: dict[str, bytes], days: int = 30) -> str:
        """Publish; the revision id."""
        snapshot = admitted.store(self.index, self.blobs, files, name)
        return self.admit_snapshot(name, snapshot, days)

    def admit_snapshot(self, name: str, snapshot: Snapshot, days: int = 30) -> str:
        """Publish what is in the store already; the revision id."""
        self.index.put_snapshot(snapshot)
        self.index.put_evidence(admitted.evidence(snapshot))
        self.now += timedelta(seconds=1)
        verdict = admitted.verdict(snapshot, at=self.now, days=days)
        chain = self._chain(name, snapshot, verdict)
        self._approved[name] = chain[-1].envelope
        return self.catalog.publish(name, snapshot.id, verdict, chain, self.now, blobs=self.blobs).revision

    def describe(self, name: str, task: str, licence: str) -> None:
        """A bill of materials with these two, as the listing has them."""
        resolved = self.catalog.resolve(name, now=self.now)
        known = {"fields": {"task": {"value": task}}}
        digest = hashlib.sha256(f"{name} {task} {licence}".encode()).hexdigest()
        bill = Entry(digest, "record", name, resolved.snapshot.id.hex, name.partition("/")[0], licence, known)
        Inventory(self.index).put(bill, self.now)
        with self.index.transaction() as tx:
            refresh(tx, self.index, name)

    def refuse(self, name: str, files: dict[str, bytes], why: str, decision: Decision = Decision.REJECT) -> None:
        snapshot = admitted.store(self.index, self.blobs, files, name)
        self.now += timedelta(seconds=1)
        self.catalog.record_refusal(name, admitted.verdict(snapshot, decision, self.now, why=why), self.now)

    def revoke(self, name: str, reason: str) -> None:
        snapshot = self.catalog.resolve(name, now=self.now).snapshot
        statement = st.revoked(snapshot, name=name, reason=reason, previous=self._approved[name], at=self.now)
        self.catalog.revoke(snapshot.id, reason, self.sign("revoked", "approver", statement), self.now)

    def move(self, name: str, revision: str, ref: str = "main") -> None:
        snapshot = self.catalog.resolve(name, revision, now=self.now).snapshot
        before = {one.ref: one.revision for one in self.catalog.refs(name)}.get(ref, "")
        statement = st.ref(
            snapshot,
            name=name,
            ref=ref,
            revision=revision,
            previous_revision=before,
            reason="because",
            previous=self._approved[name],
            at=self.now,
        )
        self.catalog.move_ref(name, ref, revision, self.sign("ref", "approver", statement), self.now)

    def _chain(self, name: str, snapshot: Snapshot, verdict: Verdict) -> list[StoredStatement]:
        at = verdict.decided_at
        fetched = self.sign("fetched", "importer", st.fetched(snapshot, started=at, finished=at))
        evidence = [admitted.evidence(snapshot)]
        scanned = self.sign("scanned", "scanner", st.scanned(snapshot, evidence, previous=fetched.envelope, at=at))
        inputs = [fetched.envelope, scanned.envelope]
        approved = st.approved(snapshot, verdict, policy_name="strict", inputs=inputs, name=name)
        signature = self.sign("oms", "registry", oms_statement(snapshot, name))
        return [signature, fetched, scanned, self.sign("approved", "approver", approved)]
