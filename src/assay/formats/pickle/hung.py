"""What a state hangs up on an object under names that later opcodes look up and call (see `hooks`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.formats.pickle import events as ev
from assay.formats.pickle import hooks
from assay.formats.pickle.values import ACTIVE, GlobalRef, Mapping, Outcome, Segment, Sequence, term

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

_OPENED_STATES = 64  # states of one pickle that are taken apart to the end; later ones only if they hold such a name
_OPENED_ITEMS = 8192
_DTYPE_STATE = 8  # version, order, items, names, fields, size, alignment, flags
_WORDS = re.compile("|".join(hooks.NAMES).encode())


def call_hung(m: Machine, target: Outcome, kind: str, values: list[Any]) -> bool:
    """Record the calls of what hangs on an object under the names that an opcode looks up; whether there are any."""
    hung = target.hung
    if not hung or not any(name in hung for name in hooks.CALLS[kind]):
        return False
    opened = m.open(Sequence("list", values)).items
    for name in hooks.CALLS[kind]:
        whole = [Sequence("list", opened)] if name == "extend" else opened[: ev.ITEM_LIMIT]
        for value in whole if name in hung else ():
            m.calls += 1
            m.emit(ev.CALL, term(hung[name]), term(m.open(Sequence("tuple", [value]))), m.calls, hooks.HOOK)
    return True


def hang_up(m: Machine, target: Outcome, state: Any) -> str:
    """Remember what a state gives an object under names that are looked up later; how unusual it is."""
    how = ""
    is_pair = isinstance(state, Sequence) and state.kind == "tuple" and len(state.items) == 2  # noqa: PLR2004
    halves = state.items if is_pair else [state]  # attributes, slots
    for place, half in enumerate(halves):
        items = _items(m, half)
        inner = [_items(m, value) for value in items[1::2] if isinstance(value, Mapping)]
        for found in (items, *inner):
            given = {key: found[2 * at + 1] for at, key in enumerate(found[:-1:2]) if isinstance(key, str)}
            for name in hooks.names_in(given, slots=place == 1):
                if isinstance(given[name], ACTIVE) or name == "__array_interface__":
                    target.hung = {**(target.hung or {}), name: given[name]}
                    how = how if name in hooks.CALLED[1:] else hooks.SPECIAL
    return how


def containers(m: Machine, arguments: Any) -> list[Any]:
    """Arguments that may be a state: dictionaries and pairs."""
    if not isinstance(arguments, Sequence):
        return []
    if any(type(one) is Segment and _WORDS.search(m.bytes_of(one)) for one in arguments.items):
        m.items(arguments, _OPENED_ITEMS)
    return [one for one in arguments.items if type(one) is Mapping or type(one) is Sequence]


def hides_objects(m: Machine, target: Outcome) -> bool:
    """Whether a dtype holds objects, itself or in its fields or items, and its state says that it holds none."""
    state = m.items(target.state, _DTYPE_STATE) if isinstance(target.state, Sequence) else []
    if len(state) < _DTYPE_STATE or not hooks.says_no_objects(state):
        return False
    parts = [value for value in _items(m, state[4])[1::2] if isinstance(value, Sequence)]
    inner = [m.items(part, 2)[:1] for part in (state[2], *parts) if isinstance(part, Sequence)]
    return any(_of_objects(m, one) for one in (target, *(one for pair in inner for one in pair)))


def _of_objects(m: Machine, value: Any, depth: int = 0) -> bool:
    if not isinstance(value, Outcome) or depth > ev.DEPTH_LIMIT:
        return False
    made_from = m.items(value.arguments, 1)[:1] if isinstance(value.arguments, Sequence) else []
    if hooks.object_code(_plain(m, made_from[0] if made_from else "")):
        return True
    state = m.items(value.state, _DTYPE_STATE) if isinstance(value.state, Sequence) else []
    return len(state) == _DTYPE_STATE and not hooks.says_no_objects(state)


def _plain(m: Machine, value: Any) -> Any:
    if isinstance(value, GlobalRef):
        return [value.module, value.name]
    return [_plain(m, one) for one in m.items(value, _DTYPE_STATE)] if isinstance(value, Sequence) else value


def _items(m: Machine, value: Any) -> list[Any]:
    """Keys and values in turn of a dictionary, taken apart; of many that were not, only those with such a name."""
    if not isinstance(value, Mapping):
        return []
    segments = [item for item in value.items if type(item) is Segment]
    if segments:
        m.opened_states += 1
        if m.opened_states > _OPENED_STATES and not any(_WORDS.search(m.bytes_of(one)) for one in segments):
            return []
        return m.items(value, _OPENED_ITEMS)
    return value.items
