"""A window over a seekable stream: bounded memory, however long the pickle and its literals are."""

from __future__ import annotations

from typing import BinaryIO

WINDOW_BYTES = 1 << 18  # larger windows gain nothing, and unpacking a segment costs at most one window
LINE_BYTES = 1 << 20  # one text line of protocol 0; more is a literal that no pickler writes


class Source:
    """Reads a stream in windows.

    Attributes:
        data: bytes of the present window.
        base: offset in the stream of `data[0]`.
        size: bytes in the stream.
    """

    def __init__(self, stream: BinaryIO, size: int, window: int = WINDOW_BYTES) -> None:
        self._stream = stream
        self._window = window
        self.size = size
        self.data = b""
        self.base = 0

    def load(self, offset: int, need: int = 1) -> None:
        """Make `data` begin at `offset` and hold at least `need` bytes when the stream has them."""
        self._stream.seek(offset)
        wanted = min(max(need, self._window), max(self.size - offset, 0))
        parts = []
        while wanted > 0:
            part = self._stream.read(wanted)
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
        self.data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.base = offset

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; the window stays as it is."""
        inside = offset - self.base
        if inside >= 0 and inside + count <= len(self.data):
            return self.data[inside : inside + count]
        self._stream.seek(offset)
        return self._stream.read(min(count, max(self.size - offset, 0)))

    def find(self, byte: bytes, offset: int, end: int) -> int:
        """Where `byte` first lies from `offset` to before `end`, or -1; the window stays as it is."""
        self._stream.seek(offset)
        while offset < end:
            block = self._stream.read(min(LINE_BYTES, end - offset))
            if not block:
                break
            if (found := block.find(byte)) >= 0:
                return offset + found
            offset += len(block)
        return -1
