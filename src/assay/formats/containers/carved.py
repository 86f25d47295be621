"""Pickles in the middle of something else: values of `shelve` and of caches in databases, records, unknown files.

Only whole pickles of protocol 2 and later that import and call something are looked for: their marker is two bytes, and
a bounded walk over the opcodes tells them from an accident.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import LimitExceeded
from assay.formats.containers.members import Budget, Member, slice_of
from assay.formats.sniff_pickle import FIRST_OPCODES, end_of_pickle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

SEARCHED_BYTES = 64 << 20  # from the start of one search; what lies behind stays unread, and is said to be
_ALL_SEARCHED_BYTES = 256 << 20  # of one file, in all its parts: a search costs about as much as a hash
_WINDOW_BYTES = 1 << 20  # of one pickle
_STEP_BYTES = 4 << 20
_MOST = 256
_MOST_OPCODES = 2_000_000  # of one file, in all its parts
_MARK = re.compile(rb"\x80[\x02-\x05](?=[" + b"".join(re.escape(bytes([code])) for code in FIRST_OPCODES) + rb"])")


@dataclass
class Search:
    """What may still be searched of one file, over all its parts.

    Attributes:
        bytes_left: for new searches.
        opcodes_left: of what looks like a pickle.
    """

    bytes_left: int = _ALL_SEARCHED_BYTES
    opcodes_left: int = _MOST_OPCODES

    def begin(self, size: int) -> None:
        """Account for a search of `size` bytes (LimitExceeded past the limit)."""
        if self.bytes_left <= 0:
            raise LimitExceeded("carved_bytes", f"more than {_ALL_SEARCHED_BYTES} bytes to search for pickles")
        self.bytes_left -= size

    def step(self, opcodes: int) -> None:
        """Account for opcodes (LimitExceeded past the limit)."""
        self.opcodes_left -= opcodes
        if self.opcodes_left < 0:
            raise LimitExceeded("carved_opcodes", f"more than {_MOST_OPCODES} opcodes in what may be pickles")


def carve(stream: BinaryIO, start: int, size: int, search: Search) -> Iterator[tuple[int, int]]:
    """(start, end) of pickles between `start` and `size` that import and call something, in order; they may overlap.

    Raises:
        LimitExceeded: for bytes made so that everywhere a pickle seems to begin, or too many of them in one file.
    """
    found, position, stop = 0, start, min(size, start + SEARCHED_BYTES)
    search.begin(max(0, stop - start))
    while position < stop and found < _MOST:
        stream.seek(position)
        block = stream.read(min(_STEP_BYTES + _WINDOW_BYTES, size - position))
        for match in _MARK.finditer(block, 0, min(len(block), _STEP_BYTES + 2)):
            length, opcodes = end_of_pickle(block, match.start(), match.start() + _WINDOW_BYTES)
            search.step(opcodes + 1)
            if length and found < _MOST:
                found += 1
                yield position + match.start(), position + match.start() + length
        position += _STEP_BYTES


@dataclass
class CarvedPickles:
    """What was found in a stream."""

    members: tuple[Member, ...]
    stream: BinaryIO
    format: str = "carved"
    anomalies: tuple[()] = ()

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """The bytes of one pickle."""
        del budget
        return slice_of(self.stream, member.offset, member.size)


def read_carved(stream: BinaryIO, size: int, limits: Limits, search: Search | None = None) -> CarvedPickles:
    """Pickles in a stream of another, or of no known format.

    Raises:
        LimitExceeded: as `carve`.
    """
    del limits
    members = tuple(
        Member(f"(pickle at byte {start}).pkl", "file", start, end - start, end - start, "stored")
        for start, end in carve(stream, 0, size, search or Search())
    )
    return CarvedPickles(members, stream)
