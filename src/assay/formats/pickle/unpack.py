"""Taking segments apart: the stack of the symbolic machine, where runs of data lie unread until somebody asks.

A segment stands for what its opcodes leave on the stack. It is followed, opcode by opcode, when a value on top of it
is asked for (what lies below is pulled on as needed), or when the memo is asked for something stored inside it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from assay.core.errors import LimitExceeded
from assay.formats.pickle import events as ev
from assay.formats.pickle.cursor import Cursor
from assay.formats.pickle.memo import Memo, Top
from assay.formats.pickle.ops import HANDLERS
from assay.formats.pickle.runs import MARKS, RUN_STARTS, memo_stores, run_pattern
from assay.formats.pickle.source import WINDOW_BYTES
from assay.formats.pickle.values import ACTIVE, UNKNOWN, Broken, Mapping, Segment, Sequence

if TYPE_CHECKING:
    from assay.formats.pickle.source import Source

_MARK, _MEMOIZE, _BINPUT = ord("("), 0x94, ord("q")
_WORTH_JOINING = 2048  # bytes of a segment that is not simply taken apart when something works on it
_JOINED_BYTES = 4096  # neighbouring collections share a segment up to this size: unpacking it stays cheap
_MAX_STEPS = 4_000_000  # opcodes followed one by one: bounds time and the memory of what they push
_MAX_MARKS = 1_000_000
_CLOCK_EVERY = 512  # steps between two looks at the clock
_SHORT_RUN = 40  # bytes of a run that is not worth a segment
_NESTED_OPENING = 24  # a container that holds itself is not opened for ever; what is left closed is shown as unknown
_NESTED_UNPACKING = 40  # segments that may wait for one another before all of a stack is taken apart
_UNPACKED_KEPT = 4  # segments whose memo stores are kept after they were asked for
_VALUES_BELOW = 16  # stand-ins for what lay below a segment when it is taken apart for its stores
_LATE = WINDOW_BYTES * 3 // 4
_LARGE = 1 << 20  # streams from this size on are worth the slower-compiled pattern


class Unpacker(Cursor):
    """Stack, marks and segments. `Machine` adds the run loop, the events and the memo's opcodes.

    Args:
        source: the stream.
        deadline: `time.thread_time()` at which reading gives up with `LimitExceeded`.
    """

    def __init__(self, source: Source, deadline: float) -> None:
        super().__init__(source)
        self._deadline = deadline
        self._pattern = run_pattern(large=source.size > _LARGE)
        self.reset()

    def reset(self) -> None:
        """Empty stack, marks and memo."""
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # [stack below, offset] or [None, first offset, marks in a row]
        self.mark_offset = 0  # of the mark that was popped last
        self.acted = -1  # offset of the last opcode that did more than arrange data
        self.op_offset = 0
        self.memo = Memo()
        self._collecting: dict[Segment, list[tuple[int, Any]]] = {}  # segments being taken apart for their stores
        self._collected: list[tuple[int, Any]] | None = None
        self._unpacked: dict[Segment, list[tuple[int, Any]]] = {}
        self._unpacking = 0
        self._floor = -1  # marks that were there before the segment that is taken apart
        self._slow = 0
        self._skip = 0
        self._ticks = _CLOCK_EVERY

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

    # -- runs

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
        if time.thread_time() > self._deadline:
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
                    handler(self)  # type: ignore[arg-type]  # it is a Machine
        except Broken as error:
            if error.offset is None:
                error.offset = self.op_offset
            raise
        finally:
            self._unpacking -= 1
            position, self.op_offset, self._skip, self._floor = saved
            self.seek(position)

    def bytes_of(self, segment: Segment) -> bytes:
        """What the stream holds for a segment."""
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
        if isinstance(value, Sequence | Mapping) and depth < ev.DEPTH_LIMIT and self._unpacking <= _NESTED_OPENING:
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
        found: list[bytes] = memo_stores().findall(self.bytes_of(segment))
        while found and not found[-1]:
            found.pop()  # empty matches at the end of the segment
        return found
