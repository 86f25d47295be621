"""Functions whose arguments decide what they do, kept as a value: whoever calls them later is not seen.

Picklers write these names as what is called, with the arguments beside it, or hand them to the few functions that
call them in turn, which are judged by their own check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.formats.pickle import events as ev
from assay.inspections import pickle_checks as checks

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECIDING = frozenset(
    ("nested", "getattr", "ufunc", "reconstruct", "rebuild", "apply", "partial", "newobj", "reconstructor", "codec",
     "iter", "union")
)  # fmt: skip
_HANDED = frozenset(("apply", "rebuild", "ctor", "partial", "newobj", "reconstructor", "union", "getattr"))
_LOOKED_AT = frozenset((ev.CALL, ev.BUILD, ev.SET_ITEM, ev.APPEND))


def kept(event: ev.Event, resolve: checks.Resolve) -> tuple[str, str] | None:
    """Module and name of such a function among what an event handles; None when there is none."""
    if event.kind not in _LOOKED_AT:
        return None
    terms = event.arguments
    target = checks.callee(event.target) if event.kind == ev.CALL else None
    entry = resolve(*target)[2] if target else None
    if entry is not None and entry.check in _HANDED:
        terms = ["tuple", [term for term in checks.items(terms) if not _is_global(term)], -1]
    for module, name in _globals(terms):
        found = resolve(module, name)[2]
        if found is not None and found.check in _DECIDING:
            return module, name
    return None


def _globals(terms: Any) -> Iterator[tuple[str, str]]:
    queue = [terms]
    while queue:
        term = queue.pop()
        if not isinstance(term, list) or len(term) < 2:  # noqa: PLR2004
            continue
        if _is_global(term):
            yield term[1], term[2]
        elif term[0] in {"tuple", "list", "set", "frozenset"}:
            queue += term[1]
        elif term[0] == "dict":
            queue += [one for pair in term[1] for one in pair]


def _is_global(term: Any) -> bool:
    return isinstance(term, list) and term[:1] == ["global"]
