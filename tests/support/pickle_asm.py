"""A small assembler for pickles: every opcode of protocols 0 to 5 as a function that returns its bytes.

Tests and the corpus generator write hostile pickles with it, opcode by opcode, instead of relying on what a pickler
happens to emit:

    asm.pickle(asm.GLOBAL("posix", "system"), asm.UNICODE("touch /tmp/x"), asm.TUPLE1, asm.REDUCE)

Nothing here imports pickle, and nothing is ever loaded.
"""

# ruff: noqa: N802 - the functions are named as the opcodes are
from __future__ import annotations

import struct

MARK = b"("
STOP = b"."
POP = b"0"
POP_MARK = b"1"
DUP = b"2"
REDUCE = b"R"
BUILD = b"b"
APPEND = b"a"
APPENDS = b"e"
SETITEM = b"s"
SETITEMS = b"u"
DICT = b"d"
LIST = b"l"
TUPLE = b"t"
OBJ = b"o"
NONE = b"N"
EMPTY_DICT = b"}"
EMPTY_LIST = b"]"
EMPTY_TUPLE = b")"
EMPTY_SET = b"\x8f"
ADDITEMS = b"\x90"
FROZENSET = b"\x91"
NEWOBJ = b"\x81"
NEWOBJ_EX = b"\x92"
STACK_GLOBAL = b"\x93"
MEMOIZE = b"\x94"
TUPLE1 = b"\x85"
TUPLE2 = b"\x86"
TUPLE3 = b"\x87"
TRUE = b"\x88"
FALSE = b"\x89"
BINPERSID = b"Q"
NEXT_BUFFER = b"\x97"
READONLY_BUFFER = b"\x98"


def PROTO(version: int) -> bytes:
    """Protocol marker; legal anywhere in a stream."""
    return b"\x80" + bytes([version])


def FRAME(body: bytes, *, claim: int | None = None) -> bytes:
    """A frame around `body`; `claim` lies about its length."""
    return b"\x95" + struct.pack("<Q", len(body) if claim is None else claim) + body


def GLOBAL(module: str, name: str) -> bytes:
    """Text import, protocol 0."""
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def INST(module: str, name: str) -> bytes:
    """Import and call with everything above the mark."""
    return b"i" + module.encode() + b"\n" + name.encode() + b"\n"


def INT(text: int | str) -> bytes:
    """Text integer, protocol 0; a string passes as it is (`0x1f`, `01`)."""
    return b"I" + str(text).encode() + b"\n"


def LONG(text: int | str) -> bytes:
    """Text long, protocol 0."""
    return b"L" + (str(text) if isinstance(text, str) else f"{text}L").encode() + b"\n"


def BININT(value: int) -> bytes:
    """Smallest binary integer opcode that fits."""
    if 0 <= value < 1 << 8:
        return b"K" + bytes([value])
    if 0 <= value < 1 << 16:
        return b"M" + struct.pack("<H", value)
    return b"J" + struct.pack("<i", value)


def LONG1(value: int) -> bytes:
    """Binary long of up to 255 bytes."""
    size = (value.bit_length() + 8) // 8 if value else 0
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def LONG4(data: bytes) -> bytes:
    """Binary long from its raw little-endian bytes."""
    return b"\x8b" + struct.pack("<i", len(data)) + data


def FLOAT(text: str) -> bytes:
    """Text float."""
    return b"F" + text.encode() + b"\n"


def BINFLOAT(value: float) -> bytes:
    """Binary float."""
    return b"G" + struct.pack(">d", value)


def STRING(text: str) -> bytes:
    """Quoted text string, protocol 0."""
    return b"S" + repr(text).encode() + b"\n"


def SHORT_BINSTRING(data: bytes) -> bytes:
    """Python 2 string of up to 255 bytes."""
    return b"U" + bytes([len(data)]) + data


def BINSTRING(data: bytes) -> bytes:
    """Python 2 string."""
    return b"T" + struct.pack("<i", len(data)) + data


def UNICODE_TEXT(text: str) -> bytes:
    """Raw-unicode-escape text line, protocol 0."""
    return b"V" + text.encode("raw_unicode_escape") + b"\n"


