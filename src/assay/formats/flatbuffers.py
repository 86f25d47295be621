"""FlatBuffers by offsets: tables, vectors and texts, each offset checked before it is followed.

Source: https://flatbuffers.dev/internals/. Nothing is verified beyond what is read, and reading is counted: a buffer
whose offsets lead in circles ends at a limit.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

_BLOCK: Final = 1 << 16  # bytes read at once
_MAX_READS: Final = 20_000_000


class FlatBuffer:
    """A file of one root table."""

    def __init__(self, stream: BinaryIO, size: int, limits: Limits) -> None:
        self._stream = stream
        self.size = size
        self.limits = limits
        self._blocks: dict[int, bytes] = {}
        self._reads = 0

    def bytes(self, position: int, length: int) -> bytes:
        """`length` bytes at a position.

        Raises:
            ContentError: outside the file.
            LimitExceeded: for more than `text_bytes`, or when reading does not end.
        """
        if position < 0 or length < 0 or position + length > self.size:
            msg = f"{length} bytes at {position} lie outside the file of {self.size} bytes"
            raise ContentError(msg)
        self._reads += 1
        if length > self.limits.text_bytes or self._reads > _MAX_READS:
            raise LimitExceeded("text_bytes", f"a field of {length} bytes at {position}")
        index = position // _BLOCK
        block = self._blocks.get(index)
        if block is None:
            if len(self._blocks) > 64:  # noqa: PLR2004 - 4 MiB
                self._blocks.clear()
            self._stream.seek(index * _BLOCK)
            block = self._blocks[index] = self._stream.read(_BLOCK)
        offset = position - index * _BLOCK
        if offset + length <= len(block):
            return block[offset : offset + length]
        self._stream.seek(position)
        data = self._stream.read(length)
        if len(data) != length:
            msg = f"cut off at {position + len(data)}"
            raise ContentError(msg)
        return data

    def number(self, position: int, form: str) -> int:
        """One little-endian integer."""
        return int(struct.unpack("<" + form, self.bytes(position, struct.calcsize("<" + form)))[0])

    def root(self) -> Table:
        """The root table."""
        return Table(self, self.number(0, "I"))


@dataclass(frozen=True)
class Table:
    """One table."""

    buffer: FlatBuffer
    position: int

    def field(self, index: int) -> int:
        """Position of a field's value; 0 when it is not there."""
        vtable = self.position - self.buffer.number(self.position, "i")
        length = self.buffer.number(vtable, "H")
        slot = 4 + 2 * index
        if slot + 2 > length:
            return 0
        offset = self.buffer.number(vtable + slot, "H")
        return self.position + offset if offset else 0

    def integer(self, index: int, form: str, default: int = 0) -> int:
        """A scalar field."""
        position = self.field(index)
        return self.buffer.number(position, form) if position else default

    def text(self, index: int, limit: int = 10_000) -> str:
        """A text field, cut to `limit` bytes; empty when it is not there."""
        start, count = self.vector(index, 1)
        return self.buffer.bytes(start, min(count, limit)).decode("utf-8", "replace") if count else ""

    def vector(self, index: int, item_bytes: int) -> tuple[int, int]:
        """(position of the first item, number of items) of a vector field; (0, 0) when it is not there."""
        position = self.field(index)
        if not position:
            return 0, 0
        start = position + self.buffer.number(position, "I")
        count = self.buffer.number(start, "I")
        if count * item_bytes > self.buffer.size - start - 4:
            msg = f"a vector of {count} items at {start} passes the end of the file"
            raise ContentError(msg)
        return start + 4, count

    def table(self, index: int) -> Table | None:
        """A table field."""
        position = self.field(index)
        return Table(self.buffer, position + self.buffer.number(position, "I")) if position else None

    def tables(self, index: int) -> Iterator[Table]:
        """Tables of a vector field.

        Raises:
            LimitExceeded: for more than `members` tables.
        """
        start, count = self.vector(index, 4)
        if count > self.buffer.limits.members * 10:
            raise LimitExceeded("members", f"a vector of {count} tables")
        for number in range(count):
            here = start + 4 * number
            yield Table(self.buffer, here + self.buffer.number(here, "I"))
