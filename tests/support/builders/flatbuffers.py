"""FlatBuffers, written parents first: every offset points forward, as the format wants."""

from __future__ import annotations

import struct
from typing import Any

Table = dict[int, Any]


def scalar(form: str, value: int) -> bytes:
    """A scalar field (`I`, `i`, `b`, `Q`)."""
    return struct.pack("<" + form, value)


def build(root: Table, identifier: bytes) -> bytes:
    """A buffer. Fields are `bytes` (a scalar), `str`, `dict` (a table), `list[dict]` or `list[int]` (int32)."""
    out = bytearray(b"\0\0\0\0" + identifier)
    position = _table(out, root)
    struct.pack_into("<I", out, 0, position)
    return bytes(out)


def _table(out: bytearray, table: Table) -> int:
    slots = max(table, default=-1) + 1
    offsets, body, pending = [0] * slots, bytearray(4), []
    for slot, value in sorted(table.items()):
        inline = value if isinstance(value, bytes) else b"\0\0\0\0"
        body += b"\0" * (-len(body) % max(1, len(inline)))
        offsets[slot] = len(body)
        if not isinstance(value, bytes):
            pending.append((len(body), value))
        body += inline
    vtable = struct.pack(f"<HH{slots}H", 4 + 2 * slots, len(body), *offsets)
    out += b"\0" * (-len(out) % 8)
    out += vtable + b"\0" * (-len(vtable) % 8)
    start = len(out)
    struct.pack_into("<i", body, 0, len(vtable) + (-len(vtable) % 8))
    out += body
    for offset, value in pending:
        struct.pack_into("<I", out, start + offset, _value(out, value) - start - offset)
    return start


def _value(out: bytearray, value: Any) -> int:
    if isinstance(value, dict):
        return _table(out, value)
    out += b"\0" * (-len(out) % 4)
    here = len(out)
    if isinstance(value, str):
        out += struct.pack("<I", len(value.encode())) + value.encode() + b"\0"
    elif value and isinstance(value[0], dict):
        out += struct.pack("<I", len(value)) + b"\0" * (4 * len(value))
        for index, item in enumerate(value):
            place = here + 4 + 4 * index
            struct.pack_into("<I", out, place, _table(out, item) - place)
    else:
        out += struct.pack(f"<I{len(value)}i", len(value), *value)
    return here


def tflite(
    *custom: str, builtin: int = 0, tensor_buffer: int = 0, used: tuple[int, ...] = (0,), buffer_offset: int = 0
) -> bytes:
    """A TensorFlow Lite model with one builtin operator and the custom ones named."""
    codes: list[Table] = [{0: scalar("b", builtin), 3: scalar("i", builtin)}]
    codes += [{0: scalar("b", 32), 1: name, 3: scalar("i", 32)} for name in custom]
    operators = [{0: scalar("I", index), 1: list(used), 2: [0]} for index in range(len(codes))]
    tensor = {0: [1, 4], 2: scalar("I", tensor_buffer), 3: "t"}
    graph = {0: [tensor], 1: [0], 2: [0], 3: operators, 4: "main"}
    buffer: Table = {1: scalar("Q", buffer_offset), 2: scalar("Q", 16)} if buffer_offset else {}
    return build({0: scalar("I", 3), 1: codes, 2: [graph], 3: "tests", 4: [buffer]}, b"TFL3")


def executorch(*operators: str, delegate: str = "") -> bytes:
    """An ExecuTorch program."""
    plan: Table = {0: "forward", 6: [{0: name, 1: "out"} for name in operators]}
    if delegate:
        plan[7] = [{0: delegate}]
    return build({0: scalar("I", 0), 1: [plan]}, b"ET12")
