"""Bounded pictures of what the C unpickler holds: the same terms as our own reader makes (`formats.pickle.events`)."""

from __future__ import annotations

from assay.formats.pickle.events import BYTES_LIMIT, DEPTH_LIMIT, ITEM_LIMIT, TERM_LIMIT, TEXT_LIMIT
from assay.formats.pickle.values import plain_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from assay.formats.pickle.events import Term


class _Budget:
    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = TERM_LIMIT


def term(value: Any, budget: _Budget | None = None, depth: int = 0) -> Term:  # noqa: PLR0911
    """The picture of a real object made of plain types and stand-ins; looks at exact types only, calls nothing."""
    budget = budget or _Budget()
    budget.left -= 1
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int or kind is float:
        return plain_number(value)
    if kind is str:
        return value if len(value) <= TEXT_LIMIT else ["str", value[:TEXT_LIMIT], len(value), None]
    if kind in {bytes, bytearray}:
        return ["bytes", bytes(value[:BYTES_LIMIT]).decode("latin-1"), len(value), None]
    if kind in _CONTAINERS:
        if depth >= DEPTH_LIMIT or budget.left <= 0:
            return ["unknown"]
        return _container(value, kind, budget, depth)
    return _stand_in(value, budget, depth)


_CONTAINERS: dict[Any, str] = {tuple: "tuple", list: "list", set: "set", frozenset: "frozenset", dict: "dict"}


def _container(value: Any, kind: type, budget: _Budget, depth: int) -> Term:
    if kind is dict:
        pairs: list[Term] = []
        for key, item in value.items():
            if len(pairs) >= ITEM_LIMIT:
                break
            pairs.append([term(key, budget, depth + 1), term(item, budget, depth + 1)])
        return ["dict", pairs, len(value)]
    shown: list[Term] = []
    for item in value:
        if len(shown) >= ITEM_LIMIT:
            break
        shown.append(term(item, budget, depth + 1))
    return [_CONTAINERS[kind], shown, len(value)]


def _stand_in(value: Any, budget: _Budget, depth: int) -> Term:
    wrapped = getattr(type(value), "assay_value", None)
    if wrapped is not None:
        return term(value.assay_value, budget, depth)
    if isinstance(value, type):
        module, name = getattr(value, "assay_global", ("?", "?"))
        return ["extension", int(name)] if module == "\0extension" else ["global", module, name]
    number = getattr(value, "assay_number", None)
    if number is None or depth >= DEPTH_LIMIT or budget.left <= 0:
        return ["unknown"]
    if number == 0:
        return ["persistent", term(value.assay_target, budget, depth + 1)]
    return ["result", number, term(value.assay_target, budget, depth + 1)]
