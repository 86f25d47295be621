"""A symbolic pickle machine: follows every opcode of protocols 0 to 5 and never imports, calls or builds anything.

It is as lenient as the most lenient loader: Python's own `pickle._Unpickler` (which joblib, dill and pandas use)
accepts things that the C one refuses, and the other way round, so what either would run is followed. Where both would
stop with an error, it stops too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from assay.core.errors import LimitExceeded
from assay.formats.pickle import events as ev
from assay.formats.pickle.ops import HANDLERS
from assay.formats.pickle.source import LINE_BYTES, Source
from assay.formats.pickle.values import Broken, GlobalRef, Literal, Outcome, Sequence, Special, term

if TYPE_CHECKING:
    from collections.abc import Callable

_STOP = ord(".")
_TEXT_BYTES = ev.TEXT_LIMIT * 4
_CLOCK_EVERY = 1024  # opcodes between two looks at the clock


class Machine:
    """Reads one pickle after another from a source; memo and stack start empty for each.

    Args:
        source: the stream.
        sink: called with every event, in order.
        quiet: `module name` of callables whose calls are only counted after the first `LISTED_CALLS`.
        deadline: `time.monotonic()` at which reading gives up with `LimitExceeded`.
        max_events: events of one pickle before reading gives up.
    """

    LISTED_CALLS = 4

    def __init__(
        self,
        source: Source,
        sink: Callable[[ev.Event], None],
        *,
        quiet: frozenset[str] = frozenset(),
        deadline: float = float("inf"),
        max_events: int = 100_000,
    ) -> None:
        self.source = source
        self._sink = sink
        self._quiet = quiet
        self._deadline = deadline
        self._max_events = max_events
        self.extensions: dict[int, tuple[str, str]] = {}
        self.buf = b""
        self.i = 0
        self._reset()

    def _reset(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[Any] = []  # a stack below a mark, or a number of marks with nothing between them
        self.memo: dict[int, Any] = {}
        self.counts: dict[str, int] = {}
        self.calls = 0
        self.emitted = 0
        self.protocol = 0
        self.highest = 0
        self.op_offset = 0
        self._ticks = _CLOCK_EVERY

    # -- reading bytes

    def _refill(self, need: int) -> None:
        """Move the window so that `need` bytes from here are in it.

        Raises:
            Broken: when the stream ends before.
        """
        offset = self.source.base + self.i
        self.source.load(offset, need)
        self.buf = self.source.data
        self.i = 0
        if len(self.buf) < need:
            msg = f"the stream ends in the middle of an opcode's argument, {need - len(self.buf)} bytes short"
            raise Broken(msg)

    def take(self, count: int) -> bytes:
        """The next `count` bytes (Broken when the stream ends before)."""
        if self.i + count > len(self.buf):
            self._refill(count)
        start = self.i
        self.i = start + count
        return self.buf[start : self.i]

    def line(self) -> bytes:
        """Up to the next newline, without it; a last line without one is accepted (as the Python unpickler does)."""
        end = self.buf.find(b"\n", self.i)
        if end < 0:
            self.source.load(self.source.base + self.i, LINE_BYTES)
            self.buf = self.source.data
            self.i = 0
            end = self.buf.find(b"\n")
            if end < 0:
                if len(self.buf) >= LINE_BYTES:
                    raise LimitExceeded("line", f"a text line longer than {LINE_BYTES} bytes")
                raise Broken("the stream ends in the middle of a text line")
        line = self.buf[self.i : end]
        self.i = end + 1
        return line

    def position(self) -> int:
        """Offset in the stream of the next byte."""
        return self.source.base + self.i

    def seek(self, offset: int) -> None:
        """Go on reading at `offset`."""
        inside = offset - self.source.base
        if 0 <= inside <= len(self.buf):
            self.i = inside
        else:
            self.source.load(offset)
            self.buf = self.source.data
            self.i = 0

    # -- running

    def run(self, start: int) -> None:
        """Follow one pickle from `start` to its STOP.

        Raises:
            Broken: every loader would stop at `op_offset`.
            LimitExceeded: a limit of ours.
        """
        self._reset()
        self.seek(start)
        table = HANDLERS
        while True:
            if self.i >= len(self.buf):
                self._more()
            self.op_offset = self.source.base + self.i
            code = self.buf[self.i]
            self.i += 1
            self._ticks -= 1
            if self._ticks <= 0:
                self._look_at_clock()
            handler = table[code]
            if handler is None:
                if code == _STOP:
                    return
                msg = f"byte 0x{code:02x} is no opcode"
                raise Broken(msg)
            handler(self)

    def _more(self) -> None:
        self.source.load(self.source.base + self.i)
        self.buf = self.source.data
        self.i = 0
        if not self.buf:
            self.op_offset = self.source.base
            raise Broken("the stream ends without STOP")

    def _look_at_clock(self) -> None:
        self._ticks = _CLOCK_EVERY
        if time.monotonic() > self._deadline:
            raise LimitExceeded("pickle_seconds", "reading the pickle takes too long")

    def emit(
        self, kind: str, target: ev.Term = None, arguments: ev.Term = None, result: int = 0, how: str = ""
    ) -> None:
        """Report an event at the present opcode."""
        self.emitted += 1
        if self.emitted > self._max_events:
            raise LimitExceeded("pickle_events", f"more than {self._max_events} events in one pickle")
        self._sink(ev.Event(kind, self.op_offset, target, arguments, result, how))

    # -- stack

    def pop(self) -> Any:
        """Take the topmost value.

        Raises:
            Broken: for an empty stack.
        """
        if not self.stack:
            raise Broken("the stack is empty")
        return self.stack.pop()

    def top(self) -> Any:
        """The topmost value, left in place."""
        if not self.stack:
            raise Broken("the stack is empty")
        return self.stack[-1]

    def pop_mark(self) -> list[Any]:
        """Everything above the last mark, which goes too."""
        if not self.marks:
            raise Broken("there is no mark")
        items = self.stack
        below = self.marks[-1]
        if isinstance(below, int):
            self.stack = []
            if below > 1:
                self.marks[-1] = below - 1
            else:
                self.marks.pop()
        else:
            self.stack = self.marks.pop()
        return items

    # -- what opcodes do

    def do_import(self, module: Any, name: Any) -> None:
        """Push a global; names that are no plain text are computed at run time."""
        if isinstance(module, str) and isinstance(name, str):
            self.stack.append(GlobalRef(module, name))
            key = f"{module} {name}"
            seen = self.counts.get(f"import {key}", 0)
            self.counts[f"import {key}"] = seen + 1
            if seen < self.LISTED_CALLS or key not in self._quiet:
                self.emit(ev.IMPORT, ["global", module, name])
            return
        target = ["computed", term(module), term(name)]
        self.stack.append(Special(target))
        self.emit(ev.IMPORT, target)

    def do_call(self, target: Any, arguments: Any, how: str) -> None:
        """Record a call and push its result."""
        self.calls += 1
        number = self.calls
        self.stack.append(Outcome(number, target))
        if isinstance(target, GlobalRef):
            key = f"{target.module} {target.name}"
            seen = self.counts.get(key, 0) + 1
            self.counts[key] = seen
            self._registry_call(target, arguments)
            if seen > self.LISTED_CALLS and key in self._quiet:
                return
        self.emit(ev.CALL, term(target), term(arguments), number, how)

    def _registry_call(self, target: GlobalRef, arguments: Any) -> None:
        """`copyreg.add_extension(module, name, code)` inside the stream gives a meaning to later EXT opcodes."""
        if target.name != "add_extension" or target.module not in {"copyreg", "copy_reg"}:
            return
        items = getattr(arguments, "items", [])
        if len(items) == 3 and isinstance(items[2], int) and all(isinstance(i, str) for i in items[:2]):  # noqa: PLR2004
            self.extensions[items[2]] = (items[0], items[1])

    def registry_item(self, target: Any, key: Any, value: Any) -> None:
        """The same by writing to copyreg's tables directly."""
        if (
            not isinstance(target, GlobalRef)
            or target.module not in {"copyreg", "copy_reg"}
            or not isinstance(key, int)
        ):
            return
        if target.name == "_inverted_registry" and isinstance(value, Sequence):
            names = value.items
            if len(names) == 2 and all(isinstance(i, str) for i in names):  # noqa: PLR2004
                self.extensions[key] = (names[0], names[1])
        if target.name == "_extension_cache" and isinstance(value, GlobalRef):
            self.extensions[key] = (value.module, value.name)

    def push_text(self, size: int) -> None:
        """Push UTF-8 text of `size` bytes."""
        if size <= ev.TEXT_LIMIT:
            self.push_decoded(self.take(size), "utf-8", "surrogatepass")
        else:
            self.push_literal(size, text=True)

    def push_decoded(self, data: bytes, encoding: str, errors: str = "strict") -> None:
        """Push `data` as text."""
        try:
            self.stack.append(data.decode(encoding, errors))
        except UnicodeDecodeError as error:
            raise Broken(f"text is not valid {encoding}: {error.reason}") from error

    def push_literal(self, size: int, *, text: bool = False) -> None:
        """Push bytes or long text without copying more than its head."""
        offset = self.position()
        if size < 0 or offset + size > self.source.size:
            raise Broken(f"a literal of {size} bytes does not fit in the stream")
        head = self.source.read(offset, min(size, _TEXT_BYTES if text else ev.BYTES_LIMIT))
        self.seek(offset + size)
        self.stack.append(Literal(offset, size, head, text))

    def do_build(self, target: Any, state: Any) -> None:
        """Record `__setstate__`, or attributes being set."""
        if isinstance(target, Outcome) and isinstance(target.target, GlobalRef):
            key = f"{target.target.module} {target.target.name}"
            seen = self.counts.get(f"build {key}", 0) + 1
            self.counts[f"build {key}"] = seen
            if seen > self.LISTED_CALLS and key in self._quiet:
                return
        self.emit(ev.BUILD, term(target), term(state))
