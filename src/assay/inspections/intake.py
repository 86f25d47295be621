"""What a scan is given: paths become jobs, each one snapshot to be; what can't be read is kept with its reason.

Each directory is one snapshot; files and standard input that are given together are one more.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from assay.core.digest import Digest
from assay.core.errors import AssayError, ContentError, EnvironmentFault, LimitExceeded, UsageError
from assay.core.evidence import Outcome, Unread
from assay.core.snapshot import FileEntry
from assay.formats.containers.members import slice_of
from assay.inspections.report import Target
from assay.store.tree import DirectoryFiles, Skipped, Tree, TreeFile, list_tree

if TYPE_CHECKING:
    from assay.core.inspector import FileAccess
    from assay.core.limits import Limits

Progress = Callable[[str, int, int], None]

STANDARD_INPUT = "-"
_HASH_CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 1 << 17  # hashing less than this is quicker than handing it to a thread
_KEPT_BYTES = 32 << 20  # of small files, kept between hashing and inspecting
_REPORT_BYTES = 16 << 20  # between two calls of the progress bar
_HUB_CACHE = "models--"


@dataclass
class Job:
    """Files that are inspected together.

    Attributes:
        root: the directory as given; empty for files.
        uri: for the origin.
        kind: for the origin.
        name: claimed `org/name`.
        files: to be hashed; empty when `entries` are known already.
        entries: files with their digests.
        shown: path as the user would write it, by path in the snapshot.
        left_out: targets that can't be read.
        access: the bytes; a directory's own when None.
    """

    root: str
    uri: str
    kind: str
    name: str
    files: list[TreeFile] = field(default_factory=list)
    entries: list[FileEntry] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    left_out: list[Target] = field(default_factory=list)
    access: FileAccess | None = None
    held: dict[str, BinaryIO] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)

    def add(self, path: str, file: TreeFile) -> None:
        """Add a file that was given by itself. Its key is its path, made plain and unique."""
        parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
        key = "/".join(parts) or "file"
        while key in self.shown or key in self._folders or any(parent in self.shown for parent in _parents(key)):
            key = f"{len(self.shown)}-{key.rsplit('/', 1)[-1]}"
        self._folders.update(_parents(key))
        self.files.append(replace(file, path=key))
        self.shown[key] = path

    def open_files(self) -> FileAccess:
        """Access to the bytes."""
        return self.access or _Files(DirectoryFiles(Tree(tuple(self.files), ())), self.held)


class _Files:
    """Files of a directory, and streams that are held open (standard input)."""

    def __init__(self, directory: DirectoryFiles, held: dict[str, BinaryIO]) -> None:
        self._directory = directory
        self._held = held
        self._small: dict[str, bytes] = {}
        self._room = _KEPT_BYTES

    def keep(self, path: str, data: bytes) -> None:
        """Keep the bytes that were hashed, while there is room: what is inspected is then the same for sure."""
        if len(data) <= self._room:
            self._small[path] = data
            self._room -= len(data)

    def open(self, path: str) -> BinaryIO:
        """As `FileAccess.open`."""
        if (data := self._small.get(path)) is not None:
            return BytesIO(data)
        if (stream := self._held.get(path)) is not None:
            return slice_of(stream, 0, stream.seek(0, os.SEEK_END))
        return self._directory.open(path)


def _parents(key: str) -> Iterator[str]:
    position = key.find("/")
    while position > 0:
        yield key[:position]
        position = key.find("/", position + 1)


def jobs_of(paths: list[str], name: str, limits: Limits, standard_input: BinaryIO | None = None) -> list[Job]:
    """Jobs for paths, in the order given; single files last.

    Raises:
        UsageError: for no path, one that does not exist, or `-` without an input.
        EnvironmentFault: when a directory can't be listed, or standard input can't be kept.
    """
    jobs: list[Job] = []
    files = Job("", "", "file", name)
    for path in dict.fromkeys(paths):
        if path == STANDARD_INPUT:
            _standard_input(files, standard_input, limits)
        elif not os.path.lexists(path):
            raise UsageError(f"no such file or directory: {path}", hint="check the path")
        elif os.path.isdir(path):  # noqa: PTH112
            jobs.append(_directory(path, name, limits))
        else:
            try:
                files.add(path, list_tree(Path(path)).files[0])
            except AssayError as error:
                files.left_out.append(unreadable(path, str(error), Outcome.ERROR))
    if files.files or files.left_out:
        files.uri = "file:" + ",".join(sorted(files.shown.values()))[:1000]
        jobs.append(files)
    return jobs


def _directory(path: str, name: str, limits: Limits) -> Job:
    root = Path(path)
    job = Job(path.rstrip("/") or "/", root.resolve().as_uri(), "directory", name or name_of_cache(root))
    try:
        tree = list_tree(root, limits)
    except LimitExceeded as error:
        job.left_out.append(unreadable(path, str(error), Outcome.INCONCLUSIVE))
        return job
    job.files = list(tree.files)
    prefix = "" if path == "." else job.root.rstrip("/") + "/"
    job.shown = {file.path: prefix + file.path for file in tree.files}
    for skipped in tree.skipped:
        shown = prefix + skipped.path if skipped.path else job.root
        job.left_out.append(unreadable(shown, skipped.reason, _outcome_of(skipped)))
    return job


def _standard_input(job: Job, source: BinaryIO | None, limits: Limits) -> None:
    """Keep standard input in an anonymous file, up to the limit."""
    if source is None:
        raise UsageError("standard input is not open", hint="give a file or a directory")
    held = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - lives as long as the scan
    size = 0
    try:
        while chunk := source.read(_HASH_CHUNK_BYTES):
            size += len(chunk)
            if size > limits.expanded_bytes:
                reason = f"more than {limits.expanded_bytes} bytes on standard input"
                job.left_out.append(unreadable(STANDARD_INPUT, reason, Outcome.INCONCLUSIVE))
                held.close()
                return
            held.write(chunk)
    except OSError as error:
        held.close()
        raise EnvironmentFault(f"can't keep standard input: {error}", hint="make room in $TMPDIR") from error
    job.add(STANDARD_INPUT, TreeFile(STANDARD_INPUT, Path(STANDARD_INPUT), size))
    job.held[job.files[-1].path] = held


def name_of_cache(root: Path) -> str:
    """`org/name` from `…/models--org--name/snapshots/<revision>`, else empty."""
    model = root.absolute().parent.parent.name
    if root.absolute().parent.name == "snapshots" and model.startswith(_HUB_CACHE):
        return model.removeprefix(_HUB_CACHE).replace("--", "/", 1)
    return ""


def _outcome_of(skipped: Skipped) -> Outcome:
    return Outcome.ERROR if "can't" in skipped.reason or "broken" in skipped.reason else Outcome.INCONCLUSIVE


def unreadable(path: str, reason: str, outcome: Outcome) -> Target:
    """A target for something that can't be read."""
    shown = path.encode("utf-8", "backslashreplace").decode()
    return Target(shown, "", 0, "unread", outcome, (), (Unread(shown, reason),))


