"""`assay scan` without its front end: paths in, one target for every file out. No store, no server, no model library.

Each directory is one snapshot; all files that are given together are one more. A file that can't be read is a target
with the reason, never left out.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.errors import AssayError, ContentError, LimitExceeded, UsageError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Finding, Severity
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.inspections.parts import INNER_SEPARATOR
from assay.inspections.runner import inspect
from assay.store.tree import DirectoryFiles, Skipped, Tree, TreeFile, list_tree

if TYPE_CHECKING:
    from assay.core.inspector import FileAccess

Progress = Callable[[str, int, int], None]

_HASH_CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 1 << 17  # hashing less than this is quicker than handing it to a thread
_HUB_CACHE = "models--"


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
    """

    path: str
    sha256: str
    size: int
    format: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()


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
    """

    path: str
    name: str
    id: str
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass
class Report:
    """A whole scan.

    Attributes:
        targets: every file, in the order given, sorted below each directory.
        snapshots: what is about a snapshot as a whole.
        seconds: wall time.
    """

    targets: list[Target] = field(default_factory=list)
    snapshots: list[Scanned] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def findings(self) -> list[Finding]:
        """All findings."""
        return [f for t in self.targets for f in t.findings] + [f for s in self.snapshots for f in s.findings]

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


@dataclass
class _Job:
    """Files that are inspected together."""

    shown_root: str
    uri: str
    kind: str
    name: str
    files: list[TreeFile] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    left_out: list[Target] = field(default_factory=list)


def scan(
    paths: Iterable[str],
    *,
    name: str = "",
    limits: Limits | None = None,
    progress: Progress | None = None,
    inspectors: Iterable[Any] | None = None,
) -> Report:
    """Scan files and directories.

    Args:
        paths: at least one.
        name: `org/name` that is claimed for what is scanned; else taken from a hub cache's folder name.
        limits: when to stop.
        progress: called as `(what, done bytes, total bytes)`.
        inspectors: as for `runner.inspect`.

    Raises:
        UsageError: for a path that does not exist, or none at all.
        EnvironmentFault: when a given directory can't be listed.
    """
    started = time.monotonic()
    limits = limits or Limits()
    report = Report()
    for job in _jobs(list(dict.fromkeys(paths)), name, limits):
        _run(job, report, limits, progress, inspectors)
    report.seconds = round(time.monotonic() - started, 3)
    return report


def _jobs(paths: list[str], name: str, limits: Limits) -> list[_Job]:
    if not paths:
        raise UsageError("nothing to scan", hint="give a file or a directory")
    jobs: list[_Job] = []
    files = _Job("", "", "file", name)
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"no such file or directory: {path}", hint="check the path")
        if os.path.isdir(path):  # noqa: PTH112
            jobs.append(_directory(path, name, limits))
        else:
            _single(path, files)
    if files.files or files.left_out:
        files.uri = "file:" + ",".join(sorted(files.shown.values()))[:1000]
        jobs.append(files)
    return jobs


def _directory(path: str, name: str, limits: Limits) -> _Job:
    root = Path(path)
    job = _Job(path.rstrip("/") or "/", root.resolve().as_uri(), "directory", name or _name_of_cache(root))
    try:
        tree = list_tree(root, limits)
    except LimitExceeded as error:
        job.left_out.append(_unreadable(path, str(error), Outcome.INCONCLUSIVE))
        return job
    job.files = list(tree.files)
    prefix = job.shown_root.rstrip("/") + "/"
    job.shown = {file.path: file.path if path == "." else prefix + file.path for file in tree.files}
    for skipped in tree.skipped:
        shown = prefix + skipped.path if skipped.path else job.shown_root
        job.left_out.append(_unreadable(shown, skipped.reason, _outcome_of(skipped)))
    return job


def _single(path: str, job: _Job) -> None:
    """Add a file that was given by itself. Its key in the snapshot is its path, made plain and unique."""
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    try:
        tree = list_tree(Path(path))
        key = "/".join(parts) or "file"
        while key in job.shown or any(
            other.startswith(key + "/") or key.startswith(other + "/") for other in job.shown
        ):
            key = f"{len(job.shown)}-{key.rsplit('/', 1)[-1]}"
        job.files.append(replace(tree.files[0], path=key))
        job.shown[key] = path
    except AssayError as error:
        job.left_out.append(_unreadable(path, str(error), Outcome.ERROR))


def _name_of_cache(root: Path) -> str:
    """`org/name` from `…/models--org--name/snapshots/<revision>`."""
    model = root.absolute().parent.parent.name
    if root.absolute().parent.name == "snapshots" and model.startswith(_HUB_CACHE):
        return model.removeprefix(_HUB_CACHE).replace("--", "/", 1)
    return ""


def _outcome_of(skipped: Skipped) -> Outcome:
    return Outcome.ERROR if "can't" in skipped.reason or "broken" in skipped.reason else Outcome.INCONCLUSIVE


def _unreadable(path: str, reason: str, outcome: Outcome) -> Target:
    shown = path.encode("utf-8", "backslashreplace").decode()
    return Target(shown, "", 0, "unread", outcome, (), (Unread(shown, reason),))


def _run(
    job: _Job, report: Report, limits: Limits, progress: Progress | None, inspectors: Iterable[Any] | None
) -> None:
    """Hash, inspect, and file what was found under the target it belongs to."""
    access = DirectoryFiles(Tree(tuple(job.files), ()))
    entries, failed = _hash(job.files, access, progress)
    job.left_out += [_unreadable(job.shown[path], reason, Outcome.ERROR) for path, reason in failed.items()]
    if not entries:
        report.targets += sorted(job.left_out, key=lambda target: target.path)
        return
    snapshot = Snapshot.of(entries, Origin(job.kind, job.uri, job.name))
    evidence = inspect(Subject(snapshot, access, limits), inspectors, progress)
    targets = _targets(snapshot, evidence, job.shown)
    report.targets += sorted([*targets, *job.left_out], key=lambda target: target.path)
    whole = Scanned(
        job.shown_root,
        job.name,
        str(snapshot.id),
        tuple(f for e in evidence for f in e.findings if not f.where.file),
        tuple(u for e in evidence for u in e.unread if not u.path),
        evidence,
    )
    report.snapshots.append(whole)


def _hash(
    files: list[TreeFile], access: FileAccess, progress: Progress | None
) -> tuple[list[FileEntry], dict[str, str]]:
    """SHA-256 of every file, large ones on all cores (hashlib releases the GIL)."""
    total, done = sum(file.size for file in files), 0
    entries: list[FileEntry] = []
    failed: dict[str, str] = {}

    def one(file: TreeFile) -> tuple[TreeFile, str | None, str]:
        try:
            return file, _sha256(access, file.path), ""
        except (ContentError, OSError) as error:
            return file, None, str(error)

    def keep(file: TreeFile, digest: str | None, reason: str) -> None:
        nonlocal done
        done += file.size
        if digest is None:
            failed[file.path] = reason
        else:
            entries.append(FileEntry(file.path, file.size, Digest(digest)))
        if progress:
            progress(f"hashing {file.path}", done, total)

    large = [file for file in files if file.size > _SMALL_BYTES]
    if large:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        with ThreadPoolExecutor(min(len(large), os.cpu_count() or 1)) as pool:
            for result in pool.map(one, sorted(large, key=lambda file: -file.size)):
                keep(*result)
    for file in files:
        if file.size <= _SMALL_BYTES:
            keep(*one(file))
    return entries, failed


def _sha256(access: FileAccess, path: str) -> str:
    with access.open(path) as stream:
        digest = hashlib.sha256()
        buffer = bytearray(_HASH_CHUNK_BYTES)
        view = memoryview(buffer)
        raw: Any = getattr(stream, "raw", stream)
        while count := raw.readinto(buffer):
            digest.update(view[:count])
        return digest.hexdigest()


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
