"""The index of a TensorFlow checkpoint: which tensor lies where in the data files.

Source: `tensorflow/core/lib/io/format.cc` (the table of LevelDB), `tensor_bundle.proto`. Blocks are read one by one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.protobuf import BYTES, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

_MAGIC: Final = bytes.fromhex("57fb808b247547db")
_FOOTER: Final = 48


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """One tensor: key, number of its data file, offset and size in it."""

    key: str
    shard: int
    offset: int
    size: int


@dataclass(frozen=True)
class Bundle:
    """An index.

    Attributes:
        shards: number of data files.
        entries: tensors.
    """

    shards: int
    entries: tuple[BundleEntry, ...]


def read_bundle(stream: BinaryIO, size: int, limits: Limits) -> Bundle:
    """Read an index.

    Raises:
        ContentError: when it is none, or a block is compressed.
        LimitExceeded: past a limit.
    """
    if size < _FOOTER:
        msg = "too short for a table"
        raise ContentError(msg)
    stream.seek(size - _FOOTER)
    footer = stream.read(_FOOTER)
    if not footer.endswith(_MAGIC):
        msg = "no table footer"
        raise ContentError(msg)
    position = 0
    handles = []
    for _ in range(4):
        number, position = _varint(footer, position)
        handles.append(number)
    entries: list[BundleEntry] = []
    shards = 1
    for _, handle in _block(stream, size, handles[2], handles[3], limits):
        offset, used = _varint(handle, 0)
        length, _ = _varint(handle, used)
        for key, value in _block(stream, size, offset, length, limits):
            if not key:
                shards = _numbers(value, limits).get(1, 1)
                continue
            fields = _numbers(value, limits)
            name = key.decode("utf-8", "replace")[:500]
            entries.append(BundleEntry(name, fields.get(3, 0), fields.get(4, 0), fields.get(5, 0)))
            if len(entries) > limits.members:
                raise LimitExceeded("members", f"more than {limits.members} tensors")
    return Bundle(shards, tuple(entries))


def _block(stream: BinaryIO, size: int, offset: int, length: int, limits: Limits) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of the entries of one block; keys share their beginnings with the one before."""
    if offset + length + 5 > size or length < 4:  # noqa: PLR2004 - type and checksum stand behind, the restart count inside
        msg = f"a block of {length} bytes at {offset} passes the end"
        raise ContentError(msg)
    if length > limits.header_bytes:
        raise LimitExceeded("header_bytes", f"a block of {length} bytes")
    stream.seek(offset)
    data = stream.read(length + 1)
    if data[length:] != b"\0":
        msg = f"a compressed block at {offset}"
        raise ContentError(msg)
    restarts = int.from_bytes(data[length - 4 : length], "little")
    end = length - 4 - 4 * restarts
    position, key = 0, b""
    while position < end:
        shared, position = _varint(data, position)
        fresh, position = _varint(data, position)
        value, position = _varint(data, position)
        if position + fresh + value > end or shared > len(key):
            msg = f"an entry passes the end of its block at {offset}"
            raise ContentError(msg)
        key = key[:shared] + data[position : position + fresh]
        position += fresh
        yield key, data[position : position + value]
        position += value


def _numbers(value: bytes, limits: Limits) -> dict[int, int]:
    """Varint fields of a small message."""
    message = Message(io.BytesIO(value), len(value), limits)
    return {field.number: field.value for field in message.fields() if field.wire != BYTES}


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 64:  # noqa: PLR2004
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return value, position
        shift += 7
    msg = "a varint that does not end"
    raise ContentError(msg)
