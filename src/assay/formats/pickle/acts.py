"""What acts in a pickle: imports, calls, state. Recorded, never done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.formats.pickle import events as ev
from assay.formats.pickle import hooks
from assay.formats.pickle.hung import call_hung, containers, hang_up, hides_objects
from assay.formats.pickle.joblib_arrays import is_wrapper, wrapped
from assay.formats.pickle.tensors import TENSORS, misfit
from assay.formats.pickle.values import ACTIVE, Broken, GlobalRef, Mapping, Outcome, Sequence, Special, term

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

LISTED_CALLS = 4  # calls of one harmless callable that are listed; the rest is counted
_COPYREG = frozenset(("copyreg", "copy_reg"))


def _listed(m: Machine, key: str) -> bool:
    """Count, and say whether this one is still listed."""
    seen = m.counts.get(key, 0) + 1
    m.counts[key] = seen
    return seen <= LISTED_CALLS


def do_import(m: Machine, module: Any, name: Any) -> None:
    """Push a global; names that are no plain text are computed at run time."""
    if isinstance(module, str) and isinstance(name, str):
        m.stack.append(GlobalRef(module, name))
        if _listed(m, f"import {module} {name}"):
            m.emit(ev.IMPORT, ["global", module, name])
        return
    target = ["computed", term(m.open(module)), term(m.open(name))]
    m.stack.append(Special(target))
    m.emit(ev.IMPORT, target)


def do_call(m: Machine, target: Any, arguments: Any, how: str) -> None:
    """Record a call and push its result."""
    if not isinstance(target, ACTIVE):
        raise Broken("what is called is plain data")
    m.calls += 1
    made = Outcome(m.calls, target)
    m.stack.append(made)
    _record_call(m, made, arguments, how)
    if hooks.SPECIAL in [hang_up(m, made, value) for value in containers(m, arguments)]:
        m.emit(ev.BUILD, term(made), term(m.open(arguments)), how=hooks.SPECIAL)


def _record_call(m: Machine, made: Outcome, arguments: Any, how: str) -> None:
    target = made.target
    if isinstance(target, GlobalRef):
        if target.name in {"dtype", "_reconstructor"}:
            made.arguments = arguments
        key = f"{target.module} {target.name}"
        if not _listed(m, key) and key in m.quiet and not (key in TENSORS and misfit(term(m.open(arguments)))):
            return
        _registry_call(m, target, m.open(arguments))
        shown = term(arguments)
        if m.repeated(key, shown):
            return
    else:
        shown = term(m.open(arguments))
    m.emit(ev.CALL, term(target), shown, made.number, how)


def do_build(m: Machine, target: Any, state: Any) -> None:
    """Record `__setstate__`, or attributes being set. A joblib array's bytes follow in the stream: step over them."""
    how = ""
    if isinstance(target, Outcome):
        if call_hung(m, target, "build", [state]):
            return
        how = hooks.AGAIN if "" in (target.hung or ()) else ""
        how = hang_up(m, target, state) or how
        target.hung = {**(target.hung or {}), "": True}
    if isinstance(target, Outcome) and isinstance(target.target, GlobalRef):
        if target.target.name == "dtype":
            target.state = state
            how = hooks.OBJECTS if hides_objects(m, target) else how
        if m.on_array is not None and is_wrapper(target):
            m.on_array(wrapped(m, state))
        name = f"{target.target.module} {target.target.name}"
        if not how and not _listed(m, f"build {name}") and not ev.watched(name):
            return  # what made the object is judged, whatever it is given as state
    m.emit(ev.BUILD, term(target), term(m.open(state)), how=how)


def do_append(m: Machine, target: Any, items: list[Any], *, again: bool = False) -> None:
    """Record items being added to something that is no plain container."""
    if isinstance(target, Outcome):
        if target.hung and call_hung(m, target, "append", items):
            return
        again = again or "" in (target.hung or ())
    do_change(m, ev.APPEND, target, Sequence("list", items), hooks.AGAIN if again else "")


def do_set_items(m: Machine, target: Any, items: list[Any]) -> None:
    """Record items being set on something that is no plain dictionary."""
    m.open(Mapping(items))
    for index in range(0, len(items) - 1, 2):
        registry_item(m, target, items[index], items[index + 1])
    how = hang_up(m, target, Mapping(items)) if isinstance(target, Outcome) else ""
    do_change(m, ev.SET_ITEM, target, Mapping(items), how)


def do_change(m: Machine, kind: str, target: Any, items: Any, how: str = "") -> None:
    """Record items being set on, or appended to, something that is no plain container."""
    if isinstance(target, Outcome) and not _listed(m, f"{kind} {target.number}") and how != hooks.SPECIAL:
        return
    m.emit(kind, term(target), term(m.open(items)), how=how)


def _registry_call(m: Machine, target: GlobalRef, arguments: Any) -> None:
    """`copyreg.add_extension(module, name, code)` inside the stream gives a meaning to later EXT opcodes."""
    if target.name != "add_extension" or target.module not in _COPYREG:
        return
    items = getattr(arguments, "items", [])
    if len(items) == 3 and isinstance(items[2], int) and all(isinstance(i, str) for i in items[:2]):  # noqa: PLR2004
        m.extensions[items[2]] = (items[0], items[1])


def registry_item(m: Machine, target: Any, key: Any, value: Any) -> None:
    """The same by writing to copyreg's tables directly."""
    if not isinstance(target, GlobalRef) or target.module not in _COPYREG or not isinstance(key, int):
        return
    if target.name == "_inverted_registry" and isinstance(value, Sequence):
        names = m.open(value).items
        if len(names) == 2 and all(isinstance(i, str) for i in names):  # noqa: PLR2004
            m.extensions[key] = (names[0], names[1])
    if target.name == "_extension_cache" and isinstance(value, GlobalRef):
        m.extensions[key] = (value.module, value.name)
