"""Both readings of every pickle of a stream: our own machine, and CPython's unpickler in the tracing child."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from assay.formats.pickle import events as ev
from assay.formats.pickle.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits
    from assay.formats.pickle.events import Trace
    from assay.inspections.pickle_tracer import Tracer

BOTH_BYTES = 2 << 20  # 44 MB of opcodes cost the C unpickler 0.4 to 2 GB: past this it only steps in when ours gives up
OWN_SECONDS = 30.0  # of processor time: a loaded machine is no fault of the file; our own reading of one stream
_SPARE_BYTES = 4096  # behind the point where ours broke off
_ROW = 1_000_000  # pickles in a row
_ROW_BOTH = 10_000  # of these are also read by the C unpickler
_ROW_AHEAD = 50  # of these are handed to it while our own reading runs, with all that follows
_KEPT_BYTES = 16 << 20  # streams up to this size are also read as one Unpickler object would, that keeps its memo


@dataclass
class Reading:
    """What is known about one pickle of a stream.

    Attributes:
        ours: our own reading.
        theirs: the C unpickler's reading of the same bytes; None when it did not run.
        others: further readings that some loader would make of the same bytes, with what makes them.
        first: the first pickle of the stream; others may just be trailing bytes.
    """

    ours: Trace
    theirs: Trace | None = None
    others: list[tuple[str, Trace]] = field(default_factory=list)
    first: bool = True

    @property
    def end(self) -> int | None:
        """Offset behind its STOP, None when no reading got there."""
        if self.ours.complete:
            return self.ours.end
        if self.theirs is not None and self.theirs.complete and self.theirs.end:
            return self.ours.start + self.theirs.end
        return None


class Readings:
    """Reads the pickles of one stream.

    Args:
        tracer: started; used for one pickle after another.
        stream: seekable.
        size: bytes in it.
        limits: of the inspection.
        quiet: `module name` of callables whose calls need no listing.
    """

    def __init__(self, tracer: Tracer, stream: BinaryIO, size: int, limits: Limits, quiet: frozenset[str]) -> None:
        self._tracer = tracer
        self._stream = stream
        self._size = size
        self._reader = Reader(stream, size, limits, quiet=quiet, seconds=OWN_SECONDS)
        self._kept: Reader | None = None
        self._limits = limits
        self._quiet = quiet
        self.leftover = 0  # offset of bytes that are no pickle any more
        self.cut = False  # there are more pickles in a row than are read

    def __iter__(self) -> Iterator[Reading]:
        """One `Reading` for each pickle, until the stream ends or goes on with something else."""
        start = 0
        for place in range(_ROW):
            reading = self._one(start, place)
            if place and self._size <= _KEPT_BYTES:
                self._keep_memo(reading)
            if place and not reading.ours.complete and not _acts(reading):
                break
            yield reading
            end = reading.end
            if end is None:
                self.leftover = self._size
                return
            start = end
            if start >= self._size:
                break
        else:
            self.cut = True
        self.leftover = start

    def _one(self, start: int, place: int) -> Reading:
        rest = self._size - start
        if rest <= BOTH_BYTES and place < _ROW_AHEAD:
            body = self._bytes(start, rest)
            self._tracer.begin(body)
            ours = self._reader.read(start)
            theirs: Trace | None = self._tracer.finish()
        else:
            ours = self._reader.read(start)
            theirs = self._second(ours) if place < _ROW_BOTH else None
        reading = Reading(ours, theirs, first=place == 0)
        if ours.skipped:
            self._around_arrays(reading)
        return reading

    def _bytes(self, start: int, count: int) -> bytes:
        self._stream.seek(start)
        return self._stream.read(count)

    def _second(self, ours: Trace) -> Trace | None:
        """The C unpickler's reading of a pickle in a long stream: when it is short, or when ours gave up."""
        length = ours.end - ours.start
        if ours.limit:
            return self._from_descriptor(ours.start)
        if length <= BOTH_BYTES:
            spare = 0 if ours.complete else _SPARE_BYTES
            return self._tracer.trace(self._bytes(ours.start, min(length + spare, self._size - ours.start)))
        return None

    def _from_descriptor(self, start: int) -> Trace:
        regions = [(start, self._size - start)]
        try:
            descriptor = self._stream.fileno()
        except (OSError, AttributeError):
            return self._spooled(start)
        self._tracer.begin(descriptor=descriptor, regions=regions, pickle_bytes=self._size - start)
        return self._tracer.finish()

    def _spooled(self, start: int) -> Trace:
        """A member of an archive has no descriptor: copy it to a file without a name."""
        with tempfile.TemporaryFile() as copy:
            self._stream.seek(start)
            while chunk := self._stream.read(1 << 20):
                copy.write(chunk)
            copy.flush()
            size = os.fstat(copy.fileno()).st_size
            self._tracer.begin(descriptor=copy.fileno(), regions=[(0, size)], pickle_bytes=size)
            return self._tracer.finish()

    def _around_arrays(self, reading: Reading) -> None:
        """Joblib steps over array bytes; other loaders read them as opcodes. Follow both."""
        ours = reading.ours
        plain = self._reader.read(ours.start, arrays=False)
        reading.others.append(("read without joblib", plain))
        if reading.theirs is not None and not ours.limit:
            reading.others.append(("read by the C unpickler without joblib", reading.theirs))
        pieces, at = [], ours.start
        for offset, length in ours.skipped:
            pieces.append((at, offset - at))
            at = offset + length
        pieces.append((at, ours.end - at))
        if sum(length for _, length in pieces) <= BOTH_BYTES:
            reading.theirs = self._tracer.trace(b"".join(self._bytes(at, length) for at, length in pieces))
        else:
            reading.theirs = None

    def _keep_memo(self, reading: Reading) -> None:
        """One Unpickler object that loads several pickles keeps its memo from one to the next."""
        if self._kept is None:
            self._kept = Reader(self._stream, self._size, self._limits, quiet=self._quiet, seconds=OWN_SECONDS)
            self._kept_end = self._kept.read(0).end
        while self._kept_end < reading.ours.start:
            trace = self._kept.read(self._kept_end, keep_memo=True)
            if not trace.complete:
                return
            self._kept_end = trace.end
        kept = self._kept.read(reading.ours.start, keep_memo=True)
        self._kept_end = kept.end
        if kept.events != reading.ours.events:
            reading.others.append(("read with the memo of the pickle before", kept))
            if kept.complete and not reading.ours.complete:
                kept.start = reading.ours.start
                reading.ours = kept


def _acts(reading: Reading) -> bool:
    """Whether anything was imported or called, by names that can be names (and are no accident of array bytes)."""
    traces = [reading.ours, *([reading.theirs] if reading.theirs else [])]
    return any(named(event) for trace in traces for event in trace.events)


def named(event: ev.Event) -> bool:
    """Whether an event is more than an accident of bytes that were never meant as opcodes."""
    if event.kind == ev.IMPORT and event.target[0] == "global":
        return all(part.isidentifier() for text in event.target[1:] for part in text.split("."))
    return event.kind == ev.CALL
