"""Thrift's compact protocol, as Parquet's footer and page headers use it: structures by field number, nothing named.

Source: "Thrift Compact protocol encoding" of Apache Thrift.
"""

from __future__ import annotations

from typing import Any

from assay.core.errors import ContentError, LimitExceeded

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_DEEPEST = 16
_MOST_VALUES = 2_000_000

Struct = dict[int, Any]


class Reader:
    """Reads structures from bytes.

    Attributes:
        at: where the next one begins.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at
        self._left = _MOST_VALUES

    def struct(self, depth: int = 0) -> Struct:
        """A structure: field number → value.

        Raises:
            ContentError: when the bytes end or a type does not exist.
            LimitExceeded: for one that is too deep or has too many values.
        """
        if depth > _DEEPEST:
            raise LimitExceeded("json_depth", f"structures nested deeper than {_DEEPEST} levels")
        found: Struct = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._signed()
            found[number] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded("members", f"more than {_MOST_VALUES} values")
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in {_LIST, _SET, _MAP}:
            return self._map(depth) if kind == _MAP else self._list(depth)
        if kind in {_BINARY, _DOUBLE}:
            return self._take(8 if kind == _DOUBLE else self._unsigned())
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._byte()
        if not kind or kind > _STRUCT:
            raise ContentError(f"a Thrift type {kind}")
        return self._signed()

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 != 15 else self._unsigned()  # noqa: PLR2004 - more than 14 items
        return [self._value(head & 15, depth + 1) for _ in range(min(count, self._left + 1))]

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        count = self._unsigned()
        kinds = self._byte() if count else 0
        return [
            (self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1))
            for _ in range(min(count, self._left + 1))
        ]

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise ContentError("a Thrift structure goes on past the end")
        self.at += 1
        return self._data[self.at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80 and shift < 63:  # noqa: PLR2004 - of a number of 64 bits
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)

    def _take(self, length: int) -> bytes:
        if length > len(self._data) - self.at:
            raise ContentError("a Thrift text goes on past the end")
        self.at += length
        return self._data[self.at - length : self.at]