def hash_files(
    files: list[TreeFile], access: FileAccess, progress: Progress | None
) -> tuple[list[FileEntry], dict[str, str]]:
    """SHA-256 of every file, large ones on all cores (hashlib releases the GIL); and why others can't be read."""
    entries: list[FileEntry] = []
    failed: dict[str, str] = {}
    advance = _Advance(sum(file.size for file in files), progress)

    def one(file: TreeFile) -> tuple[TreeFile, str | None, str]:
        try:
            return file, _sha256(access, file, advance), ""
        except (ContentError, OSError) as error:
            return file, None, str(error)

    def keep(file: TreeFile, digest: str | None, reason: str) -> None:
        if digest is None:
            failed[file.path] = reason
        else:
            entries.append(FileEntry(file.path, file.size, Digest(digest)))

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


class _Advance:
    """Adds up bytes from several threads and reports them now and then."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._reported = 0
        self._lock = Lock()

    def __call__(self, path: str, size: int) -> None:
        if self._progress is None:
            return
        with self._lock:
            self._done += size
            if self._done - self._reported >= _REPORT_BYTES or self._done >= self._total:
                self._reported = self._done
                self._progress(f"hashing {path}", self._done, self._total)


def _sha256(access: FileAccess, file: TreeFile, advance: _Advance) -> str:
    with access.open(file.path) as stream:
        if file.size <= _SMALL_BYTES:
            advance(file.path, file.size)
            data = stream.read()
            if isinstance(access, _Files):
                access.keep(file.path, data)
            return hashlib.sha256(data).hexdigest()
        digest = hashlib.sha256()
        buffer = bytearray(_HASH_CHUNK_BYTES)
        view = memoryview(buffer)
        raw: Any = getattr(stream, "raw", stream)
        while count := raw.readinto(buffer):
            digest.update(view[:count])
            advance(file.path, count)
        return digest.hexdigest()
