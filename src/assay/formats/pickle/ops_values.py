"""Opcodes that push plain values. Names and numbers are those of CPython's `Lib/pickle.py`."""

from __future__ import annotations

import codecs
import struct
from typing import TYPE_CHECKING, Any

from assay.core.errors import LimitExceeded
from assay.formats.pickle import events as ev
from assay.formats.pickle.optable import Table, entering, signed, unsigned
from assay.formats.pickle.values import UNKNOWN, Broken, Literal, Special

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

_TAIL_BYTES = 64
_MAX_LONG_BYTES = 4096  # longer integers are data that nobody shows

TABLE: Table = {}
_op = entering(TABLE)


def _constant(code: int | str, value: Any) -> None:
    def push(m: Machine) -> None:
        m.stack.append(value)

    _op(code)(push)


_constant("N", None)
_constant(0x88, True)
_constant(0x89, False)


@_op("K")
def _binint1(m: Machine) -> None:
    m.stack.append(m.take(1)[0])


@_op("M")
def _binint2(m: Machine) -> None:
    m.stack.append(unsigned(m, 2))


@_op("J")
def _binint(m: Machine) -> None:
    m.stack.append(signed(m, 4))


@_op("I")
def _text_int(m: Machine) -> None:
    line = number_line(m)
    if line in {b"00", b"01"}:
        m.stack.append(line == b"01")
        return
    m.stack.append(number(line, 0))


@_op("L")
def _text_long(m: Machine) -> None:
    line = number_line(m)
    m.stack.append(number(line.partition(b"\0")[0].removesuffix(b"L"), 0))


def number_line(m: Machine) -> bytes:
    """A line that holds a number: what follows a NUL is not read by the C unpickler, however long it is."""
    line = m.long_line()
    if not isinstance(line, Literal):
        return line
    if b"\0" in line.head:
        return line.head
    raise LimitExceeded("line", f"a number longer than {len(line.head)} bytes")


def number(line: bytes, base: int) -> Any:
    """An integer in text form (Broken when it is none)."""
    if len(line) > _MAX_LONG_BYTES:
        return UNKNOWN
    try:
        return int(line.partition(b"\0")[0], base)  # the C unpickler reads up to a NUL
    except ValueError as error:
        raise Broken("an integer in text form is none") from error


@_op(0x8A)
def _long1(m: Machine) -> None:
    m.stack.append(signed(m, m.take(1)[0]))


@_op(0x8B)
def _long4(m: Machine) -> None:
    size = signed(m, 4)
    if 0 <= size <= _MAX_LONG_BYTES:
        m.stack.append(signed(m, size))
        return
    m.push_literal(size)
    m.stack[-1] = Special(["int", f"{size * 8}-bit integer"])


@_op("F")
def _text_float(m: Machine) -> None:
    try:
        m.stack.append(float(number_line(m)[:_MAX_LONG_BYTES].partition(b"\0")[0]))
    except ValueError as error:
        raise Broken("a float in text form is none") from error


@_op("G")
def _binfloat(m: Machine) -> None:
    m.stack.append(struct.unpack(">d", m.take(8))[0])


@_op("S")
def _text_string(m: Machine) -> None:
    line = m.long_line(escapes=True)
    if isinstance(line, Literal):
        _quoted(m, line)
        m.stack.append(line)
        return
    line = line.rstrip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\"":  # noqa: PLR2004
        raise Broken("a string has no quotes")
    try:
        data = codecs.escape_decode(line[1:-1])[0]
    except ValueError as error:
        raise Broken("a string has a broken escape") from error
    m.stack.append(data.decode("latin-1"))


def _quoted(m: Machine, line: Literal) -> None:
    """A long line ends with the quote that it begins with, blanks aside."""
    tail = m.source.read(line.offset + line.size - _TAIL_BYTES, _TAIL_BYTES).rstrip()
    if line.head[:1] not in b"'\"" or (tail and tail[-1:] != line.head[:1]):
        raise Broken("a string has no quotes")


@_op("V")
def _text_unicode(m: Machine) -> None:
    line = m.long_line(escapes=True)
    if isinstance(line, Literal):
        m.stack.append(line)
    else:
        m.push_decoded(line, "raw-unicode-escape")


@_op("U")
def _short_binstring(m: Machine) -> None:
    m.stack.append(m.take(m.take(1)[0]).decode("latin-1"))


@_op("T")
def _binstring(m: Machine) -> None:
    size = signed(m, 4)
    if 0 <= size <= ev.TEXT_LIMIT:
        m.stack.append(m.take(size).decode("latin-1"))
    else:
        m.push_literal(size)


@_op("X")
def _binunicode(m: Machine) -> None:
    m.push_text(unsigned(m, 4))


@_op(0x8C)
def _short_binunicode(m: Machine) -> None:
    m.push_text(m.take(1)[0])


@_op(0x8D)
def _binunicode8(m: Machine) -> None:
    m.push_text(unsigned(m, 8))


@_op("C")
def _short_binbytes(m: Machine) -> None:
    m.push_literal(m.take(1)[0])


@_op("B")
def _binbytes(m: Machine) -> None:
    m.push_literal(unsigned(m, 4))


@_op(0x8E)
def _binbytes8(m: Machine) -> None:
    m.push_literal(unsigned(m, 8))


@_op(0x96)
def _bytearray8(m: Machine) -> None:
    m.push_literal(unsigned(m, 8))


@_op(0x97)
def _next_buffer(m: Machine) -> None:
    m.stack.append(Special(["buffer"]))
    m.emit(ev.BUFFER)


@_op(0x98)
def _readonly_buffer(m: Machine) -> None:
    m.top()
