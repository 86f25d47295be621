"""Little-endian fields of an HDF5 file, every read checked against the file's end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from assay.core.limits import Limits

_MAX_READS = 2_000_000  # reads of one file: a tree that leads in circles ends here at the latest
_MAX_BYTES = 4 << 30  # read of one file, structures that lie over each other included


@dataclass
class Source:
    """A stream with the sizes that its superblock states.

    Attributes:
        stream: seekable.
        size: bytes.
        limits: when to stop.
        base: address 0 of the file's own addresses.
        offset_bytes: size of an address (2, 4 or 8).
        length_bytes: size of a length.
        heaps: address of a global heap collection → number of an object → where it lies, and its length.
    """

    stream: BinaryIO
    size: int
    limits: Limits
    base: int = 0
    offset_bytes: int = 8
    length_bytes: int = 8
    heaps: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict, repr=False)
    _reads: int = field(default=0, repr=False)
    _bytes: int = field(default=0, repr=False)

    @property
    def undefined(self) -> int:
        """The address that means nowhere."""
        return (1 << (8 * self.offset_bytes)) - 1

    def read(self, address: int, length: int) -> bytes:
        """`length` bytes at a file address.

        Raises:
            ContentError: when they lie outside the file.
            LimitExceeded: when more than `header_bytes` are asked for, or the reads do not end.
        """
        start = self.base + address
        if length < 0 or start < 0 or start + length > self.size:
            msg = f"{length} bytes at {start} lie outside the file of {self.size} bytes"
            raise ContentError(msg)
        if length > self.limits.header_bytes:
            raise LimitExceeded("header_bytes", f"a structure of {length} bytes at {start}")
        self._reads += 1
        self._bytes += length
        if self._reads > _MAX_READS or self._bytes > _MAX_BYTES:
            raise LimitExceeded("members", "the file's structures do not end")
        self.stream.seek(start)
        data = self.stream.read(length)
        if len(data) != length:
            msg = f"cut off at {start + len(data)}"
            raise ContentError(msg)
        return data

    def window(self, address: int, length: int) -> bytes:
        """Up to `length` bytes at an address: fewer at the file's end."""
        return self.read(address, max(0, min(length, self.size - self.base - address)))

    def cursor(self, data: bytes, position: int = 0) -> Cursor:
        """A cursor over bytes already read."""
        return Cursor(data, self, position)


class Cursor:
    """Reads fields one after the other; past the end is a ContentError."""

    def __init__(self, data: bytes, source: Source, position: int = 0) -> None:
        self.data = data
        self.source = source
        self.position = position

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        end = self.position + length
        if length < 0 or end > len(self.data):
            msg = f"a field of {length} bytes passes the end of its structure"
            raise ContentError(msg)
        result = self.data[self.position : end]
        self.position = end
        return result

    def integer(self, length: int) -> int:
        """An unsigned integer of `length` bytes."""
        return int.from_bytes(self.take(length), "little")

    def address(self) -> int:
        """An address."""
        return self.integer(self.source.offset_bytes)

    def length(self) -> int:
        """A length."""
        return self.integer(self.source.length_bytes)

    def expect(self, signature: bytes) -> None:
        """A signature that must stand here."""
        found = self.take(len(signature))
        if found != signature:
            msg = f"expected {signature!r}, found {found!r}"
            raise ContentError(msg)

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.position
