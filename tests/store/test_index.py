"""The index: what goes in comes out, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.core.digest import Digest
from assay.core.evidence import Evidence, Outcome
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision, Reason, Verdict
from assay.store.blobs import open_blobs
from assay.store.index import Index

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_what_was_put_in_twice_is_there_once(tmp_path: Path) -> None:
    index = Index.open(f"sqlite:///{tmp_path}/index.sqlite")
    digest, size = open_blobs(tmp_path / "blobs").put([b"hel", b"lo"])
    snapshot = Snapshot.of([FileEntry("a", size, digest)], Origin("directory", "file:///x", "org/a"))
    evidence = Evidence(snapshot.id, "x", "1", {}, Outcome.CLEAN, ("a",))
    reasons = (Reason("c", "t"),)
    until = NOW + timedelta(days=1)
    verdict = Verdict(snapshot.id, Decision.ADMIT, reasons, Digest.of(b"p"), (evidence.digest,), NOW, until)
    for _ in range(2):
        index.put_snapshot(snapshot)
        index.put_evidence(evidence)
        index.put_verdict(verdict)
    assert index.get_snapshot(snapshot.id) == snapshot
    assert index.evidence_for(snapshot.id) == (evidence,)
    assert index.latest_verdict(snapshot.id) == verdict
    check = index.verify_log()
    assert (check.ok, check.entries) == (True, 1)
    index.close()