def SHORT_UNICODE(text: str) -> bytes:
    """UTF-8 text of up to 255 bytes, protocol 4."""
    data = text.encode()
    return b"\x8c" + bytes([len(data)]) + data


def BINUNICODE(text: str) -> bytes:
    """UTF-8 text, protocol 1."""
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def BINUNICODE8(text: str) -> bytes:
    """UTF-8 text with an 8-byte length, protocol 4."""
    data = text.encode()
    return b"\x8d" + struct.pack("<Q", len(data)) + data


UNICODE = BINUNICODE


def SHORT_BINBYTES(data: bytes) -> bytes:
    """Bytes, up to 255, protocol 3."""
    return b"C" + bytes([len(data)]) + data


def BINBYTES(data: bytes) -> bytes:
    """Bytes, protocol 3."""
    return b"B" + struct.pack("<I", len(data)) + data


def BINBYTES8(data: bytes, *, claim: int | None = None) -> bytes:
    """Bytes with an 8-byte length, protocol 4; `claim` lies about it."""
    return b"\x8e" + struct.pack("<Q", len(data) if claim is None else claim) + data


def BYTEARRAY8(data: bytes) -> bytes:
    """Bytearray, protocol 5."""
    return b"\x96" + struct.pack("<Q", len(data)) + data


def PUT(index: int | str) -> bytes:
    """Text memo store."""
    return b"p" + str(index).encode() + b"\n"


def BINPUT(index: int) -> bytes:
    """Memo store, one byte."""
    return b"q" + bytes([index])


def LONG_BINPUT(index: int) -> bytes:
    """Memo store, four bytes."""
    return b"r" + struct.pack("<I", index)


def GET(index: int | str) -> bytes:
    """Text memo load."""
    return b"g" + str(index).encode() + b"\n"


def BINGET(index: int) -> bytes:
    """Memo load, one byte."""
    return b"h" + bytes([index])


def LONG_BINGET(index: int) -> bytes:
    """Memo load, four bytes."""
    return b"j" + struct.pack("<I", index)


def PERSID(text: str) -> bytes:
    """Persistent id as a text line."""
    return b"P" + text.encode() + b"\n"


def EXT1(code: int) -> bytes:
    """Extension code, one byte."""
    return b"\x82" + bytes([code])


def EXT2(code: int) -> bytes:
    """Extension code, two bytes."""
    return b"\x83" + struct.pack("<H", code)


def EXT4(code: int) -> bytes:
    """Extension code, four bytes."""
    return b"\x84" + struct.pack("<i", code)


def pickle(*parts: bytes, proto: int | None = None, stop: bool = True) -> bytes:
    """Join opcodes to a pickle, with a protocol marker and the final STOP when asked."""
    return (PROTO(proto) if proto is not None else b"") + b"".join(parts) + (STOP if stop else b"")


def value(data: object) -> bytes:  # noqa: PLR0911
    """Opcodes that push a plain value: None, bool, int, float, str, bytes, tuple, list or dict.

    Raises:
        TypeError: for anything else.
    """
    if data is None:
        return NONE
    if isinstance(data, bool):
        return TRUE if data else FALSE
    if isinstance(data, int):
        return BININT(data) if -(1 << 31) <= data < 1 << 31 else LONG1(data)
    if isinstance(data, float):
        return BINFLOAT(data)
    if isinstance(data, str):
        return BINUNICODE(data)
    if isinstance(data, bytes):
        return BINBYTES(data)
    if isinstance(data, tuple):
        return MARK + b"".join(value(item) for item in data) + TUPLE
    if isinstance(data, list):
        return EMPTY_LIST + MARK + b"".join(value(item) for item in data) + APPENDS
    if isinstance(data, dict):
        return EMPTY_DICT + MARK + b"".join(value(k) + value(v) for k, v in data.items()) + SETITEMS
    msg = f"no opcodes for {type(data).__name__}"
    raise TypeError(msg)


def call(module: str, name: str, *arguments: object) -> bytes:
    """Opcodes that import `module.name` and call it with plain values; leaves the result on the stack."""
    return GLOBAL(module, name) + value(arguments) + REDUCE
