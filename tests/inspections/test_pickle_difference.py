"""Two readings of one pickle: what either sees is judged."""

from __future__ import annotations

import io
from typing import Any

from assay.core.limits import Limits
from assay.formats.pickle.events import Event, Trace
from assay.formats.pickle.reader import Reader
from assay.inspections.pickle_difference import compare
from assay.workers import tracer

# A list with two names, in a run of data that is long enough to be stepped over, gets its items under the second one.
ALIASED = (
    b"\x80\x05(X\x01\x00\x00\x00np0\n](g0\n]r\x02\x00\x00\x00j\x02\x00\x00\x00p3\nK\x00K\x07K\x0eK\x15K\x1ce"
    b"j\x02\x00\x00\x00(\x8c\x05thereK\x06e0icollections\nOrderedDict\n."
)


def _readings(data: bytes) -> tuple[Trace, Trace]:
    ours = Reader(io.BytesIO(data), len(data), Limits()).read(0)
    told = tracer.trace(data, None, [])
    theirs = Trace(events=[Event(*item) for item in told["events"]])
    theirs.complete = told["complete"]
    return ours, theirs


def test_arguments_that_only_the_c_unpickler_sees_whole_are_judged_too() -> None:
    ours, theirs = _readings(ALIASED)
    call: Any = next(event for event in theirs.events if event.kind == "call")
    assert str(call.arguments).count("'there'") == 2
    found = compare(ours, theirs)
    assert not found.text
    assert [(event.kind, event.arguments) for event in found.unseen.events] == [("call", call.arguments)]


def test_the_same_arguments_at_other_places_are_the_same() -> None:
    def trace(place: int | None, text: str = "ab") -> Trace:
        arguments = ["tuple", [["bytes", text, 2, place], ["list", [1, ["str", "x", 900, place]], 2], ["unknown"]], 3]
        return Trace(events=[Event("call", 5, ["global", "a", "b"], arguments, 1, "")])

    assert not compare(trace(7), trace(None)).unseen.events
    assert compare(trace(7), trace(None, "cd")).unseen.events
