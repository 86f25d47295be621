"""The three encodings of R's serialisation: XDR (`X`), native binary (`B`) and ASCII (`A`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from assay.core.limits import Limits

_BLOCK: Final = 1 << 20  # bytes read at once
_KEPT: Final = 100_000  # bytes of one text that are kept
_MAX_LINE: Final = 1 << 20
_ESCAPE: Final = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"b": b"\b", b"f": b"\f", b"a": b"\a"}


class RStream:
    """Integers, texts and skipped data, whatever the encoding; the binary ones here."""

    def __init__(self, stream: BinaryIO, size: int, start: int, order: str) -> None:
        self._stream = stream
        self._size = size
        self._order = order
        self._window = b""
        self._start = start
        self.position = start

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        end = self.position + length
        if length < 0 or end > self._size:
            msg = f"{length} bytes at {self.position} pass the end of the stream ({self._size} bytes)"
            raise ContentError(msg)
        if end > self._start + len(self._window):
            self._stream.seek(self.position)
            self._window = self._stream.read(max(_BLOCK, length))
            self._start = self.position
        offset = self.position - self._start
        self.position = end
        return self._window[offset : offset + length]

    def integer(self) -> int:
        """A signed integer of 32 bits."""
        return int.from_bytes(self.take(4), "big" if self._order == "X" else "little", signed=True)

    def count(self, item_bytes: int) -> int:
        """A length, checked against what is left for items of at least `item_bytes`."""
        count = self.integer()
        if count == -1:
            count = (self.integer() << 32) + (self.integer() & 0xFFFFFFFF)
        if count < 0 or count * self.smallest(item_bytes) > self._size - self.position:
            msg = f"{count} items at {self.position} pass the end of the stream"
            raise ContentError(msg)
        return count

    def smallest(self, item_bytes: int) -> int:
        """Fewest bytes that an item of `item_bytes` takes in this encoding."""
        return item_bytes

    def text(self) -> str:
        """A length and bytes; NA is empty."""
        length = self.integer()
        if length < 0:
            return ""
        data = self.take(min(length, _KEPT))
        if length > _KEPT:
            self.raw(length - _KEPT)
        return data.decode("utf-8", "replace")

    def raw(self, length: int) -> None:
        """Pass over bytes."""
        if self.position + length > self._size:
            msg = f"{length} bytes at {self.position} pass the end of the stream"
            raise ContentError(msg)
        self.position += length

    def skip(self, count: int, item_bytes: int) -> None:
        """Pass over numbers."""
        self.raw(count * item_bytes)


class AsciiStream(RStream):
    """One value a line."""

    def line(self) -> bytes:
        """The next line, white space cut off."""
        while True:
            offset = self.position - self._start
            end = self._window.find(b"\n", offset) if 0 <= offset <= len(self._window) else -1
            if end >= 0:
                self.position = self._start + end + 1
                return self._window[offset:end].strip()
            known = self._window[offset:] if 0 <= offset <= len(self._window) else b""
            if len(known) > _MAX_LINE:
                raise LimitExceeded("text_bytes", f"a line of more than {_MAX_LINE} bytes at {self.position}")
            self._stream.seek(self.position + len(known))
            more = self._stream.read(_BLOCK)
            if not more:
                if not known:
                    msg = f"cut off at {self.position}"
                    raise ContentError(msg)
                self.position += len(known)
                return known.strip()
            self._window, self._start = known + more, self.position

    def integer(self) -> int:
        """A number on a line of its own; NA is the smallest integer."""
        word = self.line()
        if word == b"NA":
            return -(1 << 31)
        try:
            return int(word[:20])
        except ValueError as error:
            msg = f"{word[:20]!r} where a number was expected"
            raise ContentError(msg) from error

    def smallest(self, item_bytes: int) -> int:
        """A digit and a line end."""
        return min(item_bytes, 2)

    def text(self) -> str:
        """A length, and a line with escapes."""
        if self.integer() < 0:
            return ""
        return _ESCAPE.sub(_unescape, self.line()[:_KEPT]).decode("utf-8", "replace")

    def raw(self, length: int) -> None:
        """Bytes as pairs of hexadecimal digits, one pair a line."""
        self.skip(length, 1)

    def skip(self, count: int, item_bytes: int) -> None:
        """Numbers, one a line; complex ones have two."""
        for _ in range(count * (2 if item_bytes == 16 else 1)):  # noqa: PLR2004
            self.line()


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, letter = match.groups()
    return bytes((int(octal, 8) & 0xFF,)) if octal else _LETTERS.get(letter, letter)


def open_r_stream(stream: BinaryIO, size: int, limits: Limits) -> tuple[RStream, int]:
    """(stream behind the header, format version).

    Raises:
        ContentError: for another encoding or version.
    """
    del limits
    stream.seek(0)
    head = stream.read(7)
    start = 5 if head[:3] in {b"RDX", b"RDA", b"RDB"} else 0
    form = chr(head[start]) if len(head) > start else ""
    if form not in {"X", "A", "B"}:
        msg = f"no R serialisation: {head[:7]!r}"
        raise ContentError(msg)
    source = (AsciiStream if form == "A" else RStream)(stream, size, start + 2, form)
    version = source.integer()
    if version not in {2, 3}:
        msg = f"R serialisation of version {version}"
        raise ContentError(msg)
    source.integer()
    source.integer()
    if version == 3:  # noqa: PLR2004 - the native encoding
        source.text()
    return source, version
