"""Bytes on their way out, checked against their digest before the last of them leaves."""

from __future__ import annotations

import hashlib
import queue
import threading
from typing import TYPE_CHECKING

from assay.core.limits import MIB
from assay.store.layout import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.digest import Digest

_THREAD_FROM = 16 * MIB  # bytes; below it a thread costs more than it saves
_AHEAD = 4  # chunks that may wait for the hash


def verified(chunks: Iterator[bytes], digest: Digest, size: int) -> Iterator[bytes]:
    """Pass `chunks` on; the last one only when all of them together are what `digest` says.

    Large blobs are hashed by a second thread while the reader does something with the chunk before.

    Args:
        chunks: the whole blob.
        digest: what it must be.
        size: bytes, to choose how.

    Raises:
        IntegrityError: instead of the last chunk.
    """
    check = _Threaded() if size >= _THREAD_FROM else _Plain()
    held = b""
    try:
        for chunk in chunks:
            if held:
                yield held
            check.update(chunk)
            held = chunk
    finally:
        said = check.finish()
    if said != digest.hex:
        raise damaged(digest, "is not what its name says")
    if held:
        yield held


class _Plain:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        self._hash.update(chunk)

    def finish(self) -> str:
        return self._hash.hexdigest()


class _Threaded:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._thread = threading.Thread(target=self._run, name="assay-blob-check", daemon=True)
        self._thread.start()

    def update(self, chunk: bytes) -> None:
        self._queue.put(chunk)

    def finish(self) -> str:
        self._queue.put(None)
        self._thread.join()
        return self._hash.hexdigest()

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._hash.update(chunk)
