"""The pickle inspector: two independent readings of every pickle, judged by exact allow-lists."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from assay.core.finding import Confidence, Severity
from assay.formats.containers.carved import Search, carve
from assay.formats.containers.members import slice_of
from assay.inspections import pickle_names
from assay.inspections.pickle_difference import compare
from assay.inspections.pickle_hyper import judge_instantiators
from assay.inspections.pickle_judgement import Judge
from assay.inspections.pickle_reading import Readings, named
from assay.inspections.pickle_tracer import Tracer

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part
    from assay.inspections.pickle_checks import Nested
    from assay.inspections.pickle_reading import Reading

FORMATS = frozenset(("pickle", "torch-legacy"))
_WITH_RECORDS = frozenset(("data.pkl", "constants.pkl"))  # torch writes the storages of others without their bytes
_NESTED = 6  # pickles in bytes that a pickle loads, in bytes, …
_LISTED_GLOBALS = 200
_RULES = 4  # changes with what this inspector does; the lists have a version of their own


class Pickle:
    """What loading the pickles of a snapshot would import, call and change."""

    name = "pickle"
    local = True

    def __init__(self) -> None:
        self._tracer: Tracer | None = None
        self._restarts = 0
        self._search = ("", Search())  # what may be searched of the file at hand

    @property
    def version(self) -> str:
        """Changes with the rules and the lists."""
        return f"{_RULES}+{pickle_names.version()}"

    def wants(self, part: Part) -> bool:
        """Every plausible pickle."""
        return not FORMATS.isdisjoint(part.formats)

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read, compare, judge."""
        if self._tracer is None:
            self._tracer = Tracer(part.limits, pickle_names.quiet())
            self._tracer.start()
        if self._search[0] != part.path:
            self._search = (part.path, Search())
        _Stream(self._tracer, part, out, part.inner, self._search[1]).inspect(part.stream, part.size)
        judge_instantiators(part.stream, part.size, out)

    def finish(self, out: Collector) -> None:
        """End the tracing child, and say what confined it."""
        if self._tracer is not None:
            if not self._tracer.layers:
                self._tracer.greet()
            out.fact("sandbox", dict(self._tracer.layers))
            if self._tracer.restarts:
                out.fact("tracer_restarts", self._tracer.restarts)
            self._tracer.close()
            self._tracer = None


