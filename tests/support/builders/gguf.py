"""GGUF files (docs/gguf.md of ggml)."""

from __future__ import annotations

import struct
from typing import Any


def text(value: str | bytes) -> bytes:
    """A length and bytes."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def value(item: Any) -> bytes:
    """A typed value: text, bool, int (u32), float (f32), or a list of one of them."""
    if isinstance(item, bool):
        return struct.pack("<IB", 7, item)
    if isinstance(item, str):
        return struct.pack("<I", 8) + text(item)
    if isinstance(item, int):
        return struct.pack("<II", 4, item)
    if isinstance(item, float):
        return struct.pack("<If", 6, item)
    bodies = [value(i) for i in item]
    kind = bodies[0][:4] if bodies else struct.pack("<I", 4)
    return struct.pack("<I", 9) + kind + struct.pack("<Q", len(bodies)) + b"".join(b[4:] for b in bodies)


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    """An entry of the tensor table."""
    return (
        text(name)
        + struct.pack("<I", len(shape))
        + struct.pack(f"<{len(shape)}Q", *shape)
        + struct.pack("<IQ", kind, offset)
    )


def gguf(values: dict[str, Any] | list[tuple[str, Any]], tensors: tuple[bytes, ...] = (), data: bytes = b"") -> bytes:
    """A file of version 3; `data` is put at the next multiple of 32."""
    items = list(values.items()) if isinstance(values, dict) else values
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(items))
    head += b"".join(text(key) + value(item) for key, item in items) + b"".join(tensors)
    return head + b"\0" * (-len(head) % 32) + data
