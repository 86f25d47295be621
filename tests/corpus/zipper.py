"""A zip writer that can lie: every header field can be given a value of its own."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One member. Fields that are None take their true value; `local_*` is for the local header alone."""

    name: str
    data: bytes
    local_name: str | None = None
    flags: int = 0
    local_flags: int | None = None
    crc: int | None = None
    local_crc: int | None = None
    deflate: bool = False
    local_method: int | None = None
    size: int | None = None
    local_size: int | None = None
    central: bool = True  # False: only a local entry, absent from the directory
    attributes: int = 0
    extra: bytes = b""
    packed: bytes | None = None  # `data` as some other method compresses it
    method: int | None = None


def zipped(
    entries: list[Entry], *, prepend: bytes = b"", append: bytes = b"", comment: bytes = b"", shift: bool = True
) -> bytes:
    """A zip file.

    Args:
        entries: members in order.
        prepend: bytes before the first local header.
        append: bytes after the end record.
        comment: archive comment.
        shift: whether the offsets count `prepend`.
    """
    body, directory, count = bytearray(prepend), bytearray(), 0
    for entry in entries:
        offset = len(body) - (0 if shift else len(prepend))
        packed = entry.packed or (_deflated(entry.data) if entry.deflate else entry.data)
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        method = (8 if entry.deflate else 0) if entry.method is None else entry.method
        size = len(entry.data) if entry.size is None else entry.size
        body += _local(entry, packed, crc, method, size)
        body += packed
        if entry.central:
            count += 1
            name = entry.name.encode()
            directory += struct.pack(
                "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, entry.flags, method, 0, 33, crc, len(packed), size,
                len(name), len(entry.extra), 0, 0, 0, entry.attributes, offset,
            )  # fmt: skip
            directory += name + entry.extra
    start = len(body) - (0 if shift else len(prepend))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, len(comment)) + comment
    return bytes(body) + bytes(directory) + end + append


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _local(entry: Entry, packed: bytes, crc: int, method: int, size: int) -> bytes:
    name = (entry.name if entry.local_name is None else entry.local_name).encode()
    flags = entry.flags if entry.local_flags is None else entry.local_flags
    header = struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", 20, flags, method if entry.local_method is None else entry.local_method, 0, 33,
        crc if entry.local_crc is None else entry.local_crc, len(packed), size if entry.local_size is None else entry.local_size,
        len(name), len(entry.extra),
    )  # fmt: skip
    return header + name + entry.extra
