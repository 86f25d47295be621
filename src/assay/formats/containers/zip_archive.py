"""ZIP as loaders see it: central directory against local headers, and every byte that neither claims.

PKWARE APPNOTE 6.3.10. Loaders differ: Python's `zipfile` trusts the central directory and checks names, flags and CRC;
miniz (PyTorch) ignores some of them; streaming readers trust local headers. What any of them could read is a member.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError
from assay.formats.anomaly import Anomaly
from assay.formats.containers.inflate import decompressor, inflate, zip_lzma
from assay.formats.containers.members import CHUNK_BYTES, Budget, Member, expand, slice_of
from assay.formats.containers.zip_records import (
    LOCAL_BYTES,
    LOCAL_SIGNATURE,
    EndRecord,
    Entry,
    Local,
    find_end_records,
    read_central,
    read_local,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

_METHODS = {0: "stored", 8: "deflate", 9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}
_ENCRYPTED, _DESCRIPTOR, _PATCH, _STRONG, _MASKED = 0x1, 0x8, 0x20, 0x40, 0x2000
_S_IFMT, _S_IFLNK, _S_IFDIR = 0o170000, 0o120000, 0o040000
_STRAY_MIN_BYTES = 4
_MAX_TARGET_BYTES = 4096  # PATH_MAX
_DESCRIPTOR_BYTES = (12, 16, 20, 24)  # with or without signature, 32 or 64 bit


@dataclass
class ZipArchive:
    """A zip that was read.

    Attributes:
        members: in order of offset: entries, then what no entry claims.
        anomalies: of the archive as a whole.
        entries: number of entries of the central directory that a loader would use.
        extent: first and last byte (exclusive) of entries, directories and end records; None without a directory.
    """

    members: tuple[Member, ...]
    anomalies: tuple[Anomaly, ...]
    entries: int
    stream: BinaryIO
    extent: tuple[int, int] | None = None
    format: str = "zip"

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """Stored members are slices of the archive; compressed ones are expanded under the budget.

        Raises:
            ContentError: for a method that is not read, encryption, or data that breaks off at once.
            LimitExceeded: past the budget.
        """
        if member.kind == "stray" or member.method == "stored":
            return slice_of(self.stream, member.offset, member.packed)
        return expand(self._chunks(member), budget)

    def crc_matches(self, member: Member, content: BinaryIO) -> bool:
        """Whether the content has the CRC that is stated; leaves `content` at its start."""
        crc = 0
        content.seek(0)
        while chunk := content.read(CHUNK_BYTES):
            crc = zlib.crc32(chunk, crc)
        content.seek(0)
        return member.crc is None or crc == member.crc

    def _chunks(self, member: Member) -> Iterator[bytes]:
        source = slice_of(self.stream, member.offset, member.packed)
        inner = zip_lzma(source, member.size) if member.method == "lzma" else decompressor(member.method)
        produced = False
        try:
            for chunk in inflate(source, inner):
                produced = True
                yield chunk
        except ContentError:
            if not produced:
                raise


def read_zip(stream: BinaryIO, size: int, limits: Limits) -> ZipArchive:
    """Read the directory of a zip; no member is expanded.

    Raises:
        ContentError: when there is no end record, or it points nowhere.
        LimitExceeded: for more entries than `limits.members`.
    """
    ends = find_end_records(stream, size)
    if not ends:
        return _without_directory(stream, size, limits)
    anomalies: list[Anomaly] = []
    members: list[Member] = []
    claimed: list[tuple[int, int]] = []
    for number, end in enumerate(ends):
        if any(start <= end.offset < stop for start, stop in claimed):
            continue  # the end of a zip that is stored as a member
        entries, broken = read_central(stream, size, end, limits)
        if number and (broken or not entries):
            continue  # bytes that look like an end record by accident
        if number:
            anomalies.append(
                Anomaly("several-directories", "a second end record has a directory of its own", end.offset)
            )
        anomalies += broken
        claimed += [(end.directory, end.directory + end.directory_bytes), (end.start, end.offset + end.length)]
        members += _entries(stream, size, entries, end, claimed=claimed, anomalies=anomalies)
    first = ends[0]
    if first.shift:
        anomalies.append(Anomaly("prepended-bytes", f"{first.shift} bytes before the archive", 0))
    if (after := size - first.offset - first.length) > 0:
        anomalies.append(Anomaly("appended-bytes", f"{after} bytes after the end record", first.offset + first.length))
    anomalies += _duplicates(members)
    anomalies += _overlaps(members)
    extent = min(start for start, _ in claimed), max(stop for _, stop in claimed)
    members += _strays(stream, size, claimed, limits, anomalies)
    return ZipArchive(tuple(members), tuple(anomalies), sum(m.kind != "stray" for m in members), stream, extent)


def _without_directory(stream: BinaryIO, size: int, limits: Limits) -> ZipArchive:
    """A cut zip: no loader that uses the directory opens it, streaming readers do."""
    anomalies = [Anomaly("no-directory", "no end record: the archive is cut off, or only looks like a zip", 0)]
    members = _strays(stream, size, [], limits, [])
    if not any(member.kind == "file" for member in members):
        raise ContentError("not a zip: neither an end record nor a local entry")
    return ZipArchive(tuple(members), tuple(anomalies), 0, stream)


def _entries(
    stream: BinaryIO,
    size: int,
    entries: list[Entry],
    end: EndRecord,
    *,
    claimed: list[tuple[int, int]],
    anomalies: list[Anomaly],
) -> list[Member]:
    members: list[Member] = []
    for entry in entries:
        at = entry.header + end.shift
        local = read_local(stream, at)
        if local is None:
            anomalies.append(Anomaly("entry-without-header", f"{entry.name!r} points at no local header", at))
            continue
        members += _member(stream, entry, local, at, size)
        packed = max(members[-1].packed, 0)
        claimed.append((at, local.data + packed + (max(_DESCRIPTOR_BYTES) if entry.flags & _DESCRIPTOR else 0)))
    return members


def _member(stream: BinaryIO, entry: Entry, local: Local, at: int, size: int) -> list[Member]:
    """The member by the central directory, and by its local header too where that says something else."""
    notes = list(_differences(entry, local, at))
    method = _METHODS.get(entry.method, f"method {entry.method}")
    packed = entry.packed
    if method == "stored" and entry.packed != entry.size:
        notes.append(Anomaly("size-mismatch", f"stored, but {entry.packed} packed and {entry.size} plain bytes", at))
        packed = max(entry.packed, entry.size)
    if local.data + packed > size:
        notes.append(Anomaly("entry-past-end", f"{packed} bytes at {local.data} in {size} bytes", at))
        packed = max(0, size - local.data)
    mode = entry.attributes >> 16
    kind = "file"
    if mode & _S_IFMT == _S_IFLNK:
        kind = "symlink"
    elif entry.name.endswith("/") and not packed:
        kind = "directory"
    elif entry.name.endswith("/"):
        notes.append(Anomaly("directory-with-data", f"a directory with {packed} bytes", at))
    target = ""
    if kind == "symlink" and method == "stored":
        stream.seek(local.data)
        target = stream.read(min(packed, _MAX_TARGET_BYTES)).decode("utf-8", "backslashreplace")
    encrypted = bool((entry.flags | local.flags) & (_ENCRYPTED | _STRONG | _MASKED))
    if encrypted:
        notes.append(Anomaly("encrypted", "marked as encrypted", at))
    member = Member(
        entry.name, kind, local.data, packed, entry.size, method, target,
        crc=entry.crc, encrypted=encrypted, anomalies=tuple(notes),
    )  # fmt: skip
    twin = _by_local_header(entry, local, member, size)
    return [member, twin] if twin else [member]


def _by_local_header(entry: Entry, local: Local, member: Member, size: int) -> Member | None:
    """What a reader that trusts local headers would see, when it is another content."""
    if local.flags & _DESCRIPTOR or (local.method, local.packed) == (entry.method, entry.packed):
        return None
    method = _METHODS.get(local.method, f"method {local.method}")
    packed = min(local.packed, max(0, size - local.data))
    if not packed:
        return None
    return replace(member, name=local.name, packed=packed, size=local.size, method=method, crc=None, anomalies=())


def _differences(entry: Entry, local: Local, at: int) -> Iterator[Anomaly]:
    if entry.name != local.name:
        yield Anomaly("name-mismatch", f"directory says {entry.name!r}, local header {local.name!r}", at)
    if entry.method != local.method:
        yield Anomaly("method-mismatch", f"directory says method {entry.method}, local header {local.method}", at)
    if (entry.flags ^ local.flags) & (_ENCRYPTED | _PATCH | _STRONG | _MASKED):
        yield Anomaly("flag-mismatch", f"directory has flags {entry.flags:#06x}, local header {local.flags:#06x}", at)
    if not local.flags & _DESCRIPTOR:
        if (local.packed, local.size) != (entry.packed, entry.size):
            detail = f"directory says {entry.packed}/{entry.size} bytes, local header {local.packed}/{local.size}"
            yield Anomaly("size-mismatch", detail, at)
        if local.crc != entry.crc:
            yield Anomaly("crc-field-mismatch", f"directory says {entry.crc:08x}, local header {local.crc:08x}", at)
    if entry.flags & _PATCH or local.flags & _PATCH:
        yield Anomaly("flag-patch", "marked as patched data", at)


def _duplicates(members: list[Member]) -> list[Anomaly]:
    seen: dict[str, int] = {}
    found: list[Anomaly] = []
    for member in members:
        key = member.name
        if key in seen and seen[key] != member.offset:
            found.append(Anomaly("duplicate-entry", f"{key!r} is there more than once", member.offset))
        seen[key] = member.offset
    return found


def _overlaps(members: list[Member]) -> list[Anomaly]:
    """Entries that share bytes: the trick of the densest zip bombs (Fifield 2019)."""
    found: list[Anomaly] = []
    reached, owner, start = -1, "", -1
    for member in sorted(members, key=lambda m: (m.offset, m.packed)):
        if member.packed and member.offset < reached and member.offset != start:
            found.append(Anomaly("overlap", f"{member.name!r} lies inside {owner!r}", member.offset))
        elif member.packed and member.offset == start and member.name != owner:
            found.append(Anomaly("overlap", f"{member.name!r} and {owner!r} share their bytes", member.offset))
        if member.offset + member.packed > reached:
            reached, owner, start = member.offset + member.packed, member.name, member.offset
    return found


def _strays(
    stream: BinaryIO, size: int, claimed: list[tuple[int, int]], limits: Limits, anomalies: list[Anomaly]
) -> list[Member]:
    """Members for the stretches that nothing claims: hidden local entries, and other bytes."""
    members: list[Member] = []
    for start, end in _gaps(claimed, size):
        position = start
        while end - position >= LOCAL_BYTES and len(members) <= limits.members:
            stream.seek(position)
            if stream.read(4) != LOCAL_SIGNATURE:
                break
            local = read_local(stream, position)
            if local is None:
                break
            method = _METHODS.get(local.method, f"method {local.method}")
            packed = min(local.packed, end - local.data) if local.packed else end - local.data
            if packed < 0:
                break
            note = Anomaly("hidden-entry", f"{local.name!r} is in no directory", position)
            anomalies.append(note)
            members.append(Member(local.name, "file", local.data, packed, local.size, method))
            position = local.data + packed
        if end - position >= _STRAY_MIN_BYTES and not _zero(stream, position, end):
            members.append(Member(f"(bytes {position}-{end})", "stray", position, end - position, end - position))
    return members


def _gaps(claimed: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    position = 0
    for start, end in sorted(claimed):
        if start > position:
            yield position, min(start, size)
        position = max(position, end)
    if position < size:
        yield position, size


def _zero(stream: BinaryIO, start: int, end: int) -> bool:
    """Only zero bytes (alignment)."""
    content = slice_of(stream, start, end - start)
    while chunk := content.read(CHUNK_BYTES):
        if chunk.strip(b"\0"):
            return False
    return True
