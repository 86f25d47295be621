"""Attributes that an unpickler calls: what an earlier state put there is called by a later opcode.

BUILD looks `__setstate__` up on the object, APPEND and APPENDS look up `extend` and `append`, ADDITEMS `add` (CPython,
`Modules/_pickle.c`: `load_build`, `do_append`, `load_additems`). The look-up finds what the object's own `__dict__`
holds, so an object that was given `{"__setstate__": f}` turns the next BUILD into a call of `f`. Objects that answer
`__getattr__` from their items do the same with SETITEM.
"""

from __future__ import annotations

CALLED = ("__setstate__", "extend", "append", "add")
"""Names that opcodes look up on an object and call."""

READ = ("__array__", "__array_interface__", "__array_struct__", "__reduce__", "__reduce_ex__")
"""Names that array libraries and picklers look up on an object: code, or a place in memory."""

SWITCHED = ("__class__", "__dict__")
"""Names that a state of slots sets by `setattr`, which makes the object one of another class."""

NAMES = frozenset((*CALLED, *READ, *SWITCHED))

CALLS = {"build": ("__setstate__",), "append": ("extend", "append", "add")}
"""By kind of event: what is looked up, in order."""

AGAIN = "again"  # BUILD of an object that has a state already: no pickler writes that
SPECIAL = "special"  # BUILD that sets one of `READ`, or a class by slots, or hangs up something as `__setstate__`
OBJECTS = (
    "objects"  # BUILD of a dtype that holds objects and says that it holds none: their addresses come from the file
)
HOOK = "hook"  # a call that was made through an attribute


def names_in(state: object, *, slots: bool) -> list[str]:
    """Names of `NAMES` that a dictionary gives to an object; of `SWITCHED` only when they are set by `setattr`."""
    if type(state) is not dict:
        return []
    return [name for name in NAMES if name in state and (slots or name not in SWITCHED)]


DTYPE = "numpy dtype"
_FLAGS = 7  # place in the state of a dtype; bit 0 says that it holds references (NPY_ITEM_REFCOUNT)


def object_code(value: object) -> bool:
    """Whether what a dtype is made from names objects: a class does, unless it is one of numpy's own scalars."""
    if isinstance(value, str):
        return "O" in value or "object" in value
    return isinstance(value, (list, tuple)) and any(map(object_code, value))


def says_no_objects(state: list[object] | tuple[object, ...]) -> bool:
    """Whether the state of a dtype sets flags, and not the one for references."""
    flags = state[_FLAGS] if len(state) > _FLAGS else 1
    return not (isinstance(flags, int) and flags & 1)
