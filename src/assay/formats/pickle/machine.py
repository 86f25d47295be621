"""A symbolic pickle machine: follows every opcode of protocols 0 to 5 and never imports, calls or builds anything.

It is as lenient as the most lenient loader: Python's own `pickle._Unpickler` (which joblib, dill and pandas use)
accepts things that the C one refuses, and the other way round, so what either would run is followed. Where both would
stop with an error, it stops too.

Runs of plain data are stepped over as segments and taken apart only when an opcode asks what they left on the stack or
in the memo. So the cost in Python is that of what acts, and memory does not grow with the data.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from assay.core.errors import LimitExceeded
from assay.formats.pickle import events as ev
from assay.formats.pickle.cursor import Cursor
from assay.formats.pickle.memo import Memo, Stored, Top
from assay.formats.pickle.ops import ACTS, HANDLERS, JOINS
from assay.formats.pickle.runs import MARKS, RUN_STARTS, memo_stores, run_pattern
from assay.formats.pickle.source import WINDOW_BYTES
from assay.formats.pickle.values import (
    ACTIVE,
    UNKNOWN,
    Broken,
    Mapping,
    Segment,
    Sequence,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.formats.pickle.joblib_arrays import Wrapped
    from assay.formats.pickle.source import Source

_STOP, _MARK, _MEMOIZE, _BINPUT = ord("."), ord("("), 0x94, ord("q")
_WORTH_JOINING = 2048  # bytes of a segment that is not simply taken apart when something works on it
_JOINED_BYTES = 4096  # neighbouring collections share a segment up to this size: unpacking it stays cheap
_MAX_STEPS = 4_000_000  # opcodes followed one by one: bounds time and the memory of what they push
_MAX_MARKS = 1_000_000
_CLOCK_EVERY = 512  # steps between two looks at the clock
_SHORT_RUN = 40  # bytes of a run that is not worth a segment
_NESTED_UNPACKING = 40  # segments that may wait for one another before all of a stack is taken apart
_UNPACKED_KEPT = 4  # segments whose memo stores are kept after they were asked for
_VALUES_BELOW = 16  # stand-ins for what lay below a segment when it is taken apart for its stores
_LATE = WINDOW_BYTES * 3 // 4
_LARGE = 1 << 20  # streams from this size on are worth the slower-compiled pattern


class Machine(Cursor):
    """Reads one pickle after another from a source; memo and stack start empty for each.

    Args:
        source: the stream.
        sink: called with every event, in order of discovery (events inside unpacked data may come late).
        quiet: `module name` of callables whose calls are only counted after the first few.
        deadline: `time.monotonic()` at which reading gives up with `LimitExceeded`.
        max_events: events of one pickle before reading gives up.
    """

    def __init__(
        self,
        source: Source,
        sink: Callable[[ev.Event], object] = bool,
        *,
        quiet: frozenset[str] = frozenset(),
        deadline: float = float("inf"),
        max_events: int = 100_000,
    ) -> None:
        super().__init__(source)
        self.sink = sink
        self.unordered = False  # an event came from data that was taken apart later
        self.quiet = quiet
        self._deadline = deadline
        self._max_events = max_events
        self.extensions: dict[int, tuple[str, str]] = {}
        self.on_array: Callable[[Wrapped], None] | None = None
        self.frame_end = 0
        self._pattern = run_pattern(large=source.size > _LARGE)
        self._reset()

    def _reset(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # [stack below, offset] or [None, first offset, marks in a row]
        self.mark_offset = 0  # of the mark that was popped last
        self.acted = -1  # offset of the last opcode that did more than arrange data
        self._slow = 0
        self._floor = -1  # marks that were there before the segment that is taken apart
        self.memo = Memo()
        self._collecting: dict[Segment, list[tuple[int, Any]]] = {}  # segments being taken apart for their stores
        self._collected: list[tuple[int, Any]] | None = None
        self._unpacked: dict[Segment, list[tuple[int, Any]]] = {}
        self._unpacking = 0
        self.counts: dict[str, int] = {}
        self.calls = 0
        self.emitted = 0
        self.protocol = 0
        self.highest = 0
        self.op_offset = 0
        self._skip = 0
        self._ticks = _CLOCK_EVERY

    # -- running

    def run(self, start: int, *, keep_memo: bool = False) -> None:
        """Follow one pickle from `start` to its STOP.

        Args:
            start: offset in the stream.
            keep_memo: go on with the memo of the pickle before, as one Unpickler object does that loads several.

        Raises:
            Broken: every loader would stop at `op_offset`.
            LimitExceeded: a limit of ours.
        """
        memo = self.memo
        self._reset()
        if keep_memo:
            self.memo = memo
        self.seek(start)
        while True:
            if self.i >= len(self.buf):
                self._more()
            offset = self.base + self.i
            self.op_offset = offset
            code = self.buf[self.i]
            self._ticks -= 1
            if self._ticks <= 0:
                self._look_at_clock()
            if RUN_STARTS[code] and offset >= self._skip and self._step_over(code, log=True):
                continue
            if JOINS[code] and self.stack and type(self.stack[-1]) is Segment and self._join(code):
                continue
            self.i += 1
            handler = HANDLERS[code]
            if handler is None:
                if code == _STOP:
                    return
                raise Broken(f"byte 0x{code:02x} is no opcode")
            handler(self)
            if ACTS[code]:
                self.acted = offset

    def emit(
        self, kind: str, target: ev.Term = None, arguments: ev.Term = None, result: int = 0, how: str = ""
    ) -> None:
        """Report an event at the present opcode."""
        if self._collected is not None:
            return  # data taken apart a second time
        self.emitted += 1
        if self.emitted > self._max_events:
            raise LimitExceeded("pickle_events", f"more than {self._max_events} events in one pickle")
        self.unordered = self.unordered or self._unpacking > 0
        self.sink(ev.Event(kind, self.op_offset, target, arguments, result, how))

    def _step_over(self, code: int, *, log: bool) -> bool:
        """Take a run of data as one segment, when there is one that is long enough."""
        if code == _MARK and self.stack and isinstance(self.stack[-1], ACTIVE):
            return False  # what is collected here changes something that is more than data
        if self.i > _LATE and self.base + len(self.buf) < self.source.size:
            self._load(self.position(), 1)  # so that collections are not cut by the end of the window
        found = self._pattern.match(self.buf, self.i)
        if found is None:
            return False
        start, end = self.base + self.i, self.base + found.end()
        if end - start < _SHORT_RUN:
            self._skip = end
            return False
        segment = Segment(start, end)
        self.stack.append(segment)
        if log:
            self.memo.store_run(segment)
        self.i = found.end()
        return True

    def _more(self) -> None:
        self._load(self.position(), 1)
        if not self.buf:
            self.op_offset = self.base
            raise Broken("the stream ends without STOP")

    def _look_at_clock(self) -> None:
        self._ticks = _CLOCK_EVERY
        self._slow += _CLOCK_EVERY
        if self._slow > _MAX_STEPS:
            raise LimitExceeded("pickle_steps", f"more than {_MAX_STEPS} opcodes that are no plain run of data")
        if time.monotonic() > self._deadline:
            raise LimitExceeded("pickle_seconds", "reading the pickle takes too long")

    # -- segments

    def _join(self, code: int) -> bool:
        """Let the segment on top take in an opcode that works on it; False when something acted in between."""
        segment = self.stack[-1]
        if segment.start < self.acted or segment.end - segment.start < _WORTH_JOINING:
            return False
        if code == _MEMOIZE:
            self.i += 1
            self.memo.store(None, Top(segment), self.op_offset)
        elif code == _BINPUT:
            self.i += 1
            self.memo.store(self.take(1)[0], Top(segment), self.op_offset)
        else:
            self.i += 1
            self.stack[-1] = Segment(segment.start, self.position())
        return True

    def absorb(self) -> bool:
        """After a collection was closed over a segment: let that take in everything up to here, if it is data."""
        if self.stack and type(self.stack[-1]) is Segment and len(self.marks) > self._floor:
            segment = self.stack[-1]
            if segment.start > self.acted:
                self.stack[-1] = Segment(segment.start, self.position())
                return True
        return False

    def push_collected(self, kind: str, items: list[Any]) -> None:
        """Push what a mark's values make: as a segment when they are plain data that was not taken apart."""
        nested = len(self.marks) > self._floor
        if nested and self.mark_offset > self.acted and any(type(i) is Segment for i in items):
            end = self.position()
            top = self.stack[-1] if self.stack else None
            if type(top) is Segment and top.end == self.mark_offset and end - top.start < _JOINED_BYTES:
                self.stack[-1] = Segment(top.start, end)
            else:
                self.stack.append(Segment(self.mark_offset, end))
        else:
            self.stack.append(Mapping(items) if kind == "dict" else Sequence(kind, items))

    def _execute(self, segment: Segment, *, nested_runs: bool) -> None:
        """Run the opcodes of a segment on the present stack. Memo stores go to `_collected`, when that is set."""
        saved = self.position(), self.op_offset, self._skip, self._floor
        self._floor = len(self.marks)
        self._unpacking += 1
        self._skip = 0
        self.seek(segment.start)
        try:
            while (offset := self.base + self.i) < segment.end:
                if self.i >= len(self.buf):
                    self._more()
                self.op_offset = offset
                code = self.buf[self.i]
                self._ticks -= 1
                if self._ticks <= 0:
                    self._look_at_clock()
                inside = nested_runs and len(self.marks) > self._floor
                if inside and RUN_STARTS[code] and self.op_offset >= self._skip and self._step_over(code, log=False):
                    continue
                self.i += 1
                handler = HANDLERS[code]
                if handler is not None:  # runs hold known opcodes only
                    handler(self)
        except Broken as error:
            if error.offset is None:
                error.offset = self.op_offset
            raise
        finally:
            self._unpacking -= 1
            position, self.op_offset, self._skip, self._floor = saved
            self.seek(position)

    def _bytes_of(self, segment: Segment) -> bytes:
        inside = segment.start - self.base
        if inside >= 0 and segment.end - self.base <= len(self.buf):
            return self.buf[inside : segment.end - self.base]
        return self.source.read(segment.start, segment.end - segment.start)

    def _expand(self, index: int) -> None:
        """Replace the segment at `index` of the stack by what it leaves there, pulling on what lies below as needed."""
        if self._unpacking > _NESTED_UNPACKING:
            self._expand_all(self.stack)
            return
        above = self.stack[index + 1 :]
        segment = self.stack[index]
        del self.stack[index:]
        before, self._collected = self._collected, None
        try:
            self._execute(segment, nested_runs=True)
        finally:
            self._collected = before
        self.stack += above  # taking apart may have put another list there

    def _expand_all(self, items: list[Any], enough: int = 1 << 62) -> None:
        """Replace the segments of a list from the left, until `enough` values are there."""
        saved, self.stack = self.stack, []
        before, self._collected = self._collected, None
        rest = len(items)
        try:
            for place, item in enumerate(items):
                if len(self.stack) >= enough:
                    rest = place
                    break
                if isinstance(item, Segment):
                    self._execute(item, nested_runs=True)
                else:
                    self.stack.append(item)
            items[:] = self.stack + items[rest:]
        finally:
            self.stack, self._collected = saved, before

    def open(self, value: Any, depth: int = 0) -> Any:
        """Take apart as much of a container as a term will show; returns the value."""
        if isinstance(value, Sequence | Mapping) and depth < ev.DEPTH_LIMIT:
            if any(isinstance(item, Segment) for item in value.items):
                self._expand_all(value.items, 2 * ev.ITEM_LIMIT + 2)
            for item in value.items[: 2 * ev.ITEM_LIMIT]:
                self.open(item, depth + 1)
        return value

    def items(self, container: Sequence | Mapping, most: int) -> list[Any]:
        """The first items of a container, taken apart."""
        if any(type(item) is Segment for item in container.items):
            self._expand_all(container.items, most)
        return container.items[:most]

    def _stores_of(self, segment: Segment) -> list[tuple[int, Any]]:
        """Offset and value of each memo store of a segment, in order."""
        running = self._collecting.get(segment)
        if running is not None:
            return running
        kept = self._unpacked.get(segment)
        if kept is not None:
            return kept
        collected: list[tuple[int, Any]] = []
        saved = self.stack, self.marks, self._collected
        self.stack, self.marks, self._collected = [UNKNOWN] * _VALUES_BELOW, [], collected
        self._collecting[segment] = collected
        try:
            self._execute(segment, nested_runs=False)
        except Broken:
            pass  # it works on more values below, which are gone: the stores after that stay unknown
        finally:
            del self._collecting[segment]
            self.stack, self.marks, self._collected = saved
        if len(self._unpacked) >= _UNPACKED_KEPT:
            del self._unpacked[next(iter(self._unpacked))]
        self._unpacked[segment] = collected
        return collected

    # -- stack

    def pop(self) -> Any:
        """Take the topmost value (Broken for an empty stack)."""
        value = self.top()
        self.stack.pop()
        return value

    def top(self) -> Any:
        """The topmost value, left in place (Broken for an empty stack)."""
        while self.stack:
            value = self.stack[-1]
            if not isinstance(value, Segment):
                return value
            self._expand(len(self.stack) - 1)
        raise Broken("the stack is empty")

    def take_items(self, count: int) -> list[Any]:
        """Take the topmost values, lowest first (Broken when there are fewer)."""
        taken = [self.pop() for _ in range(count)]
        taken.reverse()
        return taken

    def settle_top(self) -> bool:
        """Whether the present stack holds a value above its mark, once segments on top are taken apart."""
        while self.stack and isinstance(self.stack[-1], Segment):
            self._expand(len(self.stack) - 1)
        return bool(self.stack)

    def push_mark(self) -> None:
        """MARK; many in a row cost nothing."""
        first = self.op_offset
        count = 1
        if self.i < len(self.buf) and self.buf[self.i] == _MARK:
            found = MARKS.match(self.buf, self.i)
            count += len(found[0]) if found else 0
            self.i += count - 1
        if self.stack:
            self.marks.append([self.stack, first])
            self.stack = []
            first += 1
            count -= 1
        above = self.marks[-1] if self.marks else None
        if count and above and above[0] is None and above[1] + above[2] == first:
            above[2] += count
        elif count:
            self.marks.append([None, first, count])
        if len(self.marks) > _MAX_MARKS:
            raise LimitExceeded("pickle_marks", f"more than {_MAX_MARKS} open marks")

    def pop_mark(self) -> list[Any]:
        """Everything above the last mark, which goes too; may hold segments."""
        if not self.marks:
            raise Broken("there is no mark")
        items = self.stack
        below = self.marks[-1]
        if below[0] is None:
            self.stack = []
            below[2] -= 1
            self.mark_offset = below[1] + below[2]
            if not below[2]:
                self.marks.pop()
        else:
            self.stack, self.mark_offset = self.marks.pop()
        return items

    # -- memo

    def memo_put(self, index: int | None) -> None:
        """PUT, BINPUT, LONG_BINPUT; MEMOIZE without index."""
        value = self.top()
        if self._collected is not None:
            self._collected.append((self.op_offset, value))
        elif not self._unpacking:
            self.memo.store(index, value, self.op_offset)

    def memo_get(self, index: int) -> None:
        """GET, BINGET, LONG_BINGET (Broken for an entry that was never stored)."""
        self.memo.settle(self._scan)
        for found in self.memo.find(index, self.op_offset):
            if isinstance(found, Top):
                self.stack.append(self._top_of(found))
                return
            if not isinstance(found, Stored):
                self.stack.append(found)
                return
            stores = self._stores_of(found.segment)
            if found.place >= len(stores):
                if found.segment.end <= self.op_offset:
                    self.stack.append(UNKNOWN)
                    return
            elif stores[found.place][0] < self.op_offset:
                self.stack.append(stores[found.place][1])
                return
        raise Broken(f"memo entry {index} was never stored")

    def _top_of(self, stored: Top) -> Any:
        """What a segment left on top of the stack when it was stored."""
        if stored.segment is not None:
            saved = self.stack, self.marks, self._collected
            self.stack, self.marks, self._collected = [UNKNOWN] * _VALUES_BELOW, [], None
            try:
                self._execute(stored.segment, nested_runs=True)
                stored.value = self.top()
            except Broken:
                stored.value = UNKNOWN
            finally:
                self.stack, self.marks, self._collected = saved
            stored.segment = None
        return stored.value

    def _scan(self, segment: Segment) -> list[bytes]:
        found: list[bytes] = memo_stores().findall(self._bytes_of(segment))
        while found and not found[-1]:
            found.pop()  # empty matches at the end of the segment
        return found
