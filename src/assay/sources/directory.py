"""A local directory, or one file, as a snapshot in the store."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, SourceError
from assay.core.name import check_name
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.provenance.oms import STATEMENTS_DIRECTORY
from assay.store.incoming import CHUNK
from assay.store.tree import DirectoryFiles, list_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from assay.core.limits import Limits
    from assay.core.ranges import Watch
    from assay.store.blobs import Blobs
    from assay.store.tree import Skipped, Tree, TreeFile

# What lies there is no part of a model: `assay attest export` writes statements, and git keeps what it knows.
_BESIDE = (f"{STATEMENTS_DIRECTORY}/", ".git/")
_SHOWN = 3  # refused entries named in one message
_SMALL_BYTES = 1 << 20  # below this a file costs its flush to the disk, not its bytes
_WRITERS = 8  # flushes under way at once


def fetch_directory(
    path: Path,
    name: str,
    blobs: Blobs,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    limits: Limits | None = None,
    watch: Watch | None = None,
) -> Snapshot:
    """Store every file of `path` and return the snapshot.

    Each byte is read once, hashed and written as it passes. What can't be part of a snapshot (links that lead out of
    the root, pipes, unreadable files) refuses the whole: a snapshot that leaves something out would be a lie. The
    top-level `.assay/` is left out, since it holds statements about the model, and so is `.git/`, whose files change
    without the model and are nothing that a client loads (`sources.git_history` reads its commits).

    Args:
        path: directory or single file; a hub client's cache folder is fine.
        name: `org/name` it claims to be; empty for none.
        blobs: where the bytes go.
        progress: called with (path, bytes done, bytes in total).
        limits: how many entries are too many.
        watch: sees every file as it passes.

    Raises:
        UsageError: no such path, or `name` is not a model name.
        SourceError: empty, something in it can't be taken, or a file changed while it was read.
        EnvironmentFault: unreadable root, disk full.
    """
    if name:
        check_name(name)
    try:
        tree = list_tree(path, limits)
        files = _take(tree, blobs, progress or (lambda _what, _done, _total: None), watch)
        kind = "directory" if path.is_dir() else "file"
        return Snapshot.of(files, Origin(kind, path.resolve().as_uri(), name))
    except ContentError as error:
        raise SourceError(f"{path}: {error}", hint="nothing was published; mend the directory and try again") from error


def _take(tree: Tree, blobs: Blobs, progress: Callable[[str, int, int], None], watch: Watch | None) -> list[FileEntry]:
    if skipped := [entry for entry in tree.skipped if not f"{entry.path}/".startswith(_BESIDE)]:
        raise ContentError(_refusal(skipped))
    wanted = [file for file in tree.files if not file.path.startswith(_BESIDE)]
    tally = _Tally(sum(file.size for file in wanted), progress)
    access = DirectoryFiles(tree)

    def take(file: TreeFile) -> FileEntry:
        with access.open(file.path) as stream:
            before = _identity(stream)
            digest, size = blobs.put_watched(_read(stream, file, tally), file.size, watch)
            if size != file.size or _identity(stream) != before:
                raise _changed(file)
        return FileEntry(file.path, size, digest)

    large = [take(file) for file in wanted if file.size > _SMALL_BYTES]
    with ThreadPoolExecutor(_WRITERS) as pool:
        small = [pool.submit(take, file) for file in wanted if file.size <= _SMALL_BYTES]
        try:
            return large + [future.result() for future in small]
        finally:
            pool.shutdown(cancel_futures=True)


class _Tally:
    """Bytes taken so far, over all threads; tells the caller's progress."""

    def __init__(self, total: int, progress: Callable[[str, int, int], None]) -> None:
        self._total, self._progress = total, progress
        self._done, self._lock = 0, Lock()

    def add(self, path: str, count: int) -> None:
        with self._lock:
            self._done += count
            self._progress(path, self._done, self._total)


def _refusal(skipped: list[Skipped]) -> str:
    shown = "; ".join(f"{entry.path[:200]!r}: {entry.reason}" for entry in skipped[:_SHOWN])
    rest = len(skipped) - _SHOWN
    return f"can't be taken whole: {shown}" + (f"; and {rest} more" if rest > 0 else "")


def _changed(file: TreeFile) -> ContentError:
    return ContentError(f"changed while it was being read: {file.path[:200]!r}")


def _identity(stream: BinaryIO) -> tuple[int, int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(stream: BinaryIO, file: TreeFile, tally: _Tally) -> Iterator[bytes]:
    """Chunks of the file; an error as soon as there is more than was listed (a file that is still growing)."""
    tally.add(file.path, 0)
    descriptor = stream.fileno()
    left = file.size
    while True:
        try:
            chunk = os.read(descriptor, CHUNK)
        except OSError as error:
            raise ContentError(f"can't read {file.path[:200]!r}: {error.strerror or error}") from error
        if not chunk:
            return
        left -= len(chunk)
        if left < 0:
            raise _changed(file)
        tally.add(file.path, len(chunk))
        yield chunk
