"""The last byte of a blob leaves only after the whole blob was hashed here and has not been touched since.

A stock client checks sizes, not digests, and resumes a broken download: withholding the end once is not enough, a later
request for the end alone must not give it either. So a blob is hashed while it is sent the first time; what was found
is remembered together with the file's inode, size and times, and forgotten when any of those changes.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from assay.core.errors import IntegrityError
from assay.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from assay.core.digest import Digest
    from assay.store.blobs import Blobs

_REMEMBERED = 100_000  # blobs; about 30 MB
_SETTLED_NS = 2_000_000_000  # a file changed less than this ago may change again without a new time stamp
TAIL = MIB  # bytes withheld until the whole is known to be right

_Mark = tuple[int, int, int, int]


class Integrity:
    """What is known about the blobs' bytes. Thread-safe."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: OrderedDict[Digest, tuple[_Mark, bool]] = OrderedDict()
        self._lock = threading.Lock()
        self._hashing: dict[Digest, threading.Lock] = {}

    def check(self, digest: Digest, size: int) -> None:
        """Raise IntegrityError when this blob is missing, has another size, or was found to be wrong before."""
        if self._blobs.size(digest) != size or self._verdict(digest) is False:
            raise _broken(digest)

    def send(self, digest: Digest, start: int, stop: int, size: int) -> Generator[bytes, None, None]:
        """Bytes `start` to `stop` (exclusive) of a blob of `size` bytes, in chunks of 1 MiB.

        Raises:
            IntegrityError: missing, shorter, or wrong; then the end was not given out.
        """
        if stop < size or start == stop:
            yield from self._blobs.stream(digest, start, stop)
            return
        self.check(digest, size)
        known = self._verdict(digest)
        if known is None and start == 0:
            with self._remembering(digest):
                yield from self._blobs.stream(digest)
            return
        tail = max(start, size - TAIL)
        yield from self._blobs.stream(digest, start, tail)
        if known is None:
            self.verify(digest, size)
        if tail == 0:  # `stream` of a whole blob would hash it again
            yield from self._blobs.stream(digest, 0, size // 2)
            tail = size // 2
        yield from self._blobs.stream(digest, tail, size)

    def verify(self, digest: Digest, size: int) -> None:
        """Hash the blob, unless that is known; one thread at a time for each blob.

        Raises:
            IntegrityError: it is wrong.
        """
        with self._lock:
            turn = self._hashing.setdefault(digest, threading.Lock())
        with turn:
            if self._verdict(digest) is None:
                with self._remembering(digest):
                    for _ in self._blobs.stream(digest):
                        pass
            self.check(digest, size)
        with self._lock:
            self._hashing.pop(digest, None)

    @contextmanager
    def _remembering(self, digest: Digest) -> Iterator[None]:
        """Remember how a whole read ends; a reader that goes away early says nothing."""
        mark = self._mark(digest)
        try:
            yield
        except IntegrityError:
            self._remember(digest, mark, right=False)
            raise
        self._remember(digest, mark, right=True)

    def _verdict(self, digest: Digest) -> bool | None:
        with self._lock:
            known = self._known.get(digest)
        return known[1] if known is not None and known[0] == self._mark(digest) else None

    def _remember(self, digest: Digest, mark: _Mark | None, *, right: bool) -> None:
        if mark is None or (right and time.time_ns() - mark[3] < _SETTLED_NS):
            return
        with self._lock:
            self._known[digest] = mark, right
            self._known.move_to_end(digest)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def _mark(self, digest: Digest) -> _Mark | None:
        """What changes when the file does; None when it is not on this machine's disk."""
        path = self._blobs.local_path(digest)
        if path is None:
            return None
        try:
            status = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _broken(digest: Digest) -> IntegrityError:
    return IntegrityError(f"blob {digest} is not what its name says", hint="restore it from a backup or vet it again")
