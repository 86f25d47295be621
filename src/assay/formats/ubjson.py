"""Universal Binary JSON, as XGBoost writes it, walked without building anything.

Source: https://ubjson.org (draft 12) and `src/common/json.cc` of XGBoost.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from assay.core.limits import Limits

_WIDTH: Final = {"i": 1, "U": 1, "I": 2, "l": 4, "L": 8, "d": 4, "D": 8, "C": 1, "Z": 0, "N": 0, "T": 0, "F": 0}
_FORMS: Final = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q"}
_MAX_DEPTH: Final = 500
_MAX_VALUES: Final = 20_000_000
_BLOCK: Final = 1 << 16
_KEPT: Final = 1_000


@dataclass
class Ubjson:
    """One document.

    Attributes:
        values: number of values.
        keys: the first keys, in order.
        texts: short text values by key.
        trailing: bytes behind the end.
    """

    values: int = 0
    keys: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    trailing: int = 0


@dataclass
class _Open:
    """A container that is being read: how many items are still to come (-1: until its end mark), and their type."""

    mapping: bool
    left: int
    kind: str


def read_ubjson(stream: BinaryIO, size: int, limits: Limits) -> Ubjson:
    """Walk a document.

    Raises:
        ContentError: when a mark is unknown or a length passes the end.
        LimitExceeded: past depth or number of values.
    """
    del limits
    return _Walk(stream, size).run()


class _Walk:
    """Reads marks with a list of open containers."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size
        self.position = 0
        self.window = b""
        self.start = 0
        self.result = Ubjson()
        self.containers: list[_Open] = []

    def take(self, length: int) -> bytes:
        end = self.position + length
        if length < 0 or end > self.size:
            msg = f"{length} bytes at {self.position} pass the end of the stream"
            raise ContentError(msg)
        if end > self.start + len(self.window):
            self.stream.seek(self.position)
            self.window, self.start = self.stream.read(max(_BLOCK, min(length, 1 << 22))), self.position
        offset = self.position - self.start
        self.position = end
        return self.window[offset : offset + length]

    def skip(self, length: int) -> None:
        if length < 0 or self.position + length > self.size:
            msg = f"{length} bytes at {self.position} pass the end of the stream"
            raise ContentError(msg)
        self.position += length
        if self.position > self.start + len(self.window):
            self.window, self.start = b"", self.position

    def mark(self) -> str:
        while True:
            letter = chr(self.take(1)[0])
            if letter != "N":  # no-operation
                return letter

    def length(self) -> int:
        kind = self.mark()
        if kind not in _FORMS:
            msg = f"the mark {kind!r} where a length was expected"
            raise ContentError(msg)
        return int(struct.unpack(_FORMS[kind], self.take(_WIDTH[kind]))[0])

    def text(self) -> str:
        length = self.length()
        data = self.take(min(length, _KEPT)) if length >= 0 else self.take(length)
        self.skip(length - len(data))
        return data.decode("utf-8", "replace")

    def run(self) -> Ubjson:
        self.value(self.mark(), "")
        while self.containers:
            here = self.containers[-1]
            if here.left == 0:
                self.containers.pop()
                continue
            if here.left > 0:
                here.left -= 1
            self.item(here)
        self.result.trailing = self.size - self.position
        return self.result

    def item(self, here: _Open) -> None:
        """One item of the innermost container, or its end."""
        if here.left < 0 and self.peek() == ("}" if here.mapping else "]"):
            self.take(1)
            here.left = 0
            return
        key = ""
        if here.mapping:
            key = self.text()
            if len(self.result.keys) < _KEPT:
                self.result.keys.append(key)
        self.value(here.kind or self.mark(), key)

    def peek(self) -> str:
        letter = self.mark()
        self.position -= 1
        return letter

    def value(self, kind: str, key: str) -> None:
        result = self.result
        result.values += 1
        if result.values > _MAX_VALUES or len(self.containers) > _MAX_DEPTH:
            raise LimitExceeded("depth", "UBJSON nested too deep or with too many values")
        if kind in {"[", "{"}:
            self.container(mapping=kind == "{")
        elif kind in {"S", "H"}:
            text = self.text()
            if key and len(result.texts) < _KEPT:
                result.texts[key] = text
        elif kind in _WIDTH:
            self.skip(_WIDTH[kind])
        else:
            msg = f"the unknown mark {kind!r} at {self.position - 1}"
            raise ContentError(msg)

    def container(self, *, mapping: bool) -> None:
        """The optional type and count of a container."""
        kind, count = "", -1
        if self.peek() == "$":
            self.take(1)
            kind = chr(self.take(1)[0])
        if self.peek() == "#":
            self.take(1)
            count = self.length()
            if count < 0 or count * max(1, _WIDTH.get(kind, 1)) > self.size - self.position:
                msg = f"a container of {count} items at {self.position} passes the end"
                raise ContentError(msg)
        elif kind:
            msg = f"a typed container without count at {self.position}"
            raise ContentError(msg)
        if kind in _WIDTH and not mapping:
            self.skip(count * _WIDTH[kind])
            return
        self.containers.append(_Open(mapping, count, kind))
