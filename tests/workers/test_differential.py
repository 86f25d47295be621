"""Two readings of random pickles: the C unpickler with stand-ins against the symbolic machine."""

from __future__ import annotations

import io
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.core.limits import Limits
from assay.formats.pickle import events as ev
from assay.formats.pickle import unpack
from assay.formats.pickle.events import Trace
from assay.formats.pickle.reader import Reader
from assay.inspections.pickle_difference import compare
from assay.workers import tracer
from tests.support import pickle_asm as asm
from tests.support.pickle_fuzz import described

MEMORY_BYTES = 1 << 30  # beyond what the process has: an index of LONG_BINPUT makes the C unpickler ask for 64 GB
COMPARED = {ev.IMPORT, ev.CALL, ev.BUILD, ev.EXTENSION}


@pytest.fixture(autouse=True, scope="module")
def _bounded() -> Iterator[None]:
    """The limit of address space that the tracing child has; what hits it ends with "memory limit"."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def picture(term: Any) -> Any:
    """A term without what the two readings need not agree on: offsets, order of sets, dropped duplicates."""
    if not isinstance(term, list) or not term:
        return term
    if term[0] == "bytes":
        return term[:3]
    if term[0] in {"set", "frozenset", "dict"}:
        return [term[0]]
    if term[0] in {"tuple", "list"}:
        return [term[0], [picture(item) for item in term[1]]]
    return [picture(item) for item in term]


def matches(ours: Any, theirs: Any) -> bool:
    """Equal, but for values that ours lost track of, or that are too deep in a term to be shown."""
    if ["unknown"] in (ours, theirs):
        return True
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(matches, ours, theirs))
    return bool(ours == theirs)


def check(data: bytes, *, aliased: bool = False) -> None:
    """Both readings see the same.

    A list may be `aliased`: have two names. Ours takes data apart late, and can show it under one of them without what
    was added under the other (docs/explain/what-it-cannot-see.md). Then what the C unpickler saw is judged, too.
    """
    told = tracer.trace(data, None, [])
    theirs = Trace(events=[ev.Event(*item) for item in told["events"]])
    theirs.complete, theirs.error, theirs.limit = told["complete"], told["error"], told["limit"]
    ours = Reader(io.BytesIO(data), len(data), Limits()).read(0)
    left = [event for event in ours.events if event.kind in COMPARED]
    right = [event for event in theirs.events if event.kind in COMPARED]
    assert not ours.limit
    if theirs.complete:
        assert ours.complete, ours.error
        assert len(left) == len(right)
    else:
        assert len(left) >= len(right), "the C unpickler saw more"
    judged = {id(event) for event in compare(ours, theirs).unseen.events} if aliased else set()
    for mine, other in zip(left, right, strict=False):
        assert mine.kind == other.kind
        for one, two in ((mine.target, other.target), (mine.arguments, other.arguments)):
            assert matches(picture(one), picture(two)) or id(other) in judged, (one, two)


def _check(seed: int, steps: int) -> None:
    data, aliased = described(seed, steps)
    check(data, aliased=aliased)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32), st.integers(5, 250))
def test_mostly_valid_programs(seed: int, steps: int) -> None:
    _check(seed, steps)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32), st.integers(5, 120))
def test_segments_everywhere(seed: int, steps: int) -> None:
    short, worth, joined = unpack._SHORT_RUN, unpack._WORTH_JOINING, unpack._JOINED_BYTES
    unpack._SHORT_RUN, unpack._WORTH_JOINING, unpack._JOINED_BYTES = 1, 16, 64
    try:
        _check(seed, steps)
    finally:
        unpack._SHORT_RUN, unpack._WORTH_JOINING, unpack._JOINED_BYTES = short, worth, joined


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300))
def test_any_bytes_never_crash(data: bytes) -> None:
    for start in (data, b"\x80\x04" + data, asm.call("os", "system", "x") + data):
        theirs = tracer.trace(start, None, [])
        ours = Reader(io.BytesIO(start), len(start), Limits()).read(0)
        assert ours.complete or ours.error
        if theirs["complete"]:
            assert ours.complete, ours.error


def test_an_index_that_asks_for_all_memory_ends_at_the_limit() -> None:
    theirs = tracer.trace(b"\x80\x04Nr\xff\xff\xff\xff.", None, [])
    assert not theirs["complete"]
    assert theirs["limit"]


@pytest.mark.parametrize("large", [False, True])
def test_both_run_patterns(large: bool) -> None:
    """Streams over 1 MiB use another pattern; both must read alike."""
    rng = random.Random(7)
    padding = asm.value([[i, str(i), {"k": (i, None)}] for i in range(100)])
    for seed in range(60):
        data, aliased = described(seed, rng.randrange(5, 100))
        body = padding + asm.POP + (asm.BINBYTES(bytes(1 << 20)) + asm.POP if large else b"") + data
        check(body, aliased=aliased)
