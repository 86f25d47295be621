"""Protocol buffer wire format over a stream: fields by number, length-delimited ones by place, nothing copied unasked.

Source: https://protobuf.dev/programming-guides/encoding/. Lengths are checked against the enclosing message, so no
field of a file can ask for more memory than the file has bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
_BLOCK: Final = 1 << 18  # bytes read at once
_FIELDS_PER_BYTE: Final = (
    1  # a field needs two bytes: more fields than bytes means that messages are read again and again
)
_MIN_FIELDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        number: field number.
        wire: wire type.
        start: offset of its value in the stream.
        end: offset behind its value.
        value: of a varint; 0 otherwise.
    """

    number: int
    wire: int
    start: int
    end: int
    value: int = 0

    @property
    def signed(self) -> int:
        """A varint as int64."""
        return self.value - (1 << 64) if self.value >> 63 else self.value


class Message:
    """A protobuf file, read by offsets.

    Args:
        stream: seekable.
        size: its bytes.
        limits: `text_bytes` bounds one string that is read whole.
    """

    def __init__(self, stream: BinaryIO, size: int, limits: Limits) -> None:
        self._stream = stream
        self.size = size
        self._limits = limits
        self._block = b""
        self._block_start = 0
        self._fields = 0

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[Field]:
        """Fields of the message that lies from `start` to `end`.

        Raises:
            ContentError: when the bytes are no message.
            LimitExceeded: when more fields were read than the file can hold.
        """
        position = start
        stop = self.size if end is None else end
        while position < stop:
            self._fields += 1
            if self._fields > max(_MIN_FIELDS, self.size * _FIELDS_PER_BYTE):
                raise LimitExceeded("members", "more fields than the file has bytes")
            tag, position = self._varint(position, stop)
            number, wire = tag >> 3, tag & 7
            value, begin = 0, position
            if wire == VARINT:
                value, position = self._varint(position, stop)
            elif wire == BYTES:
                length, begin = self._varint(position, stop)
                position = begin + length
            elif wire in (FIXED64, FIXED32):
                position += 8 if wire == FIXED64 else 4
            else:
                msg = f"wire type {wire} at {position}"
                raise ContentError(msg)
            if number == 0 or position > stop:
                msg = f"field {number} at {begin} passes the end of its message"
                raise ContentError(msg)
            yield Field(number, wire, begin, position, value)

    def of(self, field: Field) -> Iterator[Field]:
        """Fields of a nested message."""
        return self.fields(field.start, field.end)

    def data(self, field: Field, limit: int | None = None) -> bytes:
        """Bytes of a length-delimited field.

        Raises:
            LimitExceeded: when it is longer than `limit` (`text_bytes` by default).
        """
        length = field.end - field.start
        if length > (self._limits.text_bytes if limit is None else limit):
            raise LimitExceeded("text_bytes", f"a field of {length} bytes at {field.start}")
        return self._slice(field.start, field.end)

    def text(self, field: Field, limit: int = 100_000) -> str:
        """Text of a length-delimited field, cut to `limit` bytes; bytes that are no UTF-8 are replaced."""
        return self._slice(field.start, min(field.end, field.start + limit)).decode("utf-8", "replace")

    def numbers(self, field: Field) -> list[int]:
        """Values of a repeated integer field, packed or not, at most `text_bytes` of them."""
        if field.wire != BYTES:
            return [field.signed]
        data = self.data(field)
        found, position = [], 0
        while position < len(data):
            value, position = _varint(data, position, len(data))
            found.append(value - (1 << 64) if value >> 63 else value)
        return found

    def _slice(self, start: int, end: int) -> bytes:
        offset = start - self._block_start
        if offset >= 0 and end - self._block_start <= len(self._block):
            return self._block[offset : end - self._block_start]
        self._stream.seek(start)
        if end - start > _BLOCK:
            data = self._stream.read(end - start)
        else:
            self._block, self._block_start = self._stream.read(_BLOCK), start
            data = self._block[: end - start]
        if len(data) < end - start:
            msg = f"cut off at {start + len(data)}"
            raise ContentError(msg)
        return data

    def _varint(self, position: int, stop: int) -> tuple[int, int]:
        offset = position - self._block_start
        if not 0 <= offset <= len(self._block) - 10:
            near = self._slice(position, min(self.size, position + 10))
            value, used = _varint(near, 0, min(len(near), stop - position))
            return value, position + used
        value, used = _varint(self._block, offset, min(len(self._block), stop - self._block_start))
        return value, self._block_start + used


def _varint(data: bytes, position: int, stop: int) -> tuple[int, int]:
    """Value and the position behind it."""
    value = shift = 0
    while position < stop:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no continuation bit
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:  # noqa: PLR2004
            break
    msg = "a varint that does not end"
    raise ContentError(msg)
