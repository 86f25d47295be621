"""A scan as values: one target for every file, and what is about a snapshot as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.core.evidence import Evidence, Outcome, Unread

if TYPE_CHECKING:
    from assay.core.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class Ignored:
    """A finding that is set aside, and why.

    Attributes:
        finding: as it was made.
        reason: from the ignore file.
        until: last day, `YYYY-MM-DD`.
    """

    finding: Finding
    reason: str
    until: str


@dataclass(frozen=True)
class Target:
    """One file that was given or found.

    Attributes:
        path: as the user would write it.
        sha256: hex; empty when the file could not be read.
        size: bytes; 0 when unknown.
        format: surest reading of its content.
        outcome: of all inspectors together.
        findings: in order of severity, worst first; `where.file` is `path`.
        unread: what was not looked at; `path` of each starts with this one's.
        ignored: findings that an ignore file sets aside, with its reasons.
    """

    path: str
    sha256: str
    size: int
    format: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    ignored: tuple[Ignored, ...] = ()


@dataclass(frozen=True)
class Scanned:
    """One snapshot of a scan: a directory, or the files given together.

    Attributes:
        path: the directory; empty for files.
        name: claimed `org/name`, empty when none is known.
        id: `sha256:…` of the manifest; empty when no file could be read.
        findings: about the snapshot as a whole.
        unread: likewise.
        evidence: of every inspector.
        ignored: findings that an ignore file sets aside.
    """

    path: str
    name: str
    id: str
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    ignored: tuple[Ignored, ...] = ()


@dataclass
class Report:
    """A whole scan.

    Attributes:
        targets: every file, in the order given, sorted below each directory.
        snapshots: what is about a snapshot as a whole.
        seconds: wall time.
        remarks: what the reader should know about the scan itself (an ignore entry that has expired, say).
    """

    targets: list[Target] = field(default_factory=list)
    snapshots: list[Scanned] = field(default_factory=list)
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """All findings."""
        return [f for t in self.targets for f in t.findings] + [f for s in self.snapshots for f in s.findings]

    @property
    def ignored(self) -> list[Ignored]:
        """Everything that was set aside."""
        return [i for t in self.targets for i in t.ignored] + [i for s in self.snapshots for i in s.ignored]

    @property
    def unread(self) -> list[Unread]:
        """Everything that was not looked at."""
        return [u for t in self.targets for u in t.unread] + [u for s in self.snapshots for u in s.unread]

    def exit_status(self, fail_on: Severity) -> int:
        """1 for a finding at or above `fail_on`; else 2 when something is unread or nothing was there; else 0."""
        if any(finding.severity >= fail_on for finding in self.findings):
            return 1
        doubtful = {Outcome.INCONCLUSIVE, Outcome.ERROR}
        if not self.targets or self.unread or any(target.outcome in doubtful for target in self.targets):
            return 2
        return 0
