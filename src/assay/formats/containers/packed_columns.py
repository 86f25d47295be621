"""Pickles in packed columns of Parquet and Arrow files.

A column of bytes is a column of anything: programs keep pickled objects there, and in columns of text what stands for
them. What lies open is searched as it lies; pages of Parquet (snappy, gzip, brotli, zstd, LZ4) and buffers of Arrow
(zstd, LZ4) are expanded first, one at a time.
Sources: parquet.thrift and Encodings.md of apache/parquet-format; "Arrow Columnar Format", compressed bodies.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats import snappy
from assay.formats.anomaly import Anomaly
from assay.formats.containers.carved import SEARCHED_BYTES, Search, carve
from assay.formats.containers.lz4 import Lz4, expand_block
from assay.formats.containers.members import Budget, Member, slice_of
from assay.formats.containers.text_columns import pickles_in
from assay.formats.containers.zstd import Zstd
from assay.formats.thrift import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

OPEN_BYTES = EXPANDED_BYTES = 256 << 20  # searched of what lies open, and of what was packed; more stays unread
_PAGE_BYTES = 64 << 20  # of one page, expanded
_STEP_BYTES = 256 << 10  # of one step of brotli, which may give twice that
_OVERLAP = 1 << 20  # text that begins in one stretch and ends in the next
_MOST_VALUES = 256
_HEADER_BYTES = 64 << 10  # of a page header, with its statistics
_MOST_PAGES = 20_000
_BYTE_ARRAY, _FIXED_BYTES = 6, 7  # physical types
_TEXTS = frozenset((0, 4, 19))  # converted types UTF8, ENUM and JSON
_TEXT_LOGICAL = frozenset((1, 4, 12))  # logical types STRING, ENUM and JSON
_CODECS = {1: "snappy", 2: "gzip", 3: "LZO", 4: "brotli", 5: "LZ4", 6: "zstd", 7: "LZ4 block"}
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3  # page types
_FRAMES = re.compile(rb"\x28\xb5\x2f\xfd|\x04\x22\x4d\x18")


@dataclass
class PackedColumns:
    """What a program may unpickle from a table."""

    members: tuple[Member, ...]
    values: tuple[bytes, ...]
    stream: BinaryIO
    format: str = "carved"
    anomalies: tuple[Anomaly, ...] = ()

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """The bytes of one pickle; of one from a packed page, `Member.offset` is its number."""
        if member.method == "stored":
            return slice_of(self.stream, member.offset, member.size)
        budget.grow(member.size)
        return io.BytesIO(self.values[member.offset])


def read_packed_columns(stream: BinaryIO, size: int, limits: Limits, search: Search | None = None) -> PackedColumns:
    """Find pickles in a Parquet or Arrow file.

    Raises:
        ContentError: when a column of bytes is packed in a way that is not read, and nothing was found in the others.
        LimitExceeded: as `carve`.
    """
    search = search or Search()
    own = Search(OPEN_BYTES + EXPANDED_BYTES, search.opcodes_left)
    stream.seek(0)
    parquet = stream.read(4) == b"PAR1"
    found = _Found(own)
    found.open_parts(stream, size, text=not parquet)
    for place, page, text in _pages(stream, size, limits) if parquet else _buffers(stream, size):
        if not found.page(place, page, text=text, bytes_too=not (parquet and text), lengths=parquet):
            break
    search.opcodes_left = own.opcodes_left
    if found.unread and not found.members:
        raise ContentError(found.unread)
    anomalies = (Anomaly("stream-broken", found.unread, 0),) if found.unread else ()  # what was found is inspected, too
    return PackedColumns(tuple(found.members), tuple(found.values), stream, anomalies=anomalies)


class _Found:
    """What was found so far, and why not everything was searched."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._left = EXPANDED_BYTES
        self.members: list[Member] = []
        self.values: list[bytes] = []
        self.unread = ""

    def open_parts(self, stream: BinaryIO, size: int, *, text: bool) -> None:
        """Search what lies open in the file, a stretch at a time."""
        for start in range(0, min(size, OPEN_BYTES), SEARCHED_BYTES):
            for begin, end in carve(stream, start, size, self._search):
                name = f"(pickle at byte {begin}).pkl"
                self.members.append(Member(name, "file", begin, end - begin, end - begin, "stored"))
            if text:
                stream.seek(start)
                self._texts(start, stream.read(min(SEARCHED_BYTES + _OVERLAP, size - start)), lengths=False)
        if size > OPEN_BYTES:
            self.unread = f"more than {OPEN_BYTES >> 20} MiB: the rest was not searched"

    def page(self, place: int, page: bytes | str, *, text: bool, bytes_too: bool, lengths: bool) -> bool:
        """Search one page or buffer; False when no more are to be searched."""
        if isinstance(page, str):
            self.unread = self.unread or page
            return True
        self._left -= len(page)
        if self._left < 0:
            self.unread = self.unread or f"more than {EXPANDED_BYTES >> 20} MiB expanded: the rest was not searched"
            return False
        for start, end in carve(io.BytesIO(page), 0, len(page), self._search) if bytes_too else ():
            self._value(place, page[start:end])
        if text:
            self._texts(place, page, lengths=lengths)
        return True

    def _texts(self, place: int, data: bytes, *, lengths: bool) -> None:
        try:
            for found in pickles_in(data, lengths=lengths):
                if len(self.values) < _MOST_VALUES and found not in self.values:
                    self._value(place, found)
        except LimitExceeded as error:
            self.unread = self.unread or str(error)

    def _value(self, place: int, value: bytes) -> None:
        name = f"(pickle {len(self.values)} in the page at byte {place}).pkl"
        self.members.append(Member(name, "file", len(self.values), len(value), len(value), "packed"))
        self.values.append(value)


