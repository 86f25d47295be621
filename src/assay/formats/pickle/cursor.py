"""Reading opcode arguments from a windowed stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.errors import LimitExceeded
from assay.formats.pickle import events as ev
from assay.formats.pickle.source import LINE_BYTES
from assay.formats.pickle.values import Broken, Literal

if TYPE_CHECKING:
    from assay.formats.pickle.source import Source

_TEXT_BYTES = ev.TEXT_LIMIT * 4


class Cursor:
    """A place in a stream, with the present window at hand.

    Attributes:
        buf: bytes of the window.
        base: offset in the stream of `buf[0]`.
        i: index in `buf` of the next byte.
        stack: values of the present mark; literals are pushed here.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.buf = b""
        self.base = 0
        self.i = 0
        self.stack: list[Any] = []

    def position(self) -> int:
        """Offset in the stream of the next byte."""
        return self.base + self.i

    def seek(self, offset: int) -> None:
        """Go on reading at `offset`."""
        inside = offset - self.base
        if 0 <= inside <= len(self.buf):
            self.i = inside
        else:
            self._load(offset, 1)

    def _load(self, offset: int, need: int) -> None:
        self.source.load(offset, need)
        self.buf, self.base, self.i = self.source.data, offset, 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes (Broken when the stream ends before)."""
        if self.i + count > len(self.buf):
            self._load(self.position(), count)
            if len(self.buf) < count:
                short = count - len(self.buf)
                raise Broken(f"the stream ends in the middle of an opcode's argument, {short} bytes short")
        start = self.i
        self.i = start + count
        return self.buf[start : self.i]

    def line(self) -> bytes:
        """Up to the next newline, without it.

        Raises:
            Broken: when the stream ends before.
            LimitExceeded: for a line longer than `LINE_BYTES`.
        """
        end = self.buf.find(b"\n", self.i)
        if end < 0:
            self._load(self.position(), LINE_BYTES)
            end = self.buf.find(b"\n")
            if end < 0:
                if len(self.buf) >= LINE_BYTES:
                    raise LimitExceeded("line", f"a text line longer than {LINE_BYTES} bytes")
                raise Broken("the stream ends in the middle of a text line")
        line = self.buf[self.i : end]
        self.i = end + 1
        return line

    def long_line(self, *, escapes: bool = False) -> bytes | Literal:
        """As `line`; of one longer than `LINE_BYTES` the place, its bytes being searched for their end only.

        Args:
            escapes: backslashes mean something in it.

        Raises:
            Broken: when the stream ends before.
            LimitExceeded: for a long line in which something is escaped.
        """
        start = self.position()
        try:
            return self.line()
        except LimitExceeded:
            source = self.source
            end = source.find(b"\n", start + LINE_BYTES, source.size)
            if end < 0:
                raise Broken("the stream ends in the middle of a text line") from None
            if escapes and source.find(b"\\", start, end) >= 0:
                raise
            head = self.buf[: ev.TEXT_LIMIT]
            self.seek(end + 1)
            return Literal(start, end - start, head, True)

    def last_line(self) -> bytes:
        """As `line`, but a line that the end of the stream cuts off counts, without its last byte.

        The unpickler written in Python, which joblib uses, takes it so and imports what it says.
        """
        try:
            return self.line()
        except Broken:
            cut = self.buf[self.i :]
            self.i = len(self.buf)
            return cut[:-1]

    def push_text(self, size: int) -> None:
        """Push UTF-8 text of `size` bytes."""
        if size <= ev.TEXT_LIMIT:
            self.push_decoded(self.take(size), "utf-8", "surrogatepass")
        else:
            self.push_literal(size, text=True)

    def push_decoded(self, data: bytes, encoding: str, errors: str = "strict") -> None:
        """Push `data` as text (Broken when it is none)."""
        try:
            self.stack.append(data.decode(encoding, errors))
        except UnicodeDecodeError as error:
            raise Broken(f"text is not valid {encoding}: {error.reason}") from error

    def push_literal(self, size: int, *, text: bool = False) -> None:
        """Push bytes or long text without copying more than its head."""
        offset = self.position()
        if size < 0 or offset + size > self.source.size:
            raise Broken(f"a literal of {size} bytes does not fit in the stream")
        wanted = min(size, _TEXT_BYTES if text else ev.BYTES_LIMIT)
        head = self.buf[self.i : self.i + wanted]
        if len(head) < wanted:
            head = self.source.read(offset, wanted)
        self.seek(offset + size)
        self.stack.append(Literal(offset, size, head, text))
