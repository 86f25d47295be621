"""MessagePack, walked without building anything: which extension types it holds, and whether its lengths are true.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md; `flax/serialization.py` for the extension types of Flax.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from assay.core.limits import Limits

_MAX_ITEMS: Final = 20_000_000
_MAX_DEPTH: Final = 1_000
_HEAD: Final = 16  # bytes of an extension that are kept
_BLOCK: Final = 1 << 16
_PICKLE_HEADS: Final = frozenset(bytes((0x80, protocol)) for protocol in range(2, 6))
# first byte → (kind, bytes of the length field)
_LENGTHS: Final = {
    0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xC6: ("bytes", 4), 0xC7: ("ext", 1), 0xC8: ("ext", 2), 0xC9: ("ext", 4),
    0xD9: ("data", 1), 0xDA: ("data", 2), 0xDB: ("data", 4), 0xDC: ("array", 2), 0xDD: ("array", 4), 0xDE: ("map", 2),
    0xDF: ("map", 4),
}  # fmt: skip
_FIXED: Final = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
}  # fmt: skip
_FIXED_EXT: Final = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


@dataclass
class Msgpack:
    """One document.

    Attributes:
        items: number of values.
        extensions: extension type to count.
        heads: extension type to the first bytes of one of them, with its offset.
        root: kind of the outermost value.
        trailing: bytes behind it.
        pickled: offset of the first value of bytes that is a pickle by its beginning and end; -1 for none.
    """

    items: int = 0
    extensions: Counter[int] = field(default_factory=Counter)
    heads: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    root: str = ""
    trailing: int = 0
    pickled: int = -1


def read_msgpack(stream: BinaryIO, size: int, limits: Limits) -> Msgpack:
    """Walk a document.

    Raises:
        ContentError: when a length passes the end of the stream.
        LimitExceeded: past depth or number of values.
    """
    del limits
    return _Walk(stream, size).run()


class _Walk:
    """Counts down the values that each open array or map still needs."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size
        self.position = 0
        self.window = b""
        self.start = 0
        self.result = Msgpack()

    def take(self, length: int) -> bytes:
        end = self.position + length
        if end > self.size:
            msg = f"{length} bytes at {self.position} pass the end of the stream"
            raise ContentError(msg)
        if not self.start <= self.position or end > self.start + len(self.window):
            self.stream.seek(self.position)
            self.window, self.start = self.stream.read(max(_BLOCK, length)), self.position
        offset = self.position - self.start
        self.position = end
        return self.window[offset : offset + length]

    def skip(self, length: int) -> None:
        if self.position + length > self.size:
            msg = f"{length} bytes at {self.position} pass the end of the stream"
            raise ContentError(msg)
        self.position += length

    def run(self) -> Msgpack:
        open_counts = [1]
        while open_counts:
            if open_counts[-1] == 0:
                open_counts.pop()
                continue
            open_counts[-1] -= 1
            inner = self.value()
            if inner:
                if inner > self.size - self.position:
                    msg = f"{inner} values at {self.position} pass the end of the stream"
                    raise ContentError(msg)
                open_counts.append(inner)
                if len(open_counts) > _MAX_DEPTH:
                    raise LimitExceeded("depth", f"MessagePack nested deeper than {_MAX_DEPTH} levels")
        self.result.trailing = self.size - self.position
        return self.result

    def value(self) -> int:
        """Read one value's head and pass over its data; gives the number of values inside it."""
        result = self.result
        result.items += 1
        if result.items > _MAX_ITEMS:
            raise LimitExceeded("members", f"more than {_MAX_ITEMS} MessagePack values")
        byte = self.take(1)[0]
        kind, length = self.head(byte)
        if not result.root:
            result.root = kind
        if kind == "ext":
            self.extension(length)
        elif kind == "bytes":
            self.binary(length)
        elif kind == "data":
            self.skip(length)
        return length * 2 if kind == "map" else length if kind == "array" else 0

    def head(self, byte: int) -> tuple[str, int]:
        """(kind, length) of a value; `data` is everything that is only passed over."""
        if byte in _LENGTHS:
            kind, width = _LENGTHS[byte]
            return kind, int.from_bytes(self.take(width), "big")
        if byte in _FIXED:
            return "data", _FIXED[byte]
        if byte in _FIXED_EXT:
            return "ext", _FIXED_EXT[byte]
        if byte >= 0xE0 or byte < 0x80:  # noqa: PLR2004 - small integers
            return "data", 0
        if byte >= 0xA0 and byte < 0xC0:  # noqa: PLR2004 - short text
            return "data", byte & 0x1F
        if byte == 0xC1:  # noqa: PLR2004
            msg = f"the unused byte 0xc1 at {self.position - 1}"
            raise ContentError(msg)
        return ("map" if byte < 0x90 else "array"), byte & 0x0F  # noqa: PLR2004

    def binary(self, length: int) -> None:
        """Pass over bytes, and remember the first that begin and end as a pickle does."""
        here = self.position
        head = self.take(min(length, 2))
        self.skip(length - len(head))
        if self.result.pickled < 0 and length > len(head) and head in _PICKLE_HEADS:
            self.position -= 1
            self.result.pickled = here if self.take(1) == b"." else -1

    def extension(self, length: int) -> None:
        code = int.from_bytes(self.take(1), "big", signed=True)
        here = self.position
        head = self.take(min(length, _HEAD))
        self.skip(length - len(head))
        self.result.extensions[code] += 1
        self.result.heads.setdefault(code, (head, here))
