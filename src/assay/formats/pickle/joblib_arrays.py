"""Arrays that joblib writes in the middle of a pickle: after the state of a `NumpyArrayWrapper` come raw bytes.

Follows `joblib/numpy_pickle.py` (`NumpyUnpickler.load_build`, `NumpyArrayWrapper.read_array`), versions 0.10 to 1.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.formats.pickle.values import GlobalRef, Mapping, Outcome, Sequence

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

_CODE = re.compile(r"[<>|=]?([?A-Za-z])(\d*)(?:\[[^\]]{1,20}\])?")
_FIELDS = 1000  # of one structured type
_NATIVE = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 8, "L": 8, "q": 8, "Q": 8, "e": 2, "f": 4,
           "d": 8, "g": 16, "F": 8, "D": 16, "G": 32, "c": 1}  # fmt: skip
_MAX_DIMENSIONS = 64  # numpy's own limit
_STATE_ITEMS = 64  # a wrapper's state has six
_STATE_SIZE = 5  # index of the item size in a dtype's state


@dataclass(frozen=True)
class Wrapped:
    """What follows a wrapper.

    Attributes:
        pickled: an object array: a pickle of its own.
        size: bytes of a plain array; -1 when the wrapper does not say it in a way that can be followed.
        aligned: a byte with the length of a padding, and the padding, come first.
        dtype: as text, for people.
        shape: dimensions.
    """

    pickled: bool
    size: int
    aligned: bool
    dtype: str
    shape: tuple[int, ...]


def is_wrapper(target: Any) -> bool:
    """Whether a built object is joblib's wrapper; protocols 0 and 1 make it by `copyreg._reconstructor`."""
    made_by = target.target if isinstance(target, Outcome) else None
    if isinstance(made_by, GlobalRef) and made_by.name == "_reconstructor" and isinstance(target.arguments, Sequence):
        made_by = next(iter(target.arguments.items), None)
    return (
        isinstance(made_by, GlobalRef)
        and made_by.name == "NumpyArrayWrapper"
        and made_by.module.endswith("joblib.numpy_pickle")
    )


def wrapped(m: Machine, state: Any) -> Wrapped:
    """Read a wrapper's state."""
    fields: dict[str, Any] = {}
    if isinstance(state, Mapping):
        items = m.items(state, _STATE_ITEMS)
        fields = {items[i]: items[i + 1] for i in range(0, len(items) - 1, 2) if isinstance(items[i], str)}
    shape = _shape(m, fields.get("shape"))
    aligned = fields.get("numpy_array_alignment_bytes") is not None
    code, item_size, has_object = _dtype(m, fields.get("dtype"))
    if has_object:
        return Wrapped(True, 0, False, code, shape or ())
    if shape is None or item_size <= 0:
        return Wrapped(False, -1, aligned, code, shape or ())
    count = 1
    for dimension in shape:
        count *= dimension
    return Wrapped(False, count * item_size, aligned, code, shape)


def _shape(m: Machine, value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, Sequence):
        return None
    items = m.items(value, _MAX_DIMENSIONS + 1)
    if len(items) > _MAX_DIMENSIONS or not all(type(i) is int and i >= 0 for i in items):
        return None
    return tuple(items)


def _dtype(m: Machine, value: Any) -> tuple[str, int, bool]:  # noqa: PLR0911
    """Type code, item size and whether it holds objects; size 0 when it can't be told."""
    if isinstance(value, GlobalRef):
        return value.name, 0, False
    if not isinstance(value, Outcome) or not isinstance(value.arguments, Sequence):
        return "?", 0, False
    arguments = m.items(value.arguments, 4)
    if arguments and isinstance(arguments[0], Sequence) and arguments[0].kind == "list":
        return _structured(m, arguments[0])
    code = arguments[0] if arguments and isinstance(arguments[0], str) else "?"
    match = _CODE.fullmatch(code)
    if match is None:
        return code[:50], 0, False
    kind = match[1]
    state = m.items(value.state, 16) if isinstance(value.state, Sequence) else []
    stated = state[_STATE_SIZE] if len(state) > _STATE_SIZE and type(state[_STATE_SIZE]) is int else -1
    if kind == "O" or _holds_objects(state):
        return code, 0, True
    if stated > 0:
        return code, stated, False
    return code, _size(kind, match[2]), False


def _size(kind: str, digits: str) -> int:
    if kind in "mM":
        return 8
    if digits:
        return int(digits[:9]) * (4 if kind == "U" else 1)
    return _NATIVE.get(kind, 0)


def _structured(m: Machine, fields: Sequence) -> tuple[str, int, bool]:
    """`[("a", "i4"), ("b", "O")]`: sizes add up (no alignment), an object anywhere makes the array a pickle."""
    total, has_object = 0, False
    for field in m.items(fields, _FIELDS):
        items = m.items(field, 3) if isinstance(field, Sequence) else []
        match = _CODE.fullmatch(items[1]) if len(items) == 2 and isinstance(items[1], str) else None  # noqa: PLR2004
        if match is None:
            return "structured", 0, False
        has_object = has_object or match[1] == "O"
        total += _size(match[1], match[2])
    return "structured", total, has_object


def _holds_objects(state: list[Any]) -> bool:
    """The flags of a structured dtype's state say whether a field is an object (NPY_ITEM_HASOBJECT = 1)."""
    flags = state[7] if len(state) > 7 else 0  # noqa: PLR2004
    return type(flags) is int and bool(flags & 1)
