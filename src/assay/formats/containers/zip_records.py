"""The records of a ZIP: end record, central entries, local headers (PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import LimitExceeded
from assay.formats.anomaly import Anomaly

if TYPE_CHECKING:
    from assay.core.limits import Limits

LOCAL_SIGNATURE = b"PK\x03\x04"
_CENTRAL_SIGNATURE = b"PK\x01\x02"
_END_SIGNATURE = b"PK\x05\x06"
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_LOCAL = struct.Struct("<4sHHHHHIIIHH")  # 4.3.7
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")  # 4.3.12
_END = struct.Struct("<4sHHHHIIH")  # 4.3.16
_END64 = struct.Struct("<4sQHHIIQQQQ")  # 4.3.14
_LOCATOR = struct.Struct("<4sIQI")  # 4.3.15
LOCAL_BYTES = _LOCAL.size
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_UTF8 = 0x800
_ZIP64_EXTRA = 0x0001
_MAX_END_RECORDS = 8


@dataclass(frozen=True, slots=True)
class EndRecord:
    """Where a directory lies.

    Attributes:
        offset: of the end record itself.
        length: of the end record with its comment.
        start: of the first of the end records (zip64's, when there is one).
        directory: offset of the directory in the stream, prepended bytes included.
        directory_bytes: its size.
        count: entries stated.
        shift: bytes before the archive; added to every offset it states.
    """

    offset: int
    length: int
    start: int
    directory: int
    directory_bytes: int
    count: int
    shift: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the central directory."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    header: int


@dataclass(frozen=True, slots=True)
class Local:
    """A local header; `data` is the offset of what follows it."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int
    data: int


def find_end_records(stream: BinaryIO, size: int) -> list[EndRecord]:
    """End records in the last 64 KiB, the one that `zipfile` would take first."""
    span = min(size, _MAX16 + _END.size)
    stream.seek(size - span)
    tail = stream.read(span)
    found: list[EndRecord] = []
    position = len(tail)
    while len(found) < _MAX_END_RECORDS:
        position = tail.rfind(_END_SIGNATURE, 0, position)
        if position < 0:
            break
        record = _end_record(stream, size, size - span + position, tail[position : position + _END.size])
        if record:
            found.append(record)
    return found


def _end_record(stream: BinaryIO, size: int, offset: int, data: bytes) -> EndRecord | None:
    if len(data) < _END.size:
        return None
    _, _, _, _, count, directory_bytes, directory, comment = _END.unpack(data)
    start = offset
    if offset >= _LOCATOR.size + _END64.size:
        stream.seek(offset - _LOCATOR.size - _END64.size)
        before = stream.read(_END64.size + _LOCATOR.size)
        if before[_END64.size :].startswith(_LOCATOR_SIGNATURE) and before.startswith(_END64_SIGNATURE):
            _, _, _, _, _, _, _, count, directory_bytes, directory = _END64.unpack(before[: _END64.size])
            start = offset - _LOCATOR.size - _END64.size
    shift = start - directory_bytes - directory
    if directory_bytes > start or start - directory_bytes < 0:
        return None
    length = min(_END.size + comment, size - offset)
    return EndRecord(offset, length, start, start - directory_bytes, directory_bytes, count, shift)


def read_central(stream: BinaryIO, size: int, end: EndRecord, limits: Limits) -> tuple[list[Entry], list[Anomaly]]:
    """Entries of a directory, as far as they can be read.

    Raises:
        LimitExceeded: for too many entries or a directory beyond `limits.header_bytes`.
    """
    if end.directory_bytes > limits.header_bytes:
        raise LimitExceeded("header_bytes", f"a zip directory of {end.directory_bytes} bytes")
    stream.seek(end.directory)
    data = stream.read(min(end.directory_bytes, size))
    entries: list[Entry] = []
    position = 0
    while position + _CENTRAL.size <= len(data) and data.startswith(_CENTRAL_SIGNATURE, position):
        entry, position = _central_entry(data, position)
        entries.append(entry)
        if len(entries) > limits.members:
            raise LimitExceeded("members", f"more than {limits.members} entries in a zip directory")
    broken: list[Anomaly] = []
    if position != len(data):
        broken.append(Anomaly("directory-broken", "the directory breaks off", end.directory + position))
    if len(entries) != end.count:
        broken.append(Anomaly("entry-count", f"{end.count} entries stated, {len(entries)} there", end.offset))
    return entries, broken


def _central_entry(data: bytes, position: int) -> tuple[Entry, int]:
    (_, _, _, flags, method, _, _, crc, packed, size, n_name, n_extra, n_comment, _, _, attributes, header) = (
        _CENTRAL.unpack_from(data, position)
    )
    at = position + _CENTRAL.size
    raw = data[at : at + n_name]
    extra = data[at + n_name : at + n_name + n_extra]
    values = [size, packed, header]
    if _MAX32 in values:
        _zip64(extra, values)
    name = decode_name(raw, flags)
    entry = Entry(name, flags, method, crc, values[1], values[0], attributes, values[2])
    return entry, at + n_name + n_extra + n_comment


def _zip64(extra: bytes, values: list[int]) -> None:
    """Fill in the values that are 0xFFFFFFFF from the zip64 extra field (4.5.3)."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == _ZIP64_EXTRA:
            body = extra[position + 4 : position + 4 + length]
            for index, value in enumerate(values):
                if value == _MAX32 and len(body) >= 8:  # noqa: PLR2004
                    values[index] = int.from_bytes(body[:8], "little")
                    body = body[8:]
            return
        position += 4 + length


def read_local(stream: BinaryIO, offset: int) -> Local | None:
    """The local header at `offset`, or None when there is none."""
    if offset < 0:
        return None
    stream.seek(offset)
    data = stream.read(_LOCAL.size)
    if len(data) < _LOCAL.size or not data.startswith(LOCAL_SIGNATURE):
        return None
    _, _, flags, method, _, _, crc, packed, size, n_name, n_extra = _LOCAL.unpack(data)
    rest = stream.read(n_name + n_extra)
    values = [size, packed]
    if _MAX32 in values:
        _zip64(rest[n_name:], values)
    name = decode_name(rest[:n_name], flags)
    return Local(name, flags, method, crc, values[1], values[0], offset, offset + _LOCAL.size + n_name + n_extra)


def decode_name(raw: bytes, flags: int) -> str:
    """As `zipfile`: UTF-8 when flagged, else code page 437; undecodable bytes stay visible as escapes."""
    if flags & _UTF8:
        return raw.decode("utf-8", "backslashreplace")
    return raw.decode("ascii") if raw.isascii() else raw.decode("cp437")
