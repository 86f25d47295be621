"""The pickle inspector: two independent readings of every pickle, judged by exact allow-lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.pickle.reader import Reader
from assay.inspections import pickle_names
from assay.inspections.pickle_judgement import Judge
from assay.inspections.pickle_tracer import Tracer

if TYPE_CHECKING:
    from assay.formats.pickle.events import Trace
    from assay.inspections.parts import Collector, Part

FORMATS = frozenset(("pickle", "torch-legacy"))
BOTH_BYTES = 4 << 20  # up to this size both readings run


class Pickle:
    """What loading the pickles of a snapshot would import, call and change."""

    name = "pickle"

    def __init__(self) -> None:
        self._tracer: Tracer | None = None

    @property
    def version(self) -> str:
        """Changes with the lists."""
        return f"1+{pickle_names.version()}"

    def wants(self, part: Part) -> bool:
        """Every plausible pickle."""
        return not FORMATS.isdisjoint(part.formats)

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read, compare, judge."""
        if self._tracer is None:
            self._tracer = Tracer(part.limits, pickle_names.quiet())
            self._tracer.start()
        reader = Reader(part.stream, part.size, part.limits, quiet=pickle_names.quiet())
        judge = Judge()
        start = 0
        while start < part.size:
            both = part.size - start <= BOTH_BYTES
            if both:
                part.stream.seek(start)
                self._tracer.begin(part.stream.read(part.size - start))
            trace = reader.read(start)
            judge.judge(trace)
            if both:
                self._compare(trace, self._tracer.finish(), out)
            if not trace.complete:
                self._broken(part, trace, out)
                break
            start = trace.end
            part.stream.seek(start)
            if part.stream.read(1) != b"\x80":
                break
        for seen in judge.observations:
            out.finding(seen.rule, seen.severity, seen.confidence, seen.message, offset=seen.offset, **seen.facts)

    def _compare(self, ours: Trace, theirs: Trace, out: Collector) -> None:
        pass

    def _broken(self, part: Part, trace: Trace, out: Collector) -> None:
        if not trace.acts:
            if part.formats[0] == "pickle":
                out.incomplete(f"not a complete pickle: {trace.error} (at byte {trace.end})")
            return
        out.finding(
            "pickle-incomplete", Severity.MEDIUM, Confidence.HIGH,
            f"the pickle acts and then breaks off: {trace.error}", offset=trace.end, error=trace.error,
        )  # fmt: skip
        out.incomplete(f"broken off at byte {trace.end}: {trace.error}")

    def finish(self, out: Collector) -> None:
        """End the tracing child, and say what confined it."""
        if self._tracer is not None:
            out.fact("sandbox", dict(self._tracer.layers))
            self._tracer.close()
            self._tracer = None
