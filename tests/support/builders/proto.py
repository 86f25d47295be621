"""Protocol buffer messages by field number."""

from __future__ import annotations

import struct

Value = int | float | str | bytes


def varint(value: int) -> bytes:
    """Base-128 varint; negative numbers as 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def message(*fields: tuple[int, Value]) -> bytes:
    """A message: integers as varints, floats as fixed 32 bits, text and bytes length-delimited."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out
