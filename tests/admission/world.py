"""A data directory with keys and a small policy, and one test inspector: what the spine needs and no more."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from assay.admission.request import HubAccess, Request
from assay.admission.spine import Admission, Vetted
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.policy.model import load_policy
from assay.provenance.keys import KeyRing
from assay.registry.catalog import Catalog
from assay.store import log
from assay.store.blobs import open_blobs
from assay.store.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLICY = """
schema = "assay.policy/v1"
name = "small"
version = "1"
verdict = { lifetime_days = 90 }
required = { inspectors = ["reader"] }
unread = { decision = "hold" }
reject = { severity = "high" }
hold = { severity = "medium" }
"""


class Reader:
    """Reads everything; EVIL in a file is a critical finding, ODD is something it could not read."""

    name = "reader"
    version = "1"

    def inspect(self, subject) -> Evidence:
        findings, unread, covered = [], [], []
        for entry in subject.snapshot.files:
            with subject.files.open(entry.path) as stream:
                data = stream.read()
            if b"EVIL" in data:
                where = Where(entry.path, (), data.index(b"EVIL"))
                facts = {"call": "posix.system('EVIL')"}
                findings.append(Finding("evil", Severity.CRITICAL, Confidence.HIGH, "calls out", where, facts))
            if b"ODD" in data:
                unread.append(Unread(entry.path, "odd"))
            else:
                covered.append(entry.path)
        outcome = Outcome.FOUND if findings else Outcome.INCONCLUSIVE if unread else Outcome.CLEAN
        return Evidence(
            subject.snapshot.id, self.name, self.version, {}, outcome, tuple(covered), tuple(unread), tuple(findings)
        )


class World:
    """One data directory."""

    def __init__(self, data: Path, url: str | None = None) -> None:
        """`url`: a PostgreSQL for both the index and the workflows, instead of two SQLite files."""
        self.data = data
        self.workflow_url = url or f"sqlite:///{data / 'workflow.sqlite'}"
        if not (data / "keys").exists():
            KeyRing.create(data / "keys")
        self.policy = load_policy(POLICY)
        self.ring = KeyRing.load(data / "keys")
        self.index = Index.open(url or f"sqlite:///{data / 'index.sqlite'}")
        self.blobs = open_blobs(data / "blobs")
        self.catalog = Catalog(self.index)
        self.notices: list[str] = []

    @contextmanager
    def admission(self, **changes) -> Iterator[Admission]:
        parts = {"index": self.index, "blobs": self.blobs, "ring": self.ring, "policy": self.policy}
        with Admission(self.workflow_url, **parts | {"inspectors": (Reader(),)} | changes) as admission:
            yield admission

    def vet(self, path: Path | str, name: str | None = "org/model", **changes) -> Vetted:
        request = Request.of(str(path), name, None, HubAccess())
        with self.admission(**changes) as admission:
            return admission.vet(request, notice=self.notices.append)

    def log(self) -> list[tuple[str, dict]]:
        with self.index.reading() as tx:
            return [(entry.kind, entry.body) for entry in log.entries(tx)]


def make_model(folder: Path, **files: str) -> Path:
    """A folder with two files and what else is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ({"config.json": "{}", "model.safetensors": "weights" * 100} | files).items():
        (folder / name).write_text(text)
    return folder
