"""Deflate64 (ZIP method 9): deflate with a 64 KiB window, lengths up to 65,538 and two more distance codes.

Written from PKWARE's APPNOTE 6.3.10 and RFC 1951. Python's zlib does not know it; nothing that loads models does, but
people unpack such archives with other tools. Slow on purpose-built input, and bounded: see `_LIMIT_BYTES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Generator

_WINDOW = 1 << 16
_CHUNK = 1 << 16
_LIMIT_BYTES = 64 << 20  # of output: about a minute of work
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LENGTHS = [*range(3, 11), *(11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 3)]
_LENGTH_BITS = [0] * 8 + [bits for bits in range(1, 6) for _ in range(4)] + [16]
_DISTANCE_BITS = [0, 0, *(bits for bits in range(15) for _ in range(2))]
_END, _LAST_LITERAL, _MAX_BITS = 256, 255, 15

Table = dict[tuple[int, int], int]  # (length, code) → symbol


def _distances() -> list[int]:
    bases, base = [], 1
    for bits in _DISTANCE_BITS:
        bases.append(base)
        base += 1 << bits
    return bases


_DISTANCES = _distances()


class Deflate64:
    """One stream (a `Decompressor`)."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._bits = self._count = 0
        self._out = bytearray()
        self._total = self._given = 0  # bytes put out, and of these handed over
        self.eof = False
        self.hungry = True
        self._steps = self._run()
        next(self._steps)

    @property
    def unused_data(self) -> bytes:
        """Input behind the end."""
        return self._data[self._at :]

    def step(self, data: bytes) -> bytes:
        """Up to a chunk (and one match) of output; ContentError when the data is broken."""
        if data:
            self._data = self._data[self._at :] + data
            self._at = 0
        self.hungry = False
        try:
            given = self._steps.send(data)
        except StopIteration:
            self.eof = True
            given = self._flush()
        return given or b""

    def _flush(self) -> bytes:
        fresh = self._total - self._given
        piece = bytes(self._out[len(self._out) - fresh :])
        self._given = self._total
        del self._out[: max(0, len(self._out) - _WINDOW)]
        return piece

    def _need(self, count: int) -> Generator[bytes | None, bytes, int]:
        """The next `count` bits, least significant first."""
        while self._count < count:
            while self._at >= len(self._data):
                self.hungry = True
                yield None
            self._bits |= self._data[self._at] << self._count
            self._at += 1
            self._count += 8
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        self._count -= count
        return value

    def _symbol(self, table: Table) -> Generator[bytes | None, bytes, int]:
        code = 0
        for length in range(1, _MAX_BITS + 1):
            code = code << 1 | (yield from self._need(1))
            symbol = table.get((length, code))
            if symbol is not None:
                return symbol
        raise ContentError("broken compressed data: no such code")

    def _run(self) -> Generator[bytes | None, bytes, None]:
        yield None
        last = 0
        while not last:
            last = yield from self._need(1)
            kind = yield from self._need(2)
            if kind == 0:
                yield from self._stored()
            elif kind in {1, 2}:
                literals, distances = _fixed() if kind == 1 else (yield from self._dynamic())
                yield from self._block(literals, distances)
            else:
                raise ContentError("broken compressed data: no such block")

    def _stored(self) -> Generator[bytes | None, bytes, None]:
        yield from self._need(self._count % 8)
        length = yield from self._need(16)
        if (yield from self._need(16)) != length ^ 0xFFFF:
            raise ContentError("broken compressed data: a stored block's length")
        for _ in range(length):
            yield from self._put((yield from self._need(8)))

    def _put(self, value: int) -> Generator[bytes | None, bytes, None]:
        self._out.append(value)
        self._total += 1
        if self._total > _LIMIT_BYTES:
            raise LimitExceeded("expanded_bytes", f"deflate64 of more than {_LIMIT_BYTES} bytes is not expanded")
        if self._total - self._given >= _CHUNK:
            yield self._flush()

    def _dynamic(self) -> Generator[bytes | None, bytes, tuple[Table, Table]]:
        literals = 257 + (yield from self._need(5))
        distances = 1 + (yield from self._need(5))
        codes = 4 + (yield from self._need(4))
        lengths = [0] * 19
        for place in range(codes):
            lengths[_ORDER[place]] = yield from self._need(3)
        table = _table(lengths)
        found: list[int] = []
        while len(found) < literals + distances:
            symbol = yield from self._symbol(table)
            if symbol < 16:  # noqa: PLR2004
                found.append(symbol)
            elif symbol == 16:  # noqa: PLR2004
                if not found:
                    raise ContentError("broken compressed data: nothing to repeat")
                found += [found[-1]] * (3 + (yield from self._need(2)))
            elif symbol == 17:  # noqa: PLR2004
                found += [0] * (3 + (yield from self._need(3)))
            else:
                found += [0] * (11 + (yield from self._need(7)))
        return _table(found[:literals]), _table(found[literals : literals + distances])

    def _block(self, literals: Table, distances: Table) -> Generator[bytes | None, bytes, None]:
        while (symbol := (yield from self._symbol(literals))) != _END:
            if symbol <= _LAST_LITERAL:
                yield from self._put(symbol)
                continue
            place = symbol - _END - 1
            if place >= len(_LENGTHS):
                raise ContentError("broken compressed data: no such length")
            length = _LENGTHS[place] + (yield from self._need(_LENGTH_BITS[place]))
            code = yield from self._symbol(distances)
            distance = _DISTANCES[code] + (yield from self._need(_DISTANCE_BITS[code]))
            if distance > min(self._total, _WINDOW):
                raise ContentError("broken compressed data: a distance before the start")
            for _ in range(length):
                yield from self._put(self._out[-distance])


def _table(lengths: list[int]) -> Table:
    """Canonical codes (RFC 1951, 3.2.2)."""
    table: Table = {}
    code = 0
    for length in range(1, _MAX_BITS + 1):
        code <<= 1
        for symbol, wanted in enumerate(lengths):
            if wanted == length:
                table[length, code] = symbol
                code += 1
    return table


def _fixed() -> tuple[Table, Table]:
    return _table([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8), _table([5] * 32)
