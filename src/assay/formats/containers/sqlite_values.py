"""Pickles among the values of an SQLite database: shelves (`dbm.sqlite3`), sqlitedict, caches, trackers.

A value that does not fit its page goes on in overflow pages, each of which begins with the number of the next: such
values are put together, and searched like the file as it lies. Source: SQLite Database File Format, sections 1.3,
1.5 and 1.6.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.containers.carved import Search, carve
from assay.formats.containers.members import Budget, Member, slice_of
from assay.formats.sniff_pickle import pickle_plausible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

_HEADER_BYTES = 100
_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER = 0x0D, 0x0A, 0x02
_VARINT_BYTES = 9
_BLOB, _TEXT = 12, 13  # serial types of values of no bytes; longer ones by steps of two
_FIXED = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)  # bytes of serial types 0 to 11
_MOST_BYTES = 64 << 20  # of rows that are put together
_MOST_VALUES = 100_000
_SHORTEST = 4


@dataclass
class SqliteValues:
    """What a program may unpickle. The database itself is still one that no inspector reads."""

    members: tuple[Member, ...]
    values: tuple[bytes, ...]
    stream: BinaryIO
    format: str = "carved"
    anomalies: tuple[()] = ()

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """The value; of one that was put together, `Member.offset` is its number."""
        if member.method == "stored":
            return slice_of(self.stream, member.offset, member.size)
        budget.grow(member.size)
        return io.BytesIO(self.values[member.offset])


def read_sqlite_values(stream: BinaryIO, size: int, limits: Limits, search: Search | None = None) -> SqliteValues:
    """Find values that are pickles.

    Raises:
        LimitExceeded: as `carve`.
    """
    del limits
    search = search or Search()
    members = [
        Member(f"(pickle at byte {start}).pkl", "file", start, end - start, end - start, "stored")
        for start, end in carve(stream, 0, size, search)
    ]
    values: list[bytes] = []
    try:
        for page, value in _values(stream, size):
            if pickle_plausible(value[: 1 << 16], len(value)):
                name = f"(value {len(values)} of page {page}).pkl"
                members.append(Member(name, "file", len(values), len(value), len(value), "put together"))
                values.append(value)
    except (ContentError, LimitExceeded):
        pass  # a broken one, or a large one: it was searched as it lies, and is called unread
    return SqliteValues(tuple(members), tuple(values), stream)


def _values(stream: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """(page, value) of blobs and texts that the search of the file as it lies can't see whole.

    These are those in overflow pages, and those that may be pickles of protocol 0 and 1.
    """
    stream.seek(0)
    head = stream.read(_HEADER_BYTES)
    page_bytes = int.from_bytes(head[16:18], "big")
    page_bytes = 1 << 16 if page_bytes == 1 else page_bytes
    usable = page_bytes - (head[20] if len(head) > 20 else 0)  # noqa: PLR2004 - where the reserved bytes are stated
    if page_bytes < 512 or page_bytes & (page_bytes - 1) or usable < 480:  # noqa: PLR2004 - of the format
        raise ContentError("no page size")
    total = count = 0
    for number in range(1, size // page_bytes + 1):
        stream.seek((number - 1) * page_bytes)
        page = stream.read(page_bytes)
        start = _HEADER_BYTES if number == 1 else 0
        if len(page) < page_bytes or page[start] not in {_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER}:
            continue
        for payload in _cells(stream, page, start, page_bytes, usable):
            total += len(payload)
            for value in _columns(payload):
                count += 1
                if total > _MOST_BYTES or count > _MOST_VALUES:
                    raise LimitExceeded("text_bytes", f"more than {_MOST_BYTES} bytes or {_MOST_VALUES} values in rows")
                if len(value) >= _SHORTEST and (len(value) > usable // 8 or value[:1] != b"\x80"):
                    yield number, value


def _cells(stream: BinaryIO, page: bytes, start: int, page_bytes: int, usable: int) -> Iterator[bytes]:
    """Payloads of the cells of a page, with what lies in overflow pages."""
    kind, count = page[start], int.from_bytes(page[start + 3 : start + 5], "big")
    first = start + (12 if kind == _INDEX_INNER else 8)
    most = usable - 35 if kind == _TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    least = (usable - 12) * 32 // 255 - 23
    for place in range(min(count, (page_bytes - first) // 2)):
        at = int.from_bytes(page[first + 2 * place : first + 2 * place + 2], "big")
        at += 4 if kind == _INDEX_INNER else 0
        length, at = _varint(page, at)
        if kind == _TABLE_LEAF:
            _, at = _varint(page, at)
        if not 0 < length <= _MOST_BYTES:
            continue
        here = length
        if length > most:
            here = least + (length - least) % (usable - 4)
            here = here if here <= most else least
        payload = page[at : at + here]
        if length > here:
            following = int.from_bytes(page[at + here : at + here + 4], "big")
            payload += _overflow(stream, following, length - here, page_bytes, usable)
        yield payload


def _overflow(stream: BinaryIO, page: int, left: int, page_bytes: int, usable: int) -> bytes:
    parts = []
    while page and left > 0:
        stream.seek((page - 1) * page_bytes)
        data = stream.read(usable)
        if len(data) <= 4:  # noqa: PLR2004 - the number of the next page alone
            break
        parts.append(data[4 : 4 + left])
        left -= len(data) - 4
        page = int.from_bytes(data[:4], "big")
    return b"".join(parts)


def _columns(payload: bytes) -> Iterator[bytes]:
    """Blobs and texts of a record."""
    header, at = _varint(payload, 0)
    place = header
    while at < min(header, len(payload)):
        kind, at = _varint(payload, at)
        if kind < len(_FIXED):
            place += _FIXED[kind]
            continue
        length = (kind - (_BLOB if kind % 2 == 0 else _TEXT)) // 2
        yield payload[place : place + length]
        place += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, the high ones first; past the end it is 0."""
    value = 0
    for count in range(1, _VARINT_BYTES + 1):
        if at >= len(data):
            return 0, at + 1
        byte = data[at]
        at += 1
        if count == _VARINT_BYTES:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the last byte
            break
    return value, at
