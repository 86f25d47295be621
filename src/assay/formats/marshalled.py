"""Python code objects in the interpreter's own serialisation, read without the interpreter's own (unsafe) reader.

Every layout from Python 2.7 to 3.14 is tried. Nothing is executed, and nothing is built but names and constants.
Source: CPython `Python/marshal.c` and `Objects/codeobject.c` of the versions named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_DEPTH: Final = 60
_MAX_OBJECTS: Final = 500_000
_FLAG_REF: Final = 0x80
# Integers before the code bytes, and whether the layout is the one of Python 3.11 and later.
_LAYOUTS: Final = ((5, True), (6, False), (5, False), (4, False))


@dataclass(frozen=True)
class CodeObject:
    """A code object, as far as names and constants go.

    Attributes:
        name: function name.
        filename: source file it was compiled from.
        names: global names, attributes and imported modules it uses, in order.
        variables: local names.
        constants: str, bytes, int, float, None and nested CodeObject; other values as their type's name.
        bytecode: raw.
    """

    name: str
    filename: str
    names: tuple[str, ...]
    variables: tuple[str, ...]
    constants: tuple[Any, ...]
    bytecode: bytes

    def all(self) -> Iterator[CodeObject]:
        """This one and all nested ones."""
        stack: list[CodeObject] = [self]
        while stack:
            code = stack.pop()
            yield code
            stack.extend(c for c in code.constants if isinstance(c, CodeObject))


def read_marshalled(data: bytes) -> Any:
    """The object that `data` holds: usually a `CodeObject`.

    Raises:
        ContentError: when no layout fits.
        LimitExceeded: when it is nested too deep or has too many parts.
    """
    problem: ContentError = ContentError("no marshalled object")
    for integers, modern in _LAYOUTS:
        try:
            return _Reader(data, integers, modern=modern).object(0)
        except LimitExceeded:
            raise
        except ContentError as error:
            problem = error
    raise problem


class _Reader:
    """Reads one stream under one assumption about the layout of code objects."""

    def __init__(self, data: bytes, integers: int, *, modern: bool) -> None:
        self.data = data
        self.position = 0
        self.integers = integers
        self.modern = modern
        self.references: list[Any] = []
        self.interned: list[str] = []
        self.objects = 0

    def take(self, length: int) -> bytes:
        end = self.position + length
        if length < 0 or end > len(self.data):
            msg = f"a marshalled value of {length} bytes passes the end"
            raise ContentError(msg)
        result = self.data[self.position : end]
        self.position = end
        return result

    def long(self) -> int:
        return int.from_bytes(self.take(4), "little", signed=True)

    def object(self, depth: int) -> Any:
        self.objects += 1
        if depth > _MAX_DEPTH or self.objects > _MAX_OBJECTS:
            raise LimitExceeded("depth", "a marshalled object nested too deep or with too many parts")
        code = self.take(1)[0]
        flagged, kind = bool(code & _FLAG_REF), chr(code & 0x7F)
        slot = len(self.references)
        if flagged:
            self.references.append(None)
        value: Any
        if kind in _FIXED:
            value = _FIXED[kind]
        elif kind in _LEAVES:
            value = _LEAVES[kind](self)
        elif kind in _NODES:
            value = _NODES[kind](self, depth)
        else:
            msg = f"unknown marshal type {kind!r} at {self.position - 1}"
            raise ContentError(msg)
        if flagged:
            self.references[slot] = value
        return value

    def sequence(self, count: int, depth: int) -> tuple[Any, ...]:
        if count < 0 or count > len(self.data) - self.position:
            msg = f"a marshalled sequence of {count} items in {len(self.data) - self.position} bytes"
            raise ContentError(msg)
        return tuple(self.object(depth + 1) for _ in range(count))

    def dictionary(self, depth: int) -> str:
        while self.data[self.position : self.position + 1] != b"0":
            self.object(depth + 1)
            self.object(depth + 1)
        self.take(1)
        return "dict"

    def text(self, data: bytes, *, intern: bool = False) -> str:
        value = data.decode("utf-8", "replace")
        if intern:
            self.interned.append(value)
        return value

    def reference(self) -> Any:
        index = self.long()
        if not 0 <= index < len(self.references):
            msg = f"a marshalled reference to object {index} of {len(self.references)}"
            raise ContentError(msg)
        return self.references[index]

    def old_reference(self) -> str:
        index = self.long()
        if not 0 <= index < len(self.interned):
            msg = f"a marshalled reference to text {index} of {len(self.interned)}"
            raise ContentError(msg)
        return self.interned[index]

    def code(self, depth: int) -> CodeObject:
        for _ in range(self.integers):
            self.long()
        bytecode = self.object(depth + 1)
        constants, names, variables = (self.object(depth + 1) for _ in range(3))
        extra = [self.object(depth + 1)] if self.modern else [self.object(depth + 1), self.object(depth + 1)]
        filename, name = self.object(depth + 1), self.object(depth + 1)
        if self.modern:
            extra.append(self.object(depth + 1))  # qualified name
        self.long()
        self.object(depth + 1)  # line table
        if self.modern:
            self.object(depth + 1)  # exception table
        fits = isinstance(bytecode, bytes) and isinstance(constants, tuple) and _words(names) and _words(variables)
        if not fits or not isinstance(filename, str | bytes) or not isinstance(name, str | bytes):
            msg = "no code object of this layout"
            raise ContentError(msg)
        return CodeObject(_word(name), _word(filename), _all(names), _all(variables), constants, bytecode)


def _words(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str | bytes) for item in value)


def _word(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _all(values: tuple[str | bytes, ...]) -> tuple[str, ...]:
    return tuple(_word(value) for value in values)


def _big(reader: _Reader) -> int:
    """A long of 15-bit digits."""
    count = reader.long()
    digits = reader.take(2 * abs(count))
    value = 0
    if len(digits) > 20_000:  # noqa: PLR2004 - no constant of a model's function is that large
        return 0
    for index in range(len(digits) - 2, -1, -2):
        value = value << 15 | int.from_bytes(digits[index : index + 2], "little")
    return -value if count < 0 else value


def _complex_text(reader: _Reader) -> str:
    reader.take(reader.take(1)[0])
    reader.take(reader.take(1)[0])
    return "complex"


def _binary(length: int, name: str) -> Callable[[_Reader], str]:
    """A number of fixed size, of which only the type is kept."""

    def read(reader: _Reader) -> str:
        reader.take(length)
        return name

    return read


_FIXED: Final = {"0": "null", "N": None, "F": False, "T": True, "S": "StopIteration", ".": "Ellipsis"}
_LEAVES: Final[dict[str, Callable[[_Reader], Any]]] = {
    "i": _Reader.long,
    "I": lambda r: int.from_bytes(r.take(8), "little", signed=True),
    "f": lambda r: r.take(r.take(1)[0]).decode("ascii", "replace"),
    "g": _binary(8, "float"),
    "x": _complex_text,
    "y": _binary(16, "complex"),
    "l": _big,
    "s": lambda r: r.take(r.long()),
    "t": lambda r: r.text(r.take(r.long()), intern=True),
    "u": lambda r: r.text(r.take(r.long())),
    "a": lambda r: r.text(r.take(r.long())),
    "A": lambda r: r.text(r.take(r.long())),
    "z": lambda r: r.text(r.take(r.take(1)[0])),
    "Z": lambda r: r.text(r.take(r.take(1)[0])),
    "r": _Reader.reference,
    "R": _Reader.old_reference,
}
_NODES: Final[dict[str, Callable[[_Reader, int], Any]]] = {
    "(": lambda r, depth: r.sequence(r.long(), depth),
    ")": lambda r, depth: r.sequence(r.take(1)[0], depth),
    "[": lambda r, depth: r.sequence(r.long(), depth),
    "<": lambda r, depth: r.sequence(r.long(), depth),
    ">": lambda r, depth: r.sequence(r.long(), depth),
    ":": lambda r, depth: r.sequence(3, depth),
    "{": _Reader.dictionary,
    "c": _Reader.code,
}
