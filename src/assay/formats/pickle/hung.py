"""What a state hangs up on an object under names that later opcodes look up and call (see `hooks`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.formats.pickle import events as ev
from assay.formats.pickle import hooks
from assay.formats.pickle.values import ACTIVE, Mapping, Outcome, Segment, Sequence, term

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

_OPENED_STATES = 64  # states of one pickle that are taken apart to the end; later ones only if they hold such a name
_OPENED_ITEMS = 8192
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
