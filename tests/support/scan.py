"""Run part inspectors over files given as bytes, as the runner does."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.digest import Digest
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.inspections.rules import rules
from assay.inspections.runner import inspect

if TYPE_CHECKING:
    from assay.core.evidence import Evidence
    from assay.core.finding import Finding


class Memory:
    """`FileAccess` over a dictionary."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def open(self, path: str) -> BinaryIO:
        """The file's bytes."""
        return io.BytesIO(self._files[path])


def scan(inspector: Any, files: dict[str, bytes], limits: Limits | None = None) -> Evidence:
    """Evidence of one inspector over the files."""
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
    snapshot = Snapshot.of(entries, Origin("directory", "test/model"))
    evidence = inspect(Subject(snapshot, Memory(files), limits or Limits()), (inspector,))[0]
    undocumented = {finding.rule for finding in evidence.findings} - rules().keys()
    assert not undocumented, f"rules without a page: {undocumented}"
    return evidence


def found(inspector: Any, files: dict[str, bytes]) -> dict[str, Finding]:
    """The worst finding of each rule."""
    findings = scan(inspector, files).findings
    return {f.rule: f for f in sorted(findings, key=lambda f: f.severity)}


def worst(inspector: Any, files: dict[str, bytes]) -> str:
    """Label of the highest severity found; `clean` without a finding, `error` when the inspector failed."""
    evidence = scan(inspector, files)
    if evidence.outcome.value == "error":
        return f"error {evidence.facts}"
    return max((f.severity for f in evidence.findings), default=None).label if evidence.findings else "clean"
