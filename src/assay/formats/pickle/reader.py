"""Reads the pickles of a stream with our own machine: bounded memory, bounded time, every event with its offset."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import LimitExceeded
from assay.formats.pickle import events as ev
from assay.formats.pickle.machine import Machine
from assay.formats.pickle.source import Source
from assay.formats.pickle.values import Broken

if TYPE_CHECKING:
    from assay.core.limits import Limits
    from assay.formats.pickle.joblib_arrays import Wrapped

_NESTING = 8  # object arrays in object arrays


class Reader:
    """Reads one pickle after another from a stream.

    Args:
        stream: seekable.
        size: bytes in it.
        limits: `pickle_events`.
        quiet: `module name` of callables whose calls are only counted after the first few.
        seconds: of processor time, for everything that is read through this reader.
    """

    def __init__(
        self, stream: BinaryIO, size: int, limits: Limits, *, quiet: frozenset[str] = frozenset(), seconds: float = 60.0
    ) -> None:
        self.size = size
        self._limits = limits
        self._quiet = quiet
        self._deadline = time.thread_time() + seconds
        self._source = Source(stream, size)
        self._machine = self._new_machine()

    def _new_machine(self) -> Machine:
        return Machine(
            self._source,
            quiet=self._quiet,
            deadline=self._deadline,
            max_events=self._limits.pickle_events,
        )

    def read(self, start: int, *, arrays: bool = True, keep_memo: bool = False) -> ev.Trace:
        """Follow the pickle that begins at `start`; never raises for what is in it.

        Args:
            start: offset in the stream.
            arrays: step over joblib's inline arrays, as joblib does; otherwise read on, as the other loaders do.
            keep_memo: with the memo of the pickle read before, as one Unpickler object does that loads several.
        """
        return self._read(self._machine, start, arrays, keep_memo, 0)

    def _read(self, machine: Machine, start: int, arrays: bool, keep_memo: bool, depth: int) -> ev.Trace:
        events: list[ev.Event] = []
        trace = ev.Trace(start=start, events=events)
        machine.sink = events.append
        machine.on_array = (lambda found: self._step_over(machine, found, trace, depth)) if arrays else None
        try:
            machine.run(start, keep_memo=keep_memo)
        except Broken as error:
            trace.error = str(error)
            trace.end = machine.op_offset if error.offset is None else error.offset
        except LimitExceeded as error:
            trace.error, trace.limit, trace.end = str(error), True, machine.op_offset
        except RecursionError:  # what it read stands; the rest was not followed
            told = "containers hold one another deeper than is followed"
            trace.error, trace.limit, trace.end = told, True, machine.op_offset
        else:
            trace.complete, trace.end = True, machine.position()
        if machine.unordered:
            events.sort(key=lambda event: event.offset or 0)
        trace.counts = machine.counts
        trace.protocol = machine.highest
        return trace

    def _step_over(self, machine: Machine, found: Wrapped, trace: ev.Trace, depth: int) -> None:
        """Move behind an inline array, reading the pickle that an object array is."""
        position = machine.position()
        if position < machine.frame_end <= self.size:
            raise Broken(
                "an inline array begins in the middle of a frame, where two loaders read on at different places"
            )
        machine.emit(ev.ARRAY, None, [found.dtype, list(found.shape)])
        if found.pickled:
            if depth >= _NESTING:
                raise LimitExceeded("pickle_nesting", f"object arrays nested more than {_NESTING} deep")
            inner = self._read(self._new_machine(), position, True, False, depth + 1)
            trace.nested.append(inner)
            if not inner.complete:
                raise Broken(f"the pickle of an object array breaks off: {inner.error}")
            end = inner.end
        else:
            if found.size < 0:
                raise Broken(f"the length of an inline array can't be told (dtype {found.dtype})")
            end = position + found.size
            if found.aligned:
                padding = self._source.read(position, 1)
                end += 1 + (padding[0] if padding else 0)
            if end > self.size:
                raise Broken("an inline array is longer than the stream")
        trace.skipped.append((position, end - position))
        machine.seek(end)
