"""A small expression assembler for pickles: `pickled(Call(Global("os.system"), "touch x"))`.

Written by hand, not with `pickle.dumps`, so that the corpus says exactly which opcodes a file holds, can build what
`pickle` would never write, and never imports what it names.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

STOP = b"."
MARK = b"("


@dataclass(frozen=True)
class Global:
    """`module.qualname`; the split is at the last dot unless `qualname` is given."""

    name: str
    qualname: str = ""

    @property
    def module(self) -> str:
        """Module part."""
        return self.name if self.qualname else self.name.rpartition(".")[0]

    @property
    def attribute(self) -> str:
        """Attribute part; may hold dots (protocol 4 and later)."""
        return self.qualname or self.name.rpartition(".")[2]

    @property
    def full(self) -> str:
        """Dotted name."""
        return f"{self.module}.{self.attribute}"


class Call:
    """REDUCE of a callable with positional arguments."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args


class Computed:
    """STACK_GLOBAL with operands that are any expression (a call, say)."""

    def __init__(self, module: Any, attribute: Any) -> None:
        self.module, self.attribute = module, attribute


class Build:
    """BUILD: `__setstate__`, `__dict__` update or slots."""

    def __init__(self, target: Any, state: Any) -> None:
        self.target, self.state = target, state


class New:
    """NEWOBJ (`cls.__new__(cls, *args)`), or NEWOBJ_EX when keyword arguments are given."""

    def __init__(self, cls: Any, *args: Any, **kwargs: Any) -> None:
        self.cls, self.args, self.kwargs = cls, args, kwargs


class Then:
    """Evaluate in order, POP everything but the last."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts


class Memo:
    """Evaluate and remember under a number."""

    def __init__(self, number: int, value: Any) -> None:
        self.number, self.value = number, value


@dataclass(frozen=True)
class Get:
    """What `Memo` remembered."""

    number: int


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are; must leave one object on the stack."""

    code: bytes


def encode(value: Any, protocol: int) -> bytes:
    """Opcodes that leave `value` on the stack."""
    if isinstance(value, Raw):
        return value.code
    if isinstance(value, Global):
        return _global(value, protocol)
    if isinstance(value, Call):
        return encode(value.function, protocol) + _tuple(value.args, protocol) + b"R"
    if isinstance(value, Computed):
        return encode(value.module, protocol) + encode(value.attribute, protocol) + b"\x93"
    if isinstance(value, Build):
        return encode(value.target, protocol) + encode(value.state, protocol) + b"b"
    if isinstance(value, New):
        head = encode(value.cls, protocol) + _tuple(value.args, protocol)
        return head + encode(value.kwargs, protocol) + b"\x92" if value.kwargs else head + b"\x81"
    if isinstance(value, Memo):
        return encode(value.value, protocol) + b"p%d\n" % value.number
    if isinstance(value, Get):
        return b"g%d\n" % value.number
    if isinstance(value, Then):
        return b"0".join(encode(part, protocol) for part in value.parts)
    return _data(value, protocol)


def pickled(value: Any, protocol: int = 2, *, framed: bool = False) -> bytes:
    """One whole pickle: header, opcodes, STOP."""
    body = encode(value, protocol) + STOP
    if framed:
        body = b"\x95" + struct.pack("<Q", len(body)) + body
    return (b"\x80" + bytes([protocol]) if protocol >= 2 else b"") + body


def globals_of(value: Any) -> tuple[str, ...]:
    """Dotted names of every `Global` in the expression, in evaluation order, without repetition."""
    found: dict[str, None] = {}
    _collect(value, found)
    return tuple(found)


def _collect(value: Any, found: dict[str, None]) -> None:
    if isinstance(value, Global):
        found[value.full] = None
    elif isinstance(value, Call):
        _collect([value.function, *value.args], found)
    elif isinstance(value, Computed):
        _collect([value.module, value.attribute], found)
    elif isinstance(value, Build):
        _collect([value.target, value.state], found)
    elif isinstance(value, New):
        _collect([value.cls, *value.args, value.kwargs], found)
    elif isinstance(value, Memo):
        _collect(value.value, found)
    elif isinstance(value, Then):
        _collect(list(value.parts), found)
    elif isinstance(value, dict):
        _collect([*value, *value.values()], found)
    elif isinstance(value, list | tuple | set):
        for item in value:
            _collect(item, found)


def _global(value: Global, protocol: int) -> bytes:
    if protocol >= 4:
        return _text(value.module, protocol) + _text(value.attribute, protocol) + b"\x93"
    return b"c" + value.module.encode() + b"\n" + value.attribute.encode() + b"\n"


def _tuple(items: tuple[Any, ...], protocol: int) -> bytes:
    inner = b"".join(encode(item, protocol) for item in items)
    if protocol >= 2 and len(items) <= 3:
        return inner + (b")", b"\x85", b"\x86", b"\x87")[len(items)]
    return MARK + inner + b"t"


def _text(value: str, protocol: int) -> bytes:
    if protocol == 0:
        escaped = value.replace("\\", "\\u005c").replace("\n", "\\u000a").replace("\r", "\\u000d")
        return b"V" + escaped.encode("raw-unicode-escape") + b"\n"
    raw = value.encode("utf-8", "surrogatepass")
    if protocol >= 4 and len(raw) < 256:
        return b"\x8c" + bytes([len(raw)]) + raw
    return b"X" + struct.pack("<I", len(raw)) + raw


def _bytes(value: bytes, protocol: int) -> bytes:
    if protocol < 3:
        return encode(Call(Global("_codecs.encode"), value.decode("latin-1"), "latin1"), protocol)
    if len(value) < 256:
        return b"C" + bytes([len(value)]) + value
    return b"B" + struct.pack("<I", len(value)) + value


def _integer(value: int, protocol: int) -> bytes:
    if protocol == 0:
        return b"I%d\n" % value
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw if len(raw) < 256 else b"\x8b" + struct.pack("<i", len(raw)) + raw


def _data(value: Any, protocol: int) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return (b"\x88" if value else b"\x89") if protocol >= 2 else (b"I01\n" if value else b"I00\n")
    if isinstance(value, int):
        return _integer(value, protocol)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value) if protocol else b"F" + repr(value).encode() + b"\n"
    if isinstance(value, str):
        return _text(value, protocol)
    if isinstance(value, bytes):
        return _bytes(value, protocol)
    if isinstance(value, tuple):
        return _tuple(value, protocol)
    if isinstance(value, list):
        return MARK + b"l" + b"".join(encode(item, protocol) + b"a" for item in value)
    if isinstance(value, dict):
        pairs = b"".join(encode(k, protocol) + encode(v, protocol) + b"s" for k, v in value.items())
        return MARK + b"d" + pairs
    msg = f"no opcode for {type(value).__name__}"
    raise TypeError(msg)