class _Stream:
    """One stream of pickles: a part, or bytes that a pickle would load in turn."""

    def __init__(  # noqa: PLR0917
        self, tracer: Tracer, part: Part, out: Collector, inner: tuple[str, ...], search: Search, depth: int = 0
    ) -> None:
        self._tracer = tracer
        self._search = search
        self._part = part
        self._out = out
        self._inner = inner
        self._depth = depth
        self._alone = part.formats[:1] in {("pickle",), ("torch-legacy",)} or depth > 0

    def inspect(self, stream: BinaryIO, size: int) -> None:
        """Read all pickles of the stream and report."""
        judge = Judge(script="torchscript" in self._part.within)
        readings = Readings(self._tracer, stream, size, self._part.limits, pickle_names.quiet())
        count = 0
        try:
            for reading in readings:
                self._judge(judge, reading)
                count += 1
            if readings.cut:
                reason = f"more than {count} pickles in a row"
                judge.incomplete(readings.leftover, reason, limit=True)
                self._out.incomplete(reason)
            if "torch-zip" in self._part.within and not self._depth:
                folder, _, name = self._part.name.rpartition("/")
                if name in _WITH_RECORDS:
                    judge.records(self._part.sizes, f"{folder}/{name.removesuffix('.pkl')}/".lstrip("/"))
        finally:  # what was found before a fault of ours stands
            self._report(judge)
        self._trailing(stream, readings.leftover, size, judge)
        if judge.globals:
            names = sorted(judge.globals)
            self._out.fact_here("globals", names[:_LISTED_GLOBALS])
        if count > 1:
            self._out.fact_here("pickles", count)
        for content, loader in dict.fromkeys(judge.nested):
            self._nested(stream, size, content, loader)

    def _report(self, judge: Judge) -> None:
        for seen in judge.observations:
            self._out.finding(seen.rule, seen.severity, seen.confidence, seen.message, offset=seen.offset, **seen.facts)

    def _judge(self, judge: Judge, reading: Reading) -> None:
        ours = reading.ours
        judge.judge(ours)
        for inner in ours.nested:
            judge.judge(inner)
        if reading.theirs is not None:
            difference = compare(ours, reading.theirs)
            judge.judge(difference.unseen)
            if difference.text:
                judge.differ(difference, ours.start)
        for what, other in reading.others:
            seen = {(e.kind, repr(e.target)) for e in ours.events}
            extra = [e for e in judge.until_refused(other.events) if (e.kind, repr(e.target)) not in seen and named(e)]
            judge.judge_also(what, extra, other)
        if reading.end is None:
            self._broken(judge, reading)

    def _broken(self, judge: Judge, reading: Reading) -> None:
        """No reading got to the end."""
        ours, theirs = reading.ours, reading.theirs
        reason = ours.error if not ours.limit or theirs is None else theirs.error
        acts = ours.acts or (theirs is not None and theirs.acts)
        limit = ours.limit and (theirs is None or theirs.limit)
        if acts or limit:
            judge.incomplete(ours.end, reason, limit=limit)
            self._out.incomplete(f"the pickle was followed to byte {ours.end} only: {reason}")
        elif self._alone:
            self._out.incomplete(f"no complete pickle: {reason} (at byte {ours.end})")

    def _trailing(self, stream: BinaryIO, leftover: int, size: int, judge: Judge) -> None:
        rest = size - leftover
        if rest <= 0 or rest == judge.storage_bytes():
            return
        self._out.finding(
            "pickle-trailing-bytes", Severity.LOW, Confidence.HIGH,
            f"{rest} bytes follow the last pickle", offset=leftover, bytes=rest,
        )  # fmt: skip
        if self._depth >= _NESTED:
            return
        for start, end in carve(stream, leftover, size, self._search):  # `shelve` pads its values
            inner = (*self._inner, f"pickle at byte {start}")
            out = self._out.at(self._part.path, inner)
            found = _Stream(self._tracer, self._part, out, inner, self._search, self._depth + 1)
            found.inspect(slice_of(stream, start, end - start), end - start)

    def _nested(self, stream: BinaryIO, size: int, content: Nested, loader: str) -> None:
        """Bytes that a callable of this pickle loads as a file of its own."""
        offset, length = content.offset, content.size
        label = f"bytes at {offset}" if offset >= 0 else "text"
        out = self._out.at(self._part.path, (*self._inner, label))
        if self._depth >= _NESTED or offset + length > size:
            reason = f"loaded by {loader}: nested more than {_NESTED} deep"
            out.finding(
                "pickle-incomplete", Severity.MEDIUM, Confidence.HIGH, reason, offset=max(offset, 0), call=loader
            )
            out.incomplete(reason)
            return
        from assay.inspections.walk import Walker  # noqa: PLC0415

        def visit(part: Part) -> bool:
            if FORMATS.isdisjoint(part.formats):
                return False
            inner = (*self._inner, label, *part.inner)
            place = self._out.at(self._part.path, inner)
            inside = _Stream(self._tracer, self._part, place, inner, self._search, self._depth + 1)
            inside.inspect(part.stream, part.size)
            return True

        def unreachable(_path: str, inner: tuple[str, ...], reason: str, _limit: str) -> None:
            self._out.at(self._part.path, (*self._inner, label, *inner)).unread(reason)

        inside = slice_of(stream, offset, length) if offset >= 0 else io.BytesIO(content.data)
        if content.text and offset >= 0:
            data = inside.read(self._part.limits.text_bytes).decode("utf-8", "replace").encode("latin-1", "replace")
            inside, length = io.BytesIO(data), len(data)
        Walker(visit, unreachable, self._part.limits).file(label, inside, length)