def _pages(stream: BinaryIO, size: int, limits: Limits) -> Iterator[tuple[int, bytes | str, bool]]:
    """(offset, content, whether it is text) of packed pages of columns of bytes and text, or why one can't be read."""
    count = 0
    for start, end, codec, text in _chunks(stream, size, limits):
        at = start
        while at < end and count < _MOST_PAGES:
            count += 1
            stream.seek(at)
            head = stream.read(min(_HEADER_BYTES, end - at))
            reader = Reader(head)
            try:
                header = reader.struct()
                packed = _number(header.get(3))
                stream.seek(at + reader.at)
                yield at, _expanded(header, stream.read(min(packed, _PAGE_BYTES)), codec), text
                if max(packed, _number(header.get(2))) > _PAGE_BYTES:
                    yield at, _cut("page"), text
            except (ContentError, ValueError, zlib.error) as error:
                yield at, f"a packed column of {'text' if text else 'bytes'} can't be read: {error}", text
                break
            at += reader.at + packed


def _cut(what: str) -> str:
    return f"a {what} of more than {_PAGE_BYTES >> 20} MiB: the rest was not searched"


def _chunks(stream: BinaryIO, size: int, limits: Limits) -> Iterator[tuple[int, int, int, bool]]:
    """(start, end, codec, whether it is text) of column chunks: all of text, and those of bytes that are packed.

    Nothing where the footer does not fit: that is reported.
    """
    stream.seek(max(0, size - 8))
    length = int.from_bytes(stream.read(4), "little")
    if length + 8 > size or length > limits.header_bytes or stream.read(4) != b"PAR1":
        return
    stream.seek(size - 8 - length)
    try:
        footer = Reader(stream.read(length)).struct()
    except ContentError:
        return
    leaves = [e for e in _structs(footer.get(2)) if not e.get(5)]
    for group in _structs(footer.get(4)):
        for place, column in enumerate(_structs(group.get(1))):
            meta = column.get(3)
            text = place < len(leaves) and _is_text(leaves[place])
            if not isinstance(meta, dict) or _number(meta.get(1)) not in {_BYTE_ARRAY, _FIXED_BYTES}:
                continue
            if not meta.get(4) and not text:
                continue  # it lies open
            starts = [_number(meta.get(key)) for key in (9, 11) if _number(meta.get(key)) > 0]
            start = min(starts, default=size)
            yield start, min(size, start + _number(meta.get(7))), _number(meta.get(4)), text


