"""Snappy blocks (Parquet's usual compression): a decoder of our own.

Source: "Snappy compressed format description" (format_description.txt of google/snappy).
"""

from __future__ import annotations

_LITERAL, _NEAR, _FAR = 0, 1, 2
_LONG = 60  # literal lengths from here on stand in further bytes


def expand(data: bytes, limit: int) -> bytes:
    """One block, or what it begins with when it is longer than `limit` bytes (ValueError when it is broken)."""
    length, at = _varint(data)
    out = bytearray()
    end = len(data)
    while at < end and len(out) <= min(length, limit):
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == _LITERAL:
            size = tag >> 2
            if size >= _LONG:
                width = size - _LONG + 1
                size = int.from_bytes(data[at : at + width], "little")
                at += width
            out += data[at : at + size + 1]
            at += size + 1
            continue
        if kind == _NEAR:
            size, offset = (tag >> 2 & 7) + 4, tag >> 5 << 8 | int.from_bytes(data[at : at + 1], "little")
            at += 1
        else:
            width = 2 if kind == _FAR else 4
            size, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little")
            at += width
        start = len(out) - offset
        if not offset or start < 0:
            raise ValueError("a copy from before the start")
        out += out[start : start + size] if size <= offset else (out[start:] * (size // offset + 1))[:size]
    if len(out) > limit:
        return bytes(out[:limit])
    if len(out) != length:
        raise ValueError("another length than stated")
    return bytes(out)


def _varint(data: bytes) -> tuple[int, int]:
    value = shift = 0
    for at, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte
            return value, at + 1
        shift += 7
    raise ValueError("no length")
