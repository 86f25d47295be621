"""What each opcode does to the symbolic machine. Names and numbers are those of CPython's `Lib/pickle.py`."""

from __future__ import annotations

import codecs
import struct
from typing import TYPE_CHECKING, Any

from assay.formats.pickle import events as ev
from assay.formats.pickle.values import (
    ACTIVE,
    UNKNOWN,
    Broken,
    Mapping,
    Sequence,
    Special,
    term,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.formats.pickle.machine import Machine

Handler = "Callable[[Machine], None]"

HIGHEST_PROTOCOL = 5
_MAX_LONG_BYTES = 4096  # longer integers are data that nobody shows
_MAX_MEMO = 1 << 32

HANDLERS: list[Callable[[Machine], None] | None] = [None] * 256


def _op(code: int | str) -> Callable[[Callable[[Machine], None]], Callable[[Machine], None]]:
    def enter(handler: Callable[[Machine], None]) -> Callable[[Machine], None]:
        HANDLERS[ord(code) if isinstance(code, str) else code] = handler
        return handler

    return enter


def _uint(m: Machine, size: int) -> int:
    return int.from_bytes(m.take(size), "little")


def _int(m: Machine, size: int) -> int:
    return int.from_bytes(m.take(size), "little", signed=True)


# -- structure of the stream


@_op(0x80)
def _proto(m: Machine) -> None:
    version = m.take(1)[0]
    if version > HIGHEST_PROTOCOL:
        raise Broken(f"protocol {version} does not exist")
    m.protocol = version
    m.highest = max(m.highest, version)


@_op(0x95)
def _frame(m: Machine) -> None:
    # Frames are read-ahead hints: the C unpickler ignores their ends, the Python one reads what there is of a frame
    # that is longer than the file. Following the opcodes alone covers both.
    if _uint(m, 8) >= 1 << 63:
        raise Broken("a frame is larger than any memory")


@_op("(")
def _mark(m: Machine) -> None:
    if m.stack:
        m.marks.append(m.stack)
        m.stack = []
    elif m.marks and isinstance(m.marks[-1], int):
        m.marks[-1] += 1
    else:
        m.marks.append(1)


@_op("0")
def _pop(m: Machine) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.pop_mark()


@_op("1")
def _pop_mark(m: Machine) -> None:
    m.pop_mark()


@_op("2")
def _dup(m: Machine) -> None:
    m.stack.append(m.top())


# -- plain values


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
    m.stack.append(_uint(m, 2))


@_op("J")
def _binint(m: Machine) -> None:
    m.stack.append(_int(m, 4))


@_op("I")
def _text_int(m: Machine) -> None:
    line = m.line()
    if line in {b"00", b"01"}:
        m.stack.append(line == b"01")
        return
    m.stack.append(_number(line, 0))


@_op("L")
def _text_long(m: Machine) -> None:
    line = m.line()
    m.stack.append(_number(line.removesuffix(b"L"), 0))


def _number(line: bytes, base: int) -> Any:
    if len(line) > _MAX_LONG_BYTES:
        return UNKNOWN
    try:
        return int(line.rstrip(b"\0"), base)
    except ValueError as error:
        raise Broken("an integer in text form is none") from error


@_op(0x8A)
def _long1(m: Machine) -> None:
    m.stack.append(_int(m, m.take(1)[0]))


@_op(0x8B)
def _long4(m: Machine) -> None:
    size = _int(m, 4)
    if 0 <= size <= _MAX_LONG_BYTES:
        m.stack.append(_int(m, size))
        return
    m.push_literal(size)
    m.stack[-1] = Special(["int", f"{size * 8}-bit integer"])


@_op("F")
def _text_float(m: Machine) -> None:
    try:
        m.stack.append(float(m.line()[:_MAX_LONG_BYTES].rstrip(b"\0")))
    except ValueError as error:
        raise Broken("a float in text form is none") from error


@_op("G")
def _binfloat(m: Machine) -> None:
    m.stack.append(struct.unpack(">d", m.take(8))[0])


@_op("S")
def _text_string(m: Machine) -> None:
    line = m.line().rstrip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\"":  # noqa: PLR2004
        raise Broken("a string has no quotes")
    try:
        data = codecs.escape_decode(line[1:-1])[0]
    except ValueError as error:
        raise Broken("a string has a broken escape") from error
    m.stack.append(data.decode("latin-1"))


@_op("V")
def _text_unicode(m: Machine) -> None:
    m.push_decoded(m.line(), "raw-unicode-escape")


@_op("U")
def _short_binstring(m: Machine) -> None:
    m.stack.append(m.take(m.take(1)[0]).decode("latin-1"))


@_op("T")
def _binstring(m: Machine) -> None:
    size = _int(m, 4)
    if 0 <= size <= ev.TEXT_LIMIT:
        m.stack.append(m.take(size).decode("latin-1"))
    else:
        m.push_literal(size)


@_op("X")
def _binunicode(m: Machine) -> None:
    m.push_text(_uint(m, 4))


@_op(0x8C)
def _short_binunicode(m: Machine) -> None:
    m.push_text(m.take(1)[0])


@_op(0x8D)
def _binunicode8(m: Machine) -> None:
    m.push_text(_uint(m, 8))


@_op("C")
def _short_binbytes(m: Machine) -> None:
    m.push_literal(m.take(1)[0])


@_op("B")
def _binbytes(m: Machine) -> None:
    m.push_literal(_uint(m, 4))


@_op(0x8E)
def _binbytes8(m: Machine) -> None:
    m.push_literal(_uint(m, 8))


@_op(0x96)
def _bytearray8(m: Machine) -> None:
    m.push_literal(_uint(m, 8))


@_op(0x97)
def _next_buffer(m: Machine) -> None:
    m.stack.append(Special(["buffer"]))
    m.emit(ev.BUFFER)


@_op(0x98)
def _readonly_buffer(m: Machine) -> None:
    m.top()


# -- containers


@_op("]")
def _empty_list(m: Machine) -> None:
    m.stack.append(Sequence("list", []))


@_op("}")
def _empty_dict(m: Machine) -> None:
    m.stack.append(Mapping([]))


@_op(")")
def _empty_tuple(m: Machine) -> None:
    m.stack.append(Sequence("tuple", []))


@_op(0x8F)
def _empty_set(m: Machine) -> None:
    m.stack.append(Sequence("set", []))


@_op("l")
def _list(m: Machine) -> None:
    items = m.pop_mark()
    m.stack.append(Sequence("list", items))


@_op("t")
def _tuple(m: Machine) -> None:
    items = m.pop_mark()
    m.stack.append(Sequence("tuple", items))


@_op(0x91)
def _frozenset(m: Machine) -> None:
    items = m.pop_mark()
    m.stack.append(Sequence("frozenset", items))


@_op("d")
def _dict(m: Machine) -> None:
    items = m.pop_mark()
    m.stack.append(Mapping(items))


def _short_tuple(code: int, count: int) -> None:
    def build(m: Machine) -> None:
        if len(m.stack) < count:
            raise Broken("the stack is too short for a tuple")
        items = m.stack[-count:]
        del m.stack[-count:]
        m.stack.append(Sequence("tuple", items))

    _op(code)(build)


_short_tuple(0x85, 1)
_short_tuple(0x86, 2)
_short_tuple(0x87, 3)


@_op("a")
def _append(m: Machine) -> None:
    item = m.pop()
    _extend(m, [item])


@_op("e")
def _appends(m: Machine) -> None:
    items = m.pop_mark()
    _extend(m, items)


@_op(0x90)
def _additems(m: Machine) -> None:
    items = m.pop_mark()
    _extend(m, items)


def _extend(m: Machine, items: list[Any]) -> None:
    target = m.top()
    if isinstance(target, Sequence):
        target.items.extend(items)
    elif isinstance(target, ACTIVE):
        m.emit(ev.APPEND, term(target), term(Sequence("list", items)))
    else:
        raise Broken("items are appended to something that takes none")


@_op("s")
def _setitem(m: Machine) -> None:
    value = m.pop()
    key = m.pop()
    _set_items(m, [key, value])


@_op("u")
def _setitems(m: Machine) -> None:
    items = m.pop_mark()
    _set_items(m, items)


def _set_items(m: Machine, items: list[Any]) -> None:
    target = m.top()
    if isinstance(target, Mapping):
        target.items.extend(items)
    elif isinstance(target, ACTIVE):
        for index in range(0, len(items) - 1, 2):
            m.registry_item(target, items[index], items[index + 1])
        m.emit(ev.SET_ITEM, term(target), term(Mapping(items)))
    elif not isinstance(target, Sequence):
        raise Broken("items are set on something that takes none")


# -- memo


def _put(m: Machine, index: int) -> None:
    if not 0 <= index < _MAX_MEMO:
        raise Broken("a memo index is out of range")
    m.memo[index] = m.top()


def _get(m: Machine, index: int) -> None:
    if index not in m.memo:
        raise Broken(f"memo entry {index} was never stored")
    m.stack.append(m.memo[index])


@_op("p")
def _text_put(m: Machine) -> None:
    index = _number(m.line(), 10)
    _put(m, index if isinstance(index, int) else -1)


@_op("q")
def _binput(m: Machine) -> None:
    _put(m, m.take(1)[0])


@_op("r")
def _long_binput(m: Machine) -> None:
    _put(m, _uint(m, 4))


@_op(0x94)
def _memoize(m: Machine) -> None:
    m.memo[len(m.memo)] = m.top()


@_op("g")
def _text_get(m: Machine) -> None:
    index = _number(m.line(), 10)
    _get(m, index if isinstance(index, int) else -1)


@_op("h")
def _binget(m: Machine) -> None:
    _get(m, m.take(1)[0])


@_op("j")
def _long_binget(m: Machine) -> None:
    _get(m, _uint(m, 4))


# -- names, calls, state: what acts


def _names(m: Machine, encoding: str) -> tuple[str, str]:
    try:
        return m.line().decode(encoding), m.line().decode(encoding)
    except UnicodeDecodeError as error:
        raise Broken("a module or name is not valid text") from error


@_op("c")
def _global(m: Machine) -> None:
    m.do_import(*_names(m, "utf-8"))


@_op(0x93)
def _stack_global(m: Machine) -> None:
    name = m.pop()
    module = m.pop()
    m.do_import(module, name)


def _extension(m: Machine, code: int) -> None:
    known = m.extensions.get(code)
    if known is None:
        m.stack.append(Special(["extension", code]))
        m.emit(ev.EXTENSION, code)
    else:
        m.do_import(*known)


@_op(0x82)
def _ext1(m: Machine) -> None:
    _extension(m, m.take(1)[0])


@_op(0x83)
def _ext2(m: Machine) -> None:
    _extension(m, _uint(m, 2))


@_op(0x84)
def _ext4(m: Machine) -> None:
    _extension(m, _int(m, 4))


@_op("R")
def _reduce(m: Machine) -> None:
    arguments = m.pop()
    target = m.pop()
    m.do_call(target, arguments, "reduce")


@_op(0x81)
def _newobj(m: Machine) -> None:
    arguments = m.pop()
    target = m.pop()
    m.do_call(target, arguments, "newobj")


@_op(0x92)
def _newobj_ex(m: Machine) -> None:
    keywords = m.pop()
    arguments = m.pop()
    target = m.pop()
    if isinstance(keywords, Mapping) and keywords.items:
        positional = arguments.items if isinstance(arguments, Sequence) else [arguments]
        arguments = Sequence("tuple", [*positional, keywords])
    m.do_call(target, arguments, "newobj_ex")


@_op("i")
def _inst(m: Machine) -> None:
    module, name = _names(m, "ascii")
    items = m.pop_mark()
    m.do_import(module, name)
    target = m.stack.pop()
    m.do_call(target, Sequence("tuple", items), "inst")


@_op("o")
def _obj(m: Machine) -> None:
    items = m.pop_mark()
    if not items:
        raise Broken("OBJ without a class")
    m.do_call(items[0], Sequence("tuple", items[1:]), "obj")


@_op("b")
def _build(m: Machine) -> None:
    state = m.pop()
    m.do_build(m.top(), state)


@_op("P")
def _persid(m: Machine) -> None:
    _persistent(m, m.line().decode("ascii", "backslashreplace"))


@_op("Q")
def _binpersid(m: Machine) -> None:
    _persistent(m, m.pop())


def _persistent(m: Machine, identity: Any) -> None:
    shown = term(identity)
    m.stack.append(Special(["persistent", shown]))
    m.emit(ev.PERSISTENT, shown)