def _is_text(element: dict[int, Any]) -> bool:
    converted, logical = element.get(6), element.get(10)
    return (isinstance(converted, int) and converted in _TEXTS) or (
        isinstance(logical, dict) and not _TEXT_LOGICAL.isdisjoint(logical)
    )


def _expanded(header: dict[int, Any], data: bytes, codec: int) -> bytes:
    """A page without its compression (ValueError and zlib.error when it is broken)."""
    stated = min(_number(header.get(2)), _PAGE_BYTES)
    plain = b""
    second = header.get(8)
    if header.get(1) == _DATA_2 and isinstance(second, dict):
        levels = _number(second.get(5)) + _number(second.get(6))
        plain, data = data[:levels], data[levels:]
        if second.get(7) is False:
            return plain + data
    if not codec:
        return plain + data
    if codec not in _EXPANDERS:
        raise ContentError(f"{_CODECS.get(codec, f'compression {codec}')} is not read")
    return plain + _EXPANDERS[codec](data, stated)


def _gzip(data: bytes, _: int) -> bytes:
    return zlib.decompressobj(31).decompress(data, _PAGE_BYTES)


def _brotli(data: bytes, _: int) -> bytes:
    """What a stream of RFC 7932 holds, up to `_PAGE_BYTES`."""
    import brotli  # noqa: PLC0415 - only for columns that need it

    decoder, out = brotli.Decompressor(), bytearray()
    try:
        while not decoder.is_finished() and len(out) < _PAGE_BYTES:
            more, data = decoder.process(data, output_buffer_limit=_STEP_BYTES), b""
            if not more:
                raise ContentError("brotli that ends early")
            out += more
    except brotli.error as error:
        raise ContentError(f"no brotli: {error}") from error
    return bytes(out)


def _lz4(data: bytes, stated: int) -> bytes:
    """A bare block, or Hadoop's blocks, each with two lengths before it."""
    try:
        return expand_block(data, stated)
    except ValueError:
        return expand_block(data[8:], stated)


def _zstd(data: bytes, _: int) -> bytes:
    return _frame(Zstd(), data)


_EXPANDERS = {1: snappy.expand, 2: _gzip, 4: _brotli, 5: _lz4, 6: _zstd, 7: _lz4}  # by the codes of `_CODECS`


def _buffers(stream: BinaryIO, size: int) -> Iterator[tuple[int, bytes | str, bool]]:
    """(offset, content, True) of what an Arrow file packs: each buffer is a frame with a mark of its own."""
    count = 0
    for begin in range(0, min(size, OPEN_BYTES), SEARCHED_BYTES):
        stream.seek(begin)
        data = stream.read(min(SEARCHED_BYTES + _PAGE_BYTES, size - begin))
        for match in _FRAMES.finditer(data, 0, SEARCHED_BYTES + 3):
            count += 1
            if count >= _MOST_PAGES:
                return
            decoder = Zstd() if match[0][0] == 0x28 else Lz4()  # noqa: PLR2004
            try:
                content = _frame(decoder, data[match.start() : match.start() + _PAGE_BYTES])
            except (ContentError, ValueError):
                continue  # no frame after all
            yield begin + match.start(), content, True
            if len(content) >= _PAGE_BYTES:
                yield begin + match.start(), _cut("buffer"), True


def _frame(decoder: Zstd | Lz4, data: bytes) -> bytes:
    """What a frame holds, up to `_PAGE_BYTES`."""
    out = bytearray(decoder.step(data))
    while not decoder.eof and not decoder.hungry and len(out) < _PAGE_BYTES:
        out += decoder.step(b"")
    return bytes(out)


def _structs(value: Any) -> list[dict[int, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
