"""`.assayignore.toml`: findings that people have looked at and set aside, with a reason and an end. Applied only here.

The file is the scanning person's: it is never taken from below what is scanned, or a model could excuse itself.

    [[ignore]]
    rule = "native-code"          # required
    path = "libs/*.so"            # glob over the target's path; `*` crosses folders; all files when left out
    sha256 = "…"                  # the file's digest; required for findings at high or above
    reason = "our own build, reviewed in #12"
    until = 2026-12-31            # last day on which the entry holds
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import UsageError
from assay.core.evidence import Outcome
from assay.core.finding import Finding, Severity
from assay.inspections.report import Ignored, Report

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_NAME = ".assayignore.toml"
_KEYS = {"rule", "path", "sha256", "reason", "until"}
_RULE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Ignore:
    """One entry of an ignore file."""

    rule: str
    reason: str
    until: date
    path: str = "*"
    sha256: str = ""


def find_ignore_file(paths: Iterable[str], here: Path) -> Path | None:
    """The ignore file of the working directory, unless that lies in what is scanned."""
    file = here / FILE_NAME
    if not file.is_file():
        return None
    real = file.resolve()
    for path in paths:
        scanned = Path(path).resolve()
        if real == scanned or scanned in real.parents:
            return None
    return file


def load_ignores(file: Path) -> tuple[Ignore, ...]:
    """Read an ignore file.

    Raises:
        UsageError: when it can't be read or an entry is incomplete.
    """
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file}: not a readable TOML file: {error}", hint="mend the ignore file") from error
    entries = document.get("ignore", [])
    if set(document) - {"ignore"} or not isinstance(entries, list):
        raise UsageError(f"{file}: only [[ignore]] entries are known", hint="mend the ignore file")
    return tuple(_entry(file, number, entry) for number, entry in enumerate(entries, 1))


def _entry(file: Path, number: int, entry: Any) -> Ignore:
    problem = ""
    if not isinstance(entry, dict) or set(entry) - _KEYS:
        problem = f"has keys other than {', '.join(sorted(_KEYS))}"
    elif not isinstance(entry.get("rule"), str) or not _RULE.fullmatch(entry["rule"]):
        problem = "needs a rule"
    elif not isinstance(entry.get("reason"), str) or not entry["reason"].strip():
        problem = "needs a reason"
    elif type(entry.get("until")) is not date:
        problem = "needs an end: until = YYYY-MM-DD"
    elif not isinstance(entry.get("path", "*"), str) or not entry.get("path", "*"):
        problem = "has a path that is no pattern"
    elif not isinstance(entry.get("sha256", ""), str) or not _DIGEST.fullmatch(entry.get("sha256", "0" * 64)):
        problem = "has a sha256 that is no SHA-256 in lower-case hex"
    if problem:
        raise UsageError(f"{file}: entry {number} {problem}", hint="mend the ignore file")
    return Ignore(**entry)


def apply_ignores(report: Report, ignores: tuple[Ignore, ...], today: date) -> None:
    """Set aside what the entries name. An entry that expired, is too weak, or matches nothing is remarked upon."""
    work = _Pass(ignores, today)
    targets = []
    for target in report.targets:
        kept, aside = work.split(target.findings, target.path, target.sha256)
        outcome = target.outcome
        if aside and outcome is Outcome.FOUND and not any(f.severity > Severity.NOTE for f in kept):
            outcome = Outcome.INCONCLUSIVE if target.unread else Outcome.CLEAN
        targets.append(replace(target, findings=kept, ignored=aside, outcome=outcome))
    report.targets = targets
    snapshots = []
    for whole in report.snapshots:
        kept, aside = work.split(whole.findings, whole.path, whole.id.removeprefix("sha256:"))
        snapshots.append(replace(whole, findings=kept, ignored=aside))
    report.snapshots = snapshots
    unused = [e for e in ignores if e not in work.seen]
    work.remarks += [f"the ignore entry for {e.rule} at {e.path!r} matches nothing" for e in unused]
    report.remarks += dict.fromkeys(work.remarks)


class _Pass:
    """One pass over a report."""

    def __init__(self, ignores: tuple[Ignore, ...], today: date) -> None:
        self._ignores = ignores
        self._today = today
        self.seen: set[Ignore] = set()
        self.remarks: list[str] = []

    def split(
        self, findings: tuple[Finding, ...], path: str, digest: str
    ) -> tuple[tuple[Finding, ...], tuple[Ignored, ...]]:
        """What stays, and what is set aside."""
        kept: list[Finding] = []
        aside: list[Ignored] = []
        for finding in findings:
            entry = self._match(finding, path, digest)
            if entry is None:
                kept.append(finding)
            else:
                aside.append(Ignored(finding, entry.reason, entry.until.isoformat()))
        return tuple(kept), tuple(aside)

    def _match(self, finding: Finding, path: str, digest: str) -> Ignore | None:
        for entry in self._ignores:
            if entry.rule != finding.rule or not fnmatchcase(path, entry.path):
                continue
            if entry.sha256 and entry.sha256 != digest:
                continue
            self.seen.add(entry)
            if entry.until < self._today:
                self.remarks.append(f"the ignore entry for {entry.rule} at {entry.path!r} ended on {entry.until}")
            elif finding.severity >= Severity.HIGH and not entry.sha256:
                what = f"a {finding.severity.label} finding needs the file's sha256"
                self.remarks.append(f"the ignore entry for {entry.rule} at {entry.path!r} does not hold: {what}")
            else:
                return entry
        return None
