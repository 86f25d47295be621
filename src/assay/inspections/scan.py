"""`assay scan` without its front end: paths in, one target for every file out; no database, no model library.

A file that can't be read is a target with the reason, never left out.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import UsageError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Finding, Severity
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import Origin, Snapshot
from assay.inspections.intake import Job, Progress, hash_files, jobs_of, unreadable
from assay.inspections.parts import INNER_SEPARATOR
from assay.inspections.report import Report, Scanned, Target
from assay.inspections.runner import inspect

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from assay.core.snapshot import FileEntry


def scan(
    paths: Iterable[str],
    *,
    name: str = "",
    limits: Limits | None = None,
    progress: Progress | None = None,
    inspectors: Iterable[Any] | None = None,
    jobs: Iterable[Job] = (),
    standard_input: BinaryIO | None = None,
    cache_folder: Path | None = None,
    processes: int = 1,
) -> Report:
    """Scan files and directories.

    Args:
        paths: files, directories, `-`.
        name: `org/name` that is claimed for what is scanned; else taken from a hub cache's folder name.
        limits: when to stop.
        progress: called as `(what, done bytes, total bytes)`.
        inspectors: as for `runner.inspect`.
        jobs: what the caller has prepared by itself (a snapshot fetched from a hub).
        standard_input: what `-` stands for.
        cache_folder: where results are kept and looked up; nowhere by default.
        processes: for large files of a directory; more than one only from a caller without other threads.

    Raises:
        UsageError: for a path that does not exist, or nothing at all.
        EnvironmentFault: when a given directory can't be listed.
    """
    started = time.monotonic()
    limits = limits or Limits()
    report = Report()
    todo = [*jobs, *jobs_of(list(paths), name, limits, standard_input)]
    if not todo:
        raise UsageError("nothing to scan", hint="give a file or a directory")
    for job in todo:
        try:
            _run(job, report, limits, progress, inspectors, cache_folder, processes)
        finally:
            for stream in job.held.values():
                stream.close()
    report.seconds = round(time.monotonic() - started, 3)
    return report


def _run(  # noqa: PLR0917
    job: Job,
    report: Report,
    limits: Limits,
    progress: Progress | None,
    inspectors: Iterable[Any] | None,
    cache_folder: Path | None,
    processes: int,
) -> None:
    """Hash, inspect, and file what was found under the target it belongs to."""
    access = job.open_files()
    entries: list[FileEntry] = list(job.entries)
    if job.files:
        entries, failed = hash_files(job.files, access, progress)
        job.left_out += [unreadable(job.shown[path], reason, Outcome.ERROR) for path, reason in failed.items()]
    targets: list[Target] = []
    if entries:
        snapshot = Snapshot.of(entries, Origin(job.kind, job.uri, job.name))
        evidence = inspect(
            Subject(snapshot, access, limits), inspectors, progress, cache_folder=cache_folder, only_awake=True,
            processes=1 if job.held or job.access else processes,
        )  # fmt: skip
        targets = _targets(snapshot, evidence, job.shown)
        report.snapshots.append(_whole(job, snapshot, evidence))
    report.targets += sorted([*targets, *job.left_out], key=lambda target: target.path)


def _whole(job: Job, snapshot: Snapshot, evidence: tuple[Evidence, ...]) -> Scanned:
    found = (f for e in evidence for f in e.findings if not f.where.file)
    findings = tuple(sorted(found, key=lambda f: (-f.severity, -f.confidence)))
    unread = tuple(u for e in evidence for u in e.unread if not u.path)
    return Scanned(job.root, job.name, str(snapshot.id), findings, unread, evidence)


def _targets(snapshot: Snapshot, evidence: tuple[Evidence, ...], shown: dict[str, str]) -> list[Target]:
    findings: dict[str, list[Finding]] = {}
    unread: dict[str, list[Unread]] = {}
    formats: dict[str, list[str]] = {}
    failed: set[str] = set()
    covered: set[str] = set()
    for item in evidence:
        for finding in item.findings:
            findings.setdefault(finding.where.file, []).append(finding)
        for left in item.unread:
            unread.setdefault(left.path.split(INNER_SEPARATOR, 1)[0], []).append(left)
        failed.update(item.facts.get("failed", ()))
        if item.inspector == "format":
            formats = item.facts.get("formats", {})
        else:
            covered.update(item.covered)
    targets = []
    for entry in snapshot.files:
        path = shown[entry.path]
        found = tuple(
            replace(f, where=replace(f.where, file=path))
            for f in sorted(findings.get(entry.path, ()), key=lambda f: (-f.severity, -f.confidence))
        )
        skipped = tuple(
            dict.fromkeys(Unread(path + u.path.removeprefix(entry.path), u.reason) for u in unread.get(entry.path, ()))
        )
        outcome = _outcome(found, entry.path in failed, skipped, entry.path in covered)
        reading = (formats.get(entry.path) or ["unknown"])[0]
        targets.append(Target(path, entry.digest.hex, entry.size, reading, outcome, found, skipped))
    return targets


def _outcome(found: tuple[Finding, ...], failed: bool, left: tuple[Unread, ...], covered: bool) -> Outcome:
    """For people a finding comes first: it stands whatever else went wrong."""
    if any(finding.severity > Severity.NOTE for finding in found):
        return Outcome.FOUND
    if failed:
        return Outcome.ERROR
    if left:
        return Outcome.INCONCLUSIVE
    return Outcome.CLEAN if covered else Outcome.NOT_APPLICABLE
