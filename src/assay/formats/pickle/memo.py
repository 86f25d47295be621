"""The memo of the symbolic machine, filled late: runs of data are counted only when somebody asks for an entry."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from assay.core.errors import LimitExceeded

if TYPE_CHECKING:
    from assay.formats.pickle.values import Segment

MEMOIZE = b"\x94"
MAX_INDEX = 1 << 32
_MAX_OUTSIDE = 1_000_000
_MISSING = object()


class Stored:
    """The `place`-th memo store of a segment that has not been taken apart."""

    __slots__ = ("place", "segment")

    def __init__(self, segment: Segment, place: int) -> None:
        self.segment = segment
        self.place = place


class Top:
    """What lay on top of the stack behind a segment that has not been taken apart; `value` once it has been."""

    __slots__ = ("segment", "value")

    def __init__(self, segment: Segment) -> None:
        self.segment: Segment | None = segment
        self.value: Any = None


class Memo:
    """Index → value, as of any place in the stream.

    Stores are logged with their offset. The log is worked off, in order, when an entry is asked for; a segment's stores
    are then counted (and their indices kept when they are not simply the next free ones).
    """

    def __init__(self) -> None:
        self._log: list[tuple[int, int | None, Any] | Segment] = []
        self._plain: dict[int, list[tuple[int, Any]]] = {}
        self._firsts: list[int] = []  # ascending: first index of each run of consecutive new entries
        self._runs: list[tuple[int, int, Segment]] = []  # first index, stores, segment
        self._odd: list[tuple[array[int], Segment]] = []  # segments whose stores have indices of their own choice
        self._contiguous = 0  # all indices below are taken
        self._outside: set[int] = set()  # taken indices above

    def store(self, index: int | None, value: Any, offset: int) -> None:
        """Log a store; without index it takes the next free one (MEMOIZE)."""
        self._log.append((offset, index, value))

    def store_run(self, segment: Segment) -> None:
        """Log the stores of a segment, whatever they are."""
        self._log.append(segment)

    def pending(self) -> list[Segment]:
        """Segments whose stores must be scanned before `find`: pass them to `settle`."""
        return [entry for entry in self._log if not isinstance(entry, tuple)]

    def settle(self, scan: Any) -> None:
        """Work off the log; `scan(segment)` lists the segment's memo opcodes."""
        log, self._log = self._log, []
        for entry in log:
            if isinstance(entry, tuple):
                offset, index, value = entry
                taken = self._take(index)
                self._plain.setdefault(taken, []).append((offset, value))
            else:
                self._settle_run(entry, scan(entry))

    def _settle_run(self, segment: Segment, stores: list[bytes]) -> None:
        if not stores:
            return
        if not self._outside and _is_next(stores, self._contiguous):
            self._firsts.append(self._contiguous)
            self._runs.append((self._contiguous, len(stores), segment))
            self._contiguous += len(stores)
            return
        indices = array("Q")
        for store in stores:
            indices.append(self._take(_index(store)))
        self._odd.append((indices, segment))

    def _take(self, index: int | None) -> int:
        """Mark an index as taken and return it."""
        if index is None:
            index = self._contiguous + len(self._outside)
        if index == self._contiguous:
            self._contiguous += 1
            while self._contiguous in self._outside:
                self._outside.remove(self._contiguous)
                self._contiguous += 1
        elif index > self._contiguous:
            self._outside.add(index)
            if len(self._outside) > _MAX_OUTSIDE:
                raise LimitExceeded("pickle_memo", f"more than {_MAX_OUTSIDE} memo entries out of order")
        return index

    def find(self, index: int, before: int) -> list[Any]:
        """What index may hold just before offset `before`: values or `Stored`, the latest first; empty for nothing.

        A `Stored` in a segment that spans `before` may turn out to come later: then the next one counts.
        """
        found: list[tuple[int, int, Any]] = []
        for offset, value in self._plain.get(index, ()):
            if offset < before:
                found.append((offset, 0, value))
        at = bisect_right(self._firsts, index) - 1
        if at >= 0:
            first, count, segment = self._runs[at]
            if index < first + count and segment.start < before:
                found.append((segment.start, 0, Stored(segment, index - first)))
        for indices, segment in self._odd:
            if segment.start < before:
                found += [(segment.start, place, Stored(segment, place)) for place in _places(indices, index)]
        found.sort(key=lambda item: item[:2], reverse=True)
        return [item[2] for item in found]


def _places(indices: array[int], index: int) -> list[int]:
    """Where an index stands in an array."""
    places: list[int] = []
    if index not in indices:
        return places
    for place, stored in enumerate(indices):
        if stored == index:
            places.append(place)
    return places


def _is_next(stores: list[bytes], first: int) -> bool:
    """Whether the stores take the next indices, one after the other."""
    if stores.count(MEMOIZE) == len(stores):
        return True
    return all(store == MEMOIZE or _index(store) == first + place for place, store in enumerate(stores))


def _index(store: bytes) -> int | None:
    """Index of a memo opcode; None for MEMOIZE, an impossible index for nonsense."""
    if store == MEMOIZE:
        return None
    if store[:1] == b"p":
        text = store[1:-1]
        return min(int(text), MAX_INDEX) if text.isdigit() and len(text) < 20 else MAX_INDEX  # noqa: PLR2004
    return int.from_bytes(store[1:], "little")
