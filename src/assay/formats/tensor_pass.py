"""The digest of every tensor in the same pass as the file's: while its bytes go into the store, on a second core.

Only for files whose header comes first (safetensors, GGUF) and that are large enough for a thread to pay. What is not
learnt here is read again by who needs it, so that nothing depends on this.
"""

from __future__ import annotations

import hashlib
import io
import queue
import threading
from typing import TYPE_CHECKING, Self

from assay.core.errors import ContentError
from assay.core.limits import MIB
from assay.formats.tensor_list import tensors_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assay.core.digest import Digest
    from assay.core.limits import Limits
    from assay.core.ranges import Ranges
    from assay.formats.tensor_place import Place

FROM_BYTES = 16 * MIB
_AHEAD = 4  # chunks that may wait for the thread
_GGUF_FIRST = 1 * MIB  # of a GGUF file, before its header is tried; doubled until it is whole
_LENGTH_BYTES = 8


class TensorWatch:
    """Watches files on their way into the store (`core.ranges.Watch`)."""

    def __init__(self, limits: Limits) -> None:
        """`limits`: of headers and entries, as for the inspectors."""
        self._limits = limits
        self._known: dict[Digest, Ranges] = {}

    def file(self, size: int) -> _Pass:
        """Begin with a file; a small one is let through."""
        return _Pass(size, self._limits, self._known)

    def known(self) -> Mapping[Digest, Ranges]:
        """Digests of tensors, by the digest of the file."""
        return self._known


class _Pass:
    """One file. A context manager: however it ends, the thread ends."""

    def __init__(self, size: int, limits: Limits, known: dict[Digest, Ranges]) -> None:
        self._reader = TensorDigests(size, limits)
        self._known = known
        self._queue: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._thread: threading.Thread | None = None
        if size >= FROM_BYTES:
            self._thread = threading.Thread(target=self._drain, name="assay-tensor-digests", daemon=True)

    def __enter__(self) -> Self:
        """Itself."""
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the thread end."""
        self._join()

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks; each is also hashed by tensor."""
        for chunk in chunks:
            if self._thread is not None:
                self._queue.put(chunk)
            yield chunk

    def keep(self, digest: Digest) -> None:
        """Remember what was learnt, under the digest of the whole."""
        self._join()
        if found := self._reader.digests():
            self._known[digest] = found

    def _join(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _drain(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._reader.feed(chunk)


class TensorDigests:
    """Digests of the tensors of one file, fed from its first byte to its last."""

    def __init__(self, size: int, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._head: bytearray | None = bytearray()  # None: the header is read, or there is none
        self._wanted = _LENGTH_BYTES + 1
        self._places: list[Place] = []
        self._at = 0  # offset of the next byte
        self._next = 0  # the tensor that comes next, or is under way
        self._hash = hashlib.sha256()
        self._digests: Ranges = {}

    def digests(self) -> Ranges:
        """SHA-256 of every tensor that passed whole, by its first byte and its size."""
        return self._digests

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._head is not None:
            self._head += data
            if len(self._head) < min(self._wanted, self._size) or not self._read_header(bytes(self._head)):
                return
            data, self._head = bytes(self._head), None
        self._hash_tensors(memoryview(data))

    def _read_header(self, head: bytes) -> bool:
        """Whether it needs no more bytes: the header was read, or this is no file for it."""
        gguf = head[:4] == b"GGUF"
        if not gguf and self._wanted == _LENGTH_BYTES + 1:
            length = int.from_bytes(head[:_LENGTH_BYTES], "little")
            if head[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{" or length > self._limits.header_bytes:
                return True
            self._wanted = _LENGTH_BYTES + length
            if len(head) < min(self._wanted, self._size):
                return False
        try:
            places = tensors_in(io.BytesIO(head), self._size, ("gguf" if gguf else "safetensors",), self._limits)
        except ContentError:
            self._wanted = max(2 * len(head), _GGUF_FIRST)
            return not gguf or len(head) >= min(self._size, self._limits.header_bytes)
        self._places = _apart(places)
        return True

    def _hash_tensors(self, view: memoryview) -> None:
        """Hash what of the chunk belongs to tensors."""
        start, end = self._at, self._at + len(view)
        while self._next < len(self._places):
            place = self._places[self._next]
            if place.start >= end:
                break
            stop = place.start + place.size
            self._hash.update(view[max(place.start - start, 0) : stop - start])
            if stop > end:
                break
            self._digests[place.start, place.size] = self._hash.hexdigest()
            self._hash = hashlib.sha256()
            self._next += 1
        self._at = end


def _apart(places: Iterable[Place]) -> list[Place]:
    """In order, without those that overlap the one before: a hostile header must not make one byte cost a thousand."""
    found: list[Place] = []
    reached = 0
    for place in sorted(places, key=lambda one: (one.start, one.size)):
        if place.start >= reached and not place.stride:
            found.append(place)
            reached = place.start + place.size
    return found
