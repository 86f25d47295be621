"""Opcodes that arrange: protocol, marks, containers, memo. Names and numbers are those of CPython's `Lib/pickle.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.formats.pickle.acts import do_append, do_set_items
from assay.formats.pickle.memo import MAX_INDEX
from assay.formats.pickle.ops_values import number, number_line
from assay.formats.pickle.optable import Table, entering, unsigned
from assay.formats.pickle.values import ACTIVE, Broken, Mapping, Sequence

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

HIGHEST_PROTOCOL = 5

TABLE: Table = {}
_op = entering(TABLE)


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
    size = unsigned(m, 8)
    if size >= 1 << 63:
        raise Broken("a frame is larger than any memory")
    m.frame_end = m.position() + size


@_op("(")
def _mark(m: Machine) -> None:
    m.push_mark()


@_op("0")
def _pop(m: Machine) -> None:
    if m.settle_top():
        m.stack.pop()
    else:
        m.pop_mark()


@_op("1")
def _pop_mark(m: Machine) -> None:
    m.pop_mark()


@_op("2")
def _dup(m: Machine) -> None:
    value = m.top()
    m.stack.append(value)


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
    m.push_collected("list", items)


@_op("t")
def _tuple(m: Machine) -> None:
    items = m.pop_mark()
    m.push_collected("tuple", items)


@_op(0x91)
def _frozenset(m: Machine) -> None:
    items = m.pop_mark()
    m.push_collected("frozenset", items)


@_op("d")
def _dict(m: Machine) -> None:
    items = m.pop_mark()
    m.push_collected("dict", items)


def _short_tuple(code: int, count: int) -> None:
    def build(m: Machine) -> None:
        items = m.take_items(count)
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
    if not m.absorb():
        _extend(m, items)


@_op(0x90)
def _additems(m: Machine) -> None:
    items = m.pop_mark()
    if not m.absorb():
        _extend(m, items, again=True)  # no pickler writes it for anything but a plain set


def _extend(m: Machine, items: list[Any], *, again: bool = False) -> None:
    target = m.top()
    if isinstance(target, Sequence):
        target.items.extend(items)
    elif isinstance(target, ACTIVE):
        do_append(m, target, items, again=again)
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
    if not m.absorb():
        _set_items(m, items)


def _set_items(m: Machine, items: list[Any]) -> None:
    target = m.top()
    if isinstance(target, Mapping):
        target.items.extend(items)
    elif isinstance(target, ACTIVE):
        do_set_items(m, target, items)
    elif not isinstance(target, Sequence):
        raise Broken("items are set on something that takes none")


def _put(m: Machine, index: int) -> None:
    if not 0 <= index < MAX_INDEX:
        raise Broken("a memo index is out of range")
    m.memo_put(index)


@_op("p")
def _text_put(m: Machine) -> None:
    index = number(number_line(m), 10)
    _put(m, index if isinstance(index, int) else -1)


@_op("q")
def _binput(m: Machine) -> None:
    _put(m, m.take(1)[0])


@_op("r")
def _long_binput(m: Machine) -> None:
    _put(m, unsigned(m, 4))


@_op(0x94)
def _memoize(m: Machine) -> None:
    m.memo_put(None)


@_op("g")
def _text_get(m: Machine) -> None:
    index = number(number_line(m), 10)
    m.memo_get(index if isinstance(index, int) else -1)


@_op("h")
def _binget(m: Machine) -> None:
    m.memo_get(m.take(1)[0])


@_op("j")
def _long_binget(m: Machine) -> None:
    m.memo_get(unsigned(m, 4))
