"""Zstandard frames block by block (RFC 8878): each step feeds one block, which gives 128 KiB at most."""

from __future__ import annotations

from typing import Any

from assay.core.errors import ContentError

MAGIC = 0xFD2FB528
_SKIPPABLE, _SKIPPABLE_MASK = 0x184D2A50, 0xFFFFFFF0
_WINDOW_BYTES = 128 << 20  # `zstd --ultra -22 --long` needs 128 MiB; a larger window is an attack on memory
_FIRST_BYTES = 5  # magic number and descriptor
_BLOCK_HEADER_BYTES, _CHECKSUM_BYTES = 3, 4
_RLE, _RESERVED = 1, 3


class Zstd:
    """One frame (a `Decompressor`); skippable frames before it are stepped over."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - only for archives that need it

        self._error = zstandard.ZstdError
        self._inner: Any = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()
        self._buffer = bytearray()
        self._skip = 0
        self._need = _FIRST_BYTES
        self._place = "header"
        self._checksum = 0

    @property
    def eof(self) -> bool:
        """Whether the frame came to its end."""
        return self._place == "end"

    @property
    def unused_data(self) -> bytes:
        """Input behind the frame."""
        return bytes(self._buffer) if self.eof else b""

    @property
    def hungry(self) -> bool:
        """Whether the next block is not there as a whole."""
        return len(self._buffer) < self._need

    def step(self, data: bytes) -> bytes:
        """One block; ContentError when it is broken."""
        self._buffer += data
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
            self._need = min(self._skip, 1) or _FIRST_BYTES
            return b""
        if self._place == "header":
            return self._header()
        if len(self._buffer) < self._need:
            return b""
        if self._place == "size":
            self._block()
            return b""
        return self._feed(self._need)

    def _header(self) -> bytes:
        magic = int.from_bytes(self._buffer[:4], "little")
        if len(self._buffer) >= 8 and magic & _SKIPPABLE_MASK == _SKIPPABLE:  # noqa: PLR2004
            self._skip = 8 + int.from_bytes(self._buffer[4:8], "little")
            self._need = 1
            return b""
        if len(self._buffer) > 4 and magic != MAGIC:  # noqa: PLR2004
            raise ContentError("no zstd frame")
        if len(self._buffer) < _FIRST_BYTES:
            self._need = _FIRST_BYTES
            return b""
        descriptor = self._buffer[4]
        single, dictionary = descriptor >> 5 & 1, (0, 1, 2, 4)[descriptor & 3]
        content = (single, 2, 4, 8)[descriptor >> 6]
        length = 5 + (1 - single) + dictionary + content
        self._checksum = _CHECKSUM_BYTES if descriptor >> 2 & 1 else 0
        if len(self._buffer) < length:
            self._need = length
            return b""
        self._place = "header-fed"
        return self._feed(length)

    def _block(self) -> None:
        header = int.from_bytes(self._buffer[:_BLOCK_HEADER_BYTES], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if kind == _RESERVED:
            raise ContentError("broken zstd block")
        self._place = "last" if last else "block"
        self._need = _BLOCK_HEADER_BYTES + (1 if kind == _RLE else size) + (self._checksum if last else 0)

    def _feed(self, length: int) -> bytes:
        piece = bytes(self._buffer[:length])
        del self._buffer[:length]
        try:
            out: bytes = self._inner.decompress(piece)
        except self._error as error:
            raise ContentError(f"broken compressed data: {error}") from error
        self._place, self._need = ("end", 0) if self._place == "last" else ("size", _BLOCK_HEADER_BYTES)
        return out
