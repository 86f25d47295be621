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


class Reader:
    """Reads one pickle after another from a stream.

    Args:
        stream: seekable.
        size: bytes in it.
        limits: `pickle_events`.
        quiet: `module name` of callables whose calls are only counted after the first few.
        seconds: wall time for everything that is read through this reader.
    """

    def __init__(
        self, stream: BinaryIO, size: int, limits: Limits, *, quiet: frozenset[str] = frozenset(), seconds: float = 60.0
    ) -> None:
        self.size = size
        self._events: list[ev.Event] = []
        self.machine = Machine(
            Source(stream, size),
            self._record,
            quiet=quiet,
            deadline=time.monotonic() + seconds,
            max_events=limits.pickle_events,
        )

    def _record(self, event: ev.Event) -> None:
        self._events.append(event)

    def read(self, start: int) -> ev.Trace:
        """Follow the pickle that begins at `start`; never raises for what is in it."""
        self._events = []
        machine = self.machine
        trace = ev.Trace(start=start, events=self._events)
        try:
            machine.run(start)
        except Broken as error:
            trace.error, trace.end = str(error), machine.op_offset
        except LimitExceeded as error:
            trace.error, trace.limit, trace.end = str(error), True, machine.op_offset
        else:
            trace.complete, trace.end = True, machine.position()
        trace.counts = dict(machine.counts)
        trace.protocol = machine.highest
        return trace
