"""Opcodes that act: names, calls, state, persistent ids. Names and numbers are those of CPython's `Lib/pickle.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.formats.pickle import events as ev
from assay.formats.pickle.acts import do_build, do_call, do_import
from assay.formats.pickle.optable import Table, entering, signed, unsigned
from assay.formats.pickle.values import Broken, GlobalRef, Literal, Mapping, Sequence, Special, term

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

TABLE: Table = {}
_op = entering(TABLE)


def _names(m: Machine, encoding: str) -> tuple[str, str]:
    try:
        return m.last_line().decode(encoding), m.last_line().decode(encoding)
    except UnicodeDecodeError as error:
        raise Broken("a module or name is not valid text") from error


@_op("c")
def _global(m: Machine) -> None:
    do_import(m, *_names(m, "utf-8"))


@_op(0x93)
def _stack_global(m: Machine) -> None:
    name = m.pop()
    module = m.pop()
    do_import(m, module, name)


def _extension(m: Machine, code: int) -> None:
    known = m.extensions.get(code)
    if known is None:
        m.stack.append(Special(["extension", code]))
        m.emit(ev.EXTENSION, code)
    else:
        do_import(m, *known)


@_op(0x82)
def _ext1(m: Machine) -> None:
    _extension(m, m.take(1)[0])


@_op(0x83)
def _ext2(m: Machine) -> None:
    _extension(m, unsigned(m, 2))


@_op(0x84)
def _ext4(m: Machine) -> None:
    _extension(m, signed(m, 4))


@_op("R")
def _reduce(m: Machine) -> None:
    arguments = m.pop()
    target = m.pop()
    do_call(m, target, arguments, "reduce")


@_op(0x81)
def _newobj(m: Machine) -> None:
    arguments = m.pop()
    target = m.pop()
    do_call(m, target, arguments, "newobj")


@_op(0x92)
def _newobj_ex(m: Machine) -> None:
    keywords = m.pop()
    arguments = m.pop()
    target = m.pop()
    if isinstance(keywords, Mapping) and keywords.items:
        positional = arguments.items if isinstance(arguments, Sequence) else [arguments]
        arguments = Sequence("tuple", [*positional, keywords])
    do_call(m, target, arguments, "newobj_ex")


@_op("i")
def _inst(m: Machine) -> None:
    do_import(m, *_names(m, "ascii"))  # before the mark is looked for, as the unpickler written in Python does
    target = m.stack.pop()
    do_call(m, target, Sequence("tuple", m.pop_mark()), "inst")


@_op("o")
def _obj(m: Machine) -> None:
    items = m.pop_mark()
    everything = m.open(Sequence("tuple", items)).items
    if not everything:
        raise Broken("OBJ without a class")
    do_call(m, everything[0], Sequence("tuple", everything[1:]), "obj")


@_op("b")
def _build(m: Machine) -> None:
    state = m.pop()
    do_build(m, m.top(), state)


@_op("P")
def _persid(m: Machine) -> None:
    line = m.long_line()
    _persistent(m, line if isinstance(line, Literal) else line.decode("ascii", "backslashreplace"))


@_op("Q")
def _binpersid(m: Machine) -> None:
    _persistent(m, m.pop())


def _persistent(m: Machine, identity: Any) -> None:
    shown = term(m.open(identity))
    items = identity.items if isinstance(identity, Sequence) else []
    if len(items) > 1 and items[0] == "module" and isinstance(items[1], GlobalRef):
        m.stack.append(items[1])  # legacy torch: `_legacy_load` answers ("module", class, …) with the class
    else:
        m.stack.append(Special(["persistent", shown]))
    m.emit(ev.PERSISTENT, shown)
