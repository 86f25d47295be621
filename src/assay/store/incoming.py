"""One blob on its way into a local directory: hashed and written at the same time, named only when it is whole.

Durability: the bytes are flushed to the disk (fsync) *before* the file gets the name of its digest, and the directory
after. So neither `kill -9` nor a power cut can leave wrong bytes under a digest: a name stands for whole content.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import queue
import threading
import uuid
from typing import TYPE_CHECKING, Self

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault
from assay.core.limits import MIB

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CHUNK = 4 * MIB  # bytes; large enough that thread hand-over costs nothing, small enough to stay in a CPU's cache
_THREAD_FROM = 16 * MIB  # bytes; below it a writer thread costs more than it saves
_AHEAD = 4  # chunks that may wait for the writer


def disk_fault(error: OSError, doing: str) -> EnvironmentFault:
    """Say what the disk's refusal means and what to do about it."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = "free some space, or point ASSAY_BLOBS_URL elsewhere, and run the command again"
        return EnvironmentFault(f"disk full while {doing}", hint=hint)
    return EnvironmentFault(f"{error.strerror or error} while {doing}", hint="check the directory and its permissions")


class Incoming:
    """A temporary file that takes bytes and says their digest. Use as a context manager; it always cleans up.

    Another process's clean-up leaves it alone as long as this process lives: it holds a lock on the file, which the
    kernel lifts when the process dies, however it dies.
    """

    def __init__(self, directory: Path) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._path, self._descriptor = _create(directory)
        self._queue: queue.Queue[bytes | memoryview | None] = queue.Queue(_AHEAD)
        self._thread: threading.Thread | None = None
        self._failed: OSError | None = None

    @property
    def path(self) -> Path:
        """Where the bytes lie for now."""
        return self._path

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes. `data` must not change afterwards."""
        if self._failed is not None:
            raise disk_fault(self._failed, "storing a file")
        if self._thread is None and self.size >= _THREAD_FROM:
            self._thread = threading.Thread(target=self._drain, name="assay-blob-writer", daemon=True)
            self._thread.start()
        self.size += len(data)
        if self._thread is not None:
            self._queue.put(data)
            self._hash.update(data)
            return
        self._hash.update(data)
        try:
            _write(self._descriptor, data)
        except OSError as error:
            raise disk_fault(error, "storing a file") from error

    def finish(self) -> Digest:
        """All bytes on the disk, read-only; returns their digest."""
        self._join()
        if self._failed is not None:
            raise disk_fault(self._failed, "storing a file")
        try:
            os.fchmod(self._descriptor, 0o444)
            os.fsync(self._descriptor)
        except OSError as error:
            raise disk_fault(error, "storing a file") from error
        return Digest(self._hash.hexdigest())

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not renamed."""
        self._join()
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _join(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _drain(self) -> None:
        """The writer: keeps taking chunks after a failure, so that `feed` never blocks on a full queue."""
        while (data := self._queue.get()) is not None:
            if self._failed is None:
                try:
                    _write(self._descriptor, data)
                except OSError as error:
                    self._failed = error


def _create(directory: Path) -> tuple[Path, int]:
    while True:
        path = directory / uuid.uuid4().hex
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise disk_fault(error, f"creating a file in {directory}") from error
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # a clean-up took it between the two calls: once more, under a new name


def _write(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_stale(directory: Path) -> int:
    """Remove temporary files whose process is dead; returns how many."""
    removed = 0
    for path in directory.iterdir():
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # gone, or not ours to open
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            removed += 1
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    return removed


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
