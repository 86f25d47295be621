"""7z archives: members of the common coders (copy, LZMA, LZMA2, deflate, bzip2, with branch filters), under a budget.

Written from 7zFormat.txt of the LZMA SDK. Other coders (AES, BCJ2, PPMd) leave their members unread, with the reason.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.containers.inflate import decompressor, inflate, lzma1_filter, raw_lzma
from assay.formats.containers.members import CHUNK_BYTES, Budget, Member, expand, slice_of
from assay.formats.containers.sevenzip_header import Coder, Folder, Item, Streams, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

_MAGIC = b"7z\xbc\xaf\x27\x1c"
_START = 32
_COPY, _LZMA, _LZMA2, _DELTA = b"\x00", b"\x03\x01\x01", b"\x21", b"\x03"
_AES = b"\x06\xf1\x07\x01"
_PLAIN = {b"\x04\x01\x08": "deflate", b"\x04\x02\x02": "bzip2"}
_LZMA2_MOST = 40  # property byte of the largest dictionary
_BRANCH: dict[bytes, int] = {
    b"\x03\x03\x01\x03": lzma.FILTER_X86, b"\x04": lzma.FILTER_X86, b"\x03\x03\x02\x05": lzma.FILTER_POWERPC,
    b"\x03\x03\x04\x01": lzma.FILTER_IA64, b"\x03\x03\x05\x01": lzma.FILTER_ARM,
    b"\x03\x03\x07\x01": lzma.FILTER_ARMTHUMB, b"\x03\x03\x08\x05": lzma.FILTER_SPARC,
}  # fmt: skip
_UNIX, _LINK, _FORMAT = 0x8000, 0o120000, 0o170000


@dataclass
class SevenZip:
    """A 7z archive that was read.

    Attributes:
        members: in the order of the header.
        anomalies: bytes after the archive.
        places: folder number and offset in it, by the identity of the member.
    """

    members: tuple[Member, ...]
    anomalies: tuple[Anomaly, ...]
    stream: BinaryIO
    streams: Streams
    places: dict[int, tuple[int, int]]
    format: str = "7z"
    _plain: dict[int, BinaryIO] = field(default_factory=dict)

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """A slice of the expanded folder; a folder is expanded once, under the budget.

        Raises:
            ContentError: for encryption, an unknown coder or broken data.
            LimitExceeded: past the budget.
        """
        if member.kind == "stray":
            return slice_of(self.stream, member.offset, member.packed)
        number, offset = self.places.get(id(member), (-1, 0))
        if number < 0:
            return slice_of(self.stream, 0, 0)
        if number not in self._plain:
            for old in self._plain.values():
                old.close()  # folders are walked in order
            self._plain.clear()
            self._plain[number] = expand(_folder_chunks(self.stream, self.streams, number), budget)
        return slice_of(self._plain[number], offset, member.size)


def read_7z(stream: BinaryIO, size: int, limits: Limits) -> SevenZip:
    """Read the header of a 7z archive, also when it is itself compressed.

    Raises:
        ContentError: when there is no readable header.
        LimitExceeded: past a limit.
    """
    stream.seek(0)
    start = stream.read(_START)
    if len(start) < _START or not start.startswith(_MAGIC):
        raise ContentError("not a 7z archive")
    offset, length = int.from_bytes(start[12:20], "little"), int.from_bytes(start[20:28], "little")
    if _START + offset + length > size:
        raise ContentError("the 7z header lies past the end: the archive is cut off")
    if length > limits.header_bytes:
        raise LimitExceeded("header_bytes", f"a 7z header of {length} bytes")
    if not length:
        return SevenZip((), (), stream, Streams(), {})
    stream.seek(_START + offset)
    data = stream.read(length)
    header = read_header(data, limits)
    for _ in range(4):
        if not isinstance(header, Streams):
            break
        header = read_header(_encoded(stream, header, limits), limits)
    if isinstance(header, Streams):
        raise ContentError("a 7z header inside a header inside a header")
    streams, items = header
    return _archive(stream, size, streams, items, _START + offset + length)


def _encoded(stream: BinaryIO, streams: Streams, limits: Limits) -> bytes:
    """Expand a compressed header."""
    if len(streams.folders) != 1:
        raise ContentError("a 7z header in several folders")
    budget = Budget(limits, streams.folders[0].size)
    budget.allowance = limits.header_bytes
    with expand(_folder_chunks(stream, streams, 0), budget) as plain:
        return plain.read()


def _archive(stream: BinaryIO, size: int, streams: Streams, items: list[Item], end: int) -> SevenZip:
    members: list[Member] = []
    places: dict[int, tuple[int, int]] = {}
    remaining = _spots(streams)
    for item in items:
        number, offset, length = next(remaining, (-1, 0, 0)) if item.has_data else (-1, 0, 0)
        member = _member(item, length, number >= 0 and any(c.method == _AES for c in streams.folders[number].coders))
        members.append(member)
        if number >= 0:
            places[id(member)] = (number, offset)
    notes: tuple[Anomaly, ...] = ()
    if end < size:
        notes = (Anomaly("appended-bytes", f"{size - end} bytes after the archive", end),)
        members.append(Member(f"(bytes {end}-{size})", "stray", end, size - end, size - end))
    return SevenZip(tuple(members), notes, stream, streams, places)


def _member(item: Item, length: int, encrypted: bool) -> Member:
    is_link = bool(item.attributes & _UNIX) and (item.attributes >> 16) & _FORMAT == _LINK
    kind = "directory" if item.is_directory else "symlink" if is_link else "file"
    notes = (Anomaly("encrypted", "encrypted with AES"),) if encrypted else ()
    return Member(item.name, kind, _START, 0, length, "7z", encrypted=encrypted, anomalies=notes)


def _spots(streams: Streams) -> Iterator[tuple[int, int, int]]:
    """Folder, offset and size of every file with data."""
    for number, sizes in enumerate(streams.files):
        offset = 0
        for length in sizes:
            yield number, offset, length
            offset += length


def _folder_chunks(stream: BinaryIO, streams: Streams, number: int) -> Iterator[bytes]:
    """Expand one folder: its coders in a row, from the pack stream to the plain data."""
    folder = streams.folders[number]
    if any(coder.method == _AES for coder in folder.coders):
        raise ContentError("encrypted")
    if folder.packed != 1 or not all(coder.simple for coder in folder.coders):
        raise ContentError("a 7z folder of several pack streams (BCJ2) is not read")
    first = sum(item.packed for item in streams.folders[:number])
    if first >= len(streams.packed):
        raise ContentError("a 7z folder without its pack stream")
    start = _START + streams.offset + sum(streams.packed[:first])
    source = slice_of(stream, start, streams.packed[first])
    return _limit(_decode(source, folder), folder.size)


def _decode(source: BinaryIO, folder: Folder) -> Iterator[bytes]:
    """Filters that liblzma knows go into one raw decoder; copy, deflate and bzip2 stand alone."""
    coders = [coder for coder in folder.coders if coder.method != _COPY]
    if not coders:
        return iter(lambda: source.read(CHUNK_BYTES), b"")
    if len(coders) == 1 and coders[0].method in _PLAIN:
        return inflate(source, decompressor(_PLAIN[coders[0].method]))
    chain = [_filter(coder, folder.size) for coder in coders]
    return inflate(source, raw_lzma(chain), size=folder.size)


def _filter(coder: Coder, size: int) -> dict[str, Any]:
    """A coder as liblzma's filter."""
    if coder.method == _LZMA:
        return lzma1_filter(coder.properties, size)
    if len(coder.properties) == 1 and coder.method == _LZMA2 and coder.properties[0] <= _LZMA2_MOST:
        bits = coder.properties[0]
        dictionary = (1 << 32) - 1 if bits == _LZMA2_MOST else (2 | bits & 1) << (bits // 2 + 11)
        return {"id": lzma.FILTER_LZMA2, "dict_size": max(4096, min(dictionary, size))}
    if len(coder.properties) == 1 and coder.method == _DELTA:
        return {"id": lzma.FILTER_DELTA, "dist": coder.properties[0] + 1}
    if coder.method in _BRANCH:
        return {"id": _BRANCH[coder.method]}
    raise ContentError(f"the 7z coder {coder.method.hex()} is not read")


def _limit(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """At most the stated plain size."""
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return
