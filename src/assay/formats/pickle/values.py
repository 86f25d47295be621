"""What lies on the stack of the symbolic machine: plain values as themselves, the rest as one of these."""

from __future__ import annotations

from assay.core.errors import ContentError
from assay.formats.pickle.events import BYTES_LIMIT, DEPTH_LIMIT, ITEM_LIMIT, NESTED_BYTES, TERM_LIMIT, TEXT_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from assay.formats.pickle.events import Term

_MAX_EXACT_INT = 1 << 53
_SHOWN_DIGITS = 40


class Broken(ContentError):
    """The stream can't be followed further: every loader would stop here too.

    Attributes:
        offset: of the opcode, when it is not the one that was being followed.
    """

    offset: int | None = None


class GlobalRef:
    """Something imported by module and qualified name."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name


class Outcome:
    """What call number `number` of `target` returned.

    `arguments` and `state` are kept for data types only: joblib's arrays need them. `hung` is what a state gave it
    under names of `hooks`, None until it has a state.
    """

    __slots__ = ("arguments", "hung", "number", "state", "target")

    def __init__(self, number: int, target: Any) -> None:
        self.number = number
        self.target = target
        self.arguments: Any = None
        self.hung: dict[str, Any] | None = None
        self.state: Any = None


class Literal:
    """Text or bytes in the stream, not copied: `size` bytes from `offset`."""

    __slots__ = ("head", "offset", "size", "text")

    def __init__(self, offset: int, size: int, head: bytes, text: bool) -> None:
        self.offset = offset
        self.size = size
        self.head = head
        self.text = text


class Sequence:
    """A tuple, list, set or frozenset; items may be segments of the stream that were not taken apart."""

    __slots__ = ("items", "kind")

    def __init__(self, kind: str, items: list[Any]) -> None:
        self.kind = kind
        self.items = items


class Mapping:
    """A dict: keys and values alternate."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items


class Segment:
    """A run of data opcodes that has not been taken apart: bytes `start` to `end` of the stream."""

    __slots__ = ("end", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end


class Special:
    """A value that only has a term: persistent id, extension code, buffer, array, unknown."""

    __slots__ = ("term",)

    def __init__(self, term: Term) -> None:
        self.term = term


UNKNOWN = Special(["unknown"])

ACTIVE = (GlobalRef, Outcome, Special)  # values whose methods would run when they are changed


class _Budget:
    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = TERM_LIMIT


def term(value: Any, budget: _Budget | None = None, depth: int = 0) -> Term:
    """The bounded picture of a machine value."""
    budget = budget or _Budget()
    budget.left -= 1
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int | float):
        return plain_number(value)
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else ["str", value[:TEXT_LIMIT], len(value), None]
    return _compound(value, budget, depth)


def _compound(value: Any, budget: _Budget, depth: int) -> Term:  # noqa: PLR0911
    if isinstance(value, Literal):
        return _literal(value)
    if isinstance(value, GlobalRef):
        return ["global", value.module, value.name]
    if isinstance(value, Special):
        return value.term
    if depth >= DEPTH_LIMIT or budget.left <= 0:
        return ["unknown"]
    if isinstance(value, Outcome):
        return ["result", value.number, term(value.target, budget, depth + 1)]
    if isinstance(value, Sequence):
        return _sequence(value, budget, depth)
    if isinstance(value, Mapping):
        return _mapping(value, budget, depth)
    return ["unknown"]


def plain_number(value: float) -> Term:
    """A number as JSON can hold it, else its tagged text."""
    if isinstance(value, int):
        return value if -_MAX_EXACT_INT < value < _MAX_EXACT_INT else ["int", big_int(value)]
    return value if value - value == 0 else ["float", repr(value)]


def big_int(value: int) -> str:
    """Decimal digits of a moderate integer, the size in bits of a huge one."""
    if value.bit_length() > _SHOWN_DIGITS * 8:
        return f"{value.bit_length()}-bit integer"
    return str(value)


def _literal(value: Literal) -> Term:
    if value.text:
        text = value.head.decode("utf-8", "replace")
        return text if value.size <= len(value.head) else ["str", text[:TEXT_LIMIT], value.size, value.offset]
    offset = value.offset if value.size >= NESTED_BYTES else None
    return ["bytes", value.head[:BYTES_LIMIT].decode("latin-1"), value.size, offset]


def _sequence(value: Sequence, budget: _Budget, depth: int) -> Term:
    shown = []
    count = len(value.items)
    for item in value.items[:ITEM_LIMIT]:
        if isinstance(item, Segment):
            count = -1
            break
        shown.append(term(item, budget, depth + 1))
    return [value.kind, shown, count]


def _mapping(value: Mapping, budget: _Budget, depth: int) -> Term:
    shown = []
    items = value.items
    count = len(items) // 2
    for index in range(0, min(len(items) - 1, 2 * ITEM_LIMIT), 2):
        if isinstance(items[index], Segment) or isinstance(items[index + 1], Segment):
            count = -1
            break
        shown.append([term(items[index], budget, depth + 1), term(items[index + 1], budget, depth + 1)])
    return ["dict", shown, count]
