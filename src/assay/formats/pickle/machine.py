"""A symbolic pickle machine: follows every opcode of protocols 0 to 5 and never imports, calls or builds anything.

It is as lenient as the most lenient loader: Python's own `pickle._Unpickler` (which joblib, dill and pandas use)
accepts things that the C one refuses, and the other way round, so what either would run is followed. Where both would
stop with an error, it stops too.

Runs of plain data are stepped over as segments and taken apart only when an opcode asks what they left on the stack or
in the memo. So the cost in Python is that of what acts, and memory does not grow with the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import LimitExceeded
from assay.formats.pickle import events as ev
from assay.formats.pickle.memo import Stored, Top
from assay.formats.pickle.ops import ACTS, HANDLERS, JOINS
from assay.formats.pickle.runs import RUN_STARTS
from assay.formats.pickle.unpack import Unpacker
from assay.formats.pickle.values import UNKNOWN, Broken, Segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.formats.pickle.joblib_arrays import Wrapped
    from assay.formats.pickle.source import Source

_STOP = ord(".")
_REMEMBERED, _REMEMBERED_CHARACTERS = 5000, 500  # calls whose repetition is recognised


class Machine(Unpacker):
    """Reads one pickle after another from a source; memo and stack start empty for each.

    Args:
        source: the stream.
        sink: called with every event, in order of discovery (events inside unpacked data may come late).
        quiet: `module name` of callables whose calls are only counted after the first few.
        deadline: `time.thread_time()` at which reading gives up with `LimitExceeded`.
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
        self.sink = sink
        self.quiet = quiet
        self._max_events = max_events
        self.extensions: dict[int, tuple[str, str]] = {}
        self.on_array: Callable[[Wrapped], None] | None = None
        super().__init__(source, deadline)

    def reset(self) -> None:
        """Forget the pickle before."""
        super().reset()
        self._listed: set[str] = set()
        self.counts: dict[str, int] = {}
        self.calls = 0
        self.opened_states = 0
        self.emitted = 0
        self.unordered = False  # an event came from data that was taken apart later
        self.protocol = 0
        self.highest = 0
        self.frame_end = 0

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
        self.reset()
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

    def repeated(self, name: str, arguments: ev.Term) -> bool:
        """Whether the same call with the same arguments was listed before."""
        key = f"{name} {arguments!r}"
        if ev.told_apart(name, key):
            return False
        if key in self._listed:
            return True
        if len(self._listed) < _REMEMBERED and len(key) < _REMEMBERED_CHARACTERS:
            self._listed.add(key)
        return False

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
