"""Xet objects, as clients upload them: shards (which file is made of what) and xorbs (the chunks themselves).

Xet Protocol Specification 1.1.0, "MDB Shard File Format" and "Xorb Formation & Serialization". Both are read within
bounds, and nothing in them is believed: what comes out of them counts only when its SHA-256 is the one asked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from assay.core.errors import ContentError
from assay.formats.containers.lz4 import Lz4

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARD_TAG: Final = b"HFRepoMetaData\x00" + bytes(
    (85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169)
)
_RECORD: Final = 48  # bytes of every record of a shard, its header included
_BOOKEND: Final = b"\xff" * 32  # in place of a file's hash: the end of the section
_VERIFICATION: Final = 1 << 31
_METADATA: Final = 1 << 30
MAX_FILES: Final = 100_000  # of one shard
MAX_SEGMENTS: Final = 1_000_000  # of one shard
_CHUNK_HEADER: Final = 8
MAX_CHUNK: Final = 2 << 20  # bytes of one chunk, unpacked; the protocol's most is 128 KiB
MAX_CHUNKS: Final = 64 << 10  # of one xorb: 64 MiB in the smallest chunks are 8,192
_NONE, _LZ4, _GROUPED_LZ4 = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of chunks of one xorb.

    Attributes:
        xorb: hash of the xorb, as it stands in URLs.
        start: first chunk.
        stop: one past the last.
        size: bytes, unpacked, as claimed.
    """

    xorb: str
    start: int
    stop: int
    size: int


@dataclass(frozen=True, slots=True)
class ShardFile:
    """How one file is put together.

    Attributes:
        sha256: what the shard says its SHA-256 is; empty when it says nothing.
        segments: in order.
    """

    sha256: str
    segments: tuple[Segment, ...]


def hash_text(raw: bytes) -> str:
    """A hash as it stands in URLs: four little-endian 64-bit numbers in hexadecimal."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def read_shard(data: bytes) -> list[ShardFile]:
    """The files of a shard.

    Raises:
        ContentError: it is none, or goes beyond its bounds.
    """
    if data[:32] != SHARD_TAG:
        raise ContentError("not a Xet shard")
    files: list[ShardFile] = []
    at, segments = _RECORD, 0
    while True:
        record = _record(data, at)
        if record[:32] == _BOOKEND:
            return files
        flags, count = struct.unpack_from("<II", record, 32)
        segments += count
        if len(files) >= MAX_FILES or segments > MAX_SEGMENTS:
            raise ContentError("a Xet shard with too many entries")
        first = at + _RECORD
        entries = tuple(_segment(_record(data, first + _RECORD * number)) for number in range(count))
        at = first + _RECORD * count * (2 if flags & _VERIFICATION else 1)
        sha256 = ""
        if flags & _METADATA:
            sha256 = hash_text(_record(data, at)[:32])
            at += _RECORD
        files.append(ShardFile(sha256, entries))


def _record(data: bytes, at: int) -> bytes:
    record = data[at : at + _RECORD]
    if len(record) != _RECORD:
        raise ContentError("a Xet shard that ends too early")
    return record


def _segment(record: bytes) -> Segment:
    _flags, size, start, stop = struct.unpack_from("<4I", record, 32)
    if not start < stop <= MAX_CHUNKS:
        raise ContentError("a Xet shard with an impossible range of chunks")
    return Segment(hash_text(record[:32]), start, stop, size)


def read_chunks(data: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Chunks `start` to `stop` (exclusive) of a xorb, unpacked.

    Raises:
        ContentError: the xorb is broken or has fewer.
    """
    at = 0
    for number in range(stop):
        header = data[at : at + _CHUNK_HEADER]
        if len(header) != _CHUNK_HEADER or header[0] != 0:
            raise ContentError(f"a xorb without chunk {number}")
        packed, size, scheme = (
            int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little"), header[4]
        )  # fmt: skip
        body = data[at + _CHUNK_HEADER : at + _CHUNK_HEADER + packed]
        if len(body) != packed or size > MAX_CHUNK:
            raise ContentError(f"chunk {number} of a xorb is cut off or too large")
        at += _CHUNK_HEADER + packed
        if number >= start:
            yield _unpack(body, scheme, size, number)


def _unpack(body: bytes, scheme: int, size: int, number: int) -> bytes:
    if scheme == _NONE:
        data = body
    elif scheme in {_LZ4, _GROUPED_LZ4}:
        data = _lz4(body, size)
        data = _ungroup(data) if scheme == _GROUPED_LZ4 else data
    else:
        raise ContentError(f"chunk {number} of a xorb is packed in a way that is not known ({scheme})")
    if len(data) != size:
        raise ContentError(f"chunk {number} of a xorb has another size than it says")
    return data


def _lz4(body: bytes, most: int) -> bytes:
    frame, out = Lz4(), bytearray()
    try:
        out += frame.step(body)
        while not frame.eof and not frame.hungry and len(out) <= most:
            out += frame.step(b"")
    except ValueError as error:
        raise ContentError("a chunk of a xorb is no LZ4 frame") from error
    return bytes(out)


def _ungroup(data: bytes) -> bytes:
    """Every fourth byte together → in their places (byte grouping by four)."""
    out = bytearray(len(data))
    at = 0
    for lane in range(4):
        count = (len(data) - lane + 3) // 4
        out[lane::4] = data[at : at + count]
        at += count
    return bytes(out)
