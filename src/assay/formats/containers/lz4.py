"""LZ4 frames (joblib's `compress="lz4"`): a decoder of our own, block by block.

LZ4 Frame Format Description 1.6.3 and LZ4 Block Format Description, by Yann Collet. Checksums are not verified: a wrong
one stops only some loaders, and what would be read is what counts.
"""

from __future__ import annotations

from assay.core.errors import ContentError
from assay.formats.containers.members import CHUNK_BYTES

MAGIC = b"\x04\x22\x4d\x18"
_WINDOW_BYTES = 1 << 16  # how far a match reaches back, into the blocks before too
_BLOCK_BYTES = {4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}  # by the frame's block size code
_VERSION, _CHECKED_BLOCKS, _SIZED, _CHECKED, _DICTIONARY = 0x40, 0x10, 0x08, 0x04, 0x01
_STORED = 1 << 31
_LONG = 15  # lengths from here on have further bytes
_SHORTEST_MATCH = 4


class Lz4:
    """One frame, fed in chunks (`inflate.Decompressor`)."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._output = b""
        self._history = b""
        self._flags = -1
        self._block_bytes = 0
        self._ended = False

    @property
    def eof(self) -> bool:
        """Whether the frame came to its end, and all of it was handed out."""
        return self._ended and not self._output

    @property
    def unused_data(self) -> bytes:
        """Input that was read beyond the end."""
        return bytes(self._input) if self._ended else b""

    @property
    def hungry(self) -> bool:
        """Whether it needs more input to go on."""
        return not self._output and not self._ended and self._need() > len(self._input)

    def step(self, data: bytes) -> bytes:
        """Up to a chunk of output (ValueError when the frame is broken)."""
        self._input += data
        if not self._output and not self._ended and self._need() <= len(self._input):
            self._advance()
        chunk, self._output = self._output[:CHUNK_BYTES], self._output[CHUNK_BYTES:]
        return chunk

    def _need(self) -> int:
        """Bytes of input until the next part of the frame is there."""
        data = self._input
        if self._flags < 0:
            if len(data) < 6:  # noqa: PLR2004 - magic, flags, block size
                return 7
            return 7 + (8 if data[4] & _SIZED else 0) + (4 if data[4] & _DICTIONARY else 0)
        if len(data) < 4:  # noqa: PLR2004
            return 4
        size = int.from_bytes(data[:4], "little")
        if not size:
            return 4 + (4 if self._flags & _CHECKED else 0)
        return 4 + (size & ~_STORED) + (4 if self._flags & _CHECKED_BLOCKS else 0)

    def _advance(self) -> None:
        size = self._need()
        part = bytes(self._input[:size])
        del self._input[:size]
        if self._flags < 0:
            self._begin(part)
            return
        stated = int.from_bytes(part[:4], "little")
        if not stated:
            self._ended = True
            return
        length = stated & ~_STORED
        if length > self._block_bytes:
            raise ValueError("a block is larger than the frame allows")
        body = part[4 : 4 + length]
        self._output = body if stated & _STORED else _block(body, self._history, self._block_bytes)
        self._history = (self._history + self._output)[-_WINDOW_BYTES:]

    def _begin(self, part: bytes) -> None:
        if not part.startswith(MAGIC) or part[4] & 0xC0 != _VERSION:
            raise ValueError("no LZ4 frame")
        if part[4] & _DICTIONARY:
            raise ContentError("the LZ4 frame needs a dictionary that is not in it")
        self._flags = part[4]
        self._block_bytes = _BLOCK_BYTES.get(part[5] >> 4 & 7, 0)


def _block(data: bytes, history: bytes, limit: int) -> bytes:
    """Expand one block; matches may reach back into `history` (ValueError when it is broken)."""
    out = bytearray(history)
    end, position, most = len(data), 0, len(history) + limit
    while position < end:
        token = data[position]
        position += 1
        literals = token >> 4
        if literals:
            if literals == _LONG:
                literals, position = _length(data, position)
            if position + literals > end or len(out) + literals > most:
                raise ValueError("literals past the end of a block")
            out += data[position : position + literals]
            position += literals
        if position == end:
            break
        offset = int.from_bytes(data[position : position + 2], "little")
        position += 2
        match = (token & _LONG) + _SHORTEST_MATCH
        if match == _LONG + _SHORTEST_MATCH:
            more, position = _length(data, position)
            match += more - _LONG
        start = len(out) - offset
        if not offset or start < 0 or len(out) + match > most:
            raise ValueError("a match outside of the block")
        if match <= offset:
            out += out[start : start + match]
        else:
            out += (out[start:] * (match // offset + 1))[:match]
    return bytes(out[len(history) :])


def expand_block(data: bytes, limit: int) -> bytes:
    """A block without a frame around it, up to `limit` bytes (ValueError when it is broken)."""
    return _block(data, b"", limit)


def _length(data: bytes, position: int) -> tuple[int, int]:
    """A long length with its further bytes, and the position behind them."""
    value = _LONG
    while position < len(data):
        more = data[position]
        position += 1
        value += more
        if more != 255:  # noqa: PLR2004
            return value, position
    raise ValueError("a length past the end of a block")
