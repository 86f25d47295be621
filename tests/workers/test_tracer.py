"""The tracing child through its client: what it sees, and how it ends."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.core.limits import Limits
from assay.formats.pickle import events as ev
from assay.formats.pickle.events import Trace
from assay.formats.pickle.show import show, show_call
from assay.inspections.pickle_tracer import Tracer
from assay.sandbox.confine import LAYER_NAMES
from tests.support import pickle_asm as asm

SMALL = Limits(pickle_memory_bytes=300 << 20, pickle_cpu_seconds=3, pickle_events=500)


@pytest.fixture(scope="module")
def tracer() -> Iterator[Tracer]:
    with Tracer(SMALL) as started:
        yield started


def calls(trace: Trace) -> list[str]:
    return [show_call(e.target, e.arguments) for e in trace.events if e.kind == ev.CALL]


def test_it_says_what_confines_it(tracer: Tracer) -> None:
    tracer.trace(pickle.dumps(1))
    assert {name: tracer.layers[name] for name in LAYER_NAMES} == dict.fromkeys(LAYER_NAMES, True)


def test_nothing_is_imported_or_called(tracer: Tracer, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    trace = tracer.trace(asm.pickle(asm.call("os", "system", f"touch {marker}")))
    assert calls(trace) == [f"os.system('touch {marker}')"]
    assert trace.complete
    assert not marker.exists()


@pytest.mark.parametrize(
    ("opcodes", "shown"),
    [
        (asm.GLOBAL("m", "C") + asm.EMPTY_TUPLE + asm.NEWOBJ, "m.C()"),
        (asm.GLOBAL("m", "C") + asm.value((1,)) + asm.value({"k": 2}) + asm.NEWOBJ_EX, "m.C(1, {'k': 2})"),
        (asm.MARK + asm.value("id") + asm.INST("os", "system"), "os.system('id')"),
        (asm.MARK + asm.INST("m", "C"), "m.C()"),
        (asm.MARK + asm.GLOBAL("os", "system") + asm.value("id") + asm.OBJ, "os.system('id')"),
        (asm.call("m", "f") + asm.value((1,)) + asm.REDUCE, "m.f(…)(1)"),
        (asm.EXT1(9) + asm.value(("id",)) + asm.REDUCE, "<extension code 9>('id')"),
        (asm.EXT4(99999) + asm.EXT2(3) + asm.POP + asm.value(("id",)) + asm.REDUCE, "<extension code 99999>('id')"),
        (asm.call("copyreg", "add_extension", "os", "system", 7) + asm.EXT1(7) + asm.value(("id",)) + asm.REDUCE,
         "os.system('id')"),
        (asm.GLOBAL("copyreg", "_inverted_registry") + asm.value(7) + asm.value(("os", "system")) + asm.SETITEM
         + asm.EXT1(7) + asm.value(("id",)) + asm.REDUCE, "os.system('id')"),
        (asm.PERSID("x") + asm.EMPTY_TUPLE + asm.REDUCE, "<persistent id 'x'>()"),
        (asm.NEXT_BUFFER + asm.READONLY_BUFFER + asm.POP + asm.call("m", "f"), "m.f()"),
    ],
)  # fmt: skip
def test_every_way_to_call(tracer: Tracer, opcodes: bytes, shown: str) -> None:
    trace = tracer.trace(asm.pickle(opcodes))
    assert trace.complete, trace.error
    assert calls(trace)[-1] == shown


def test_registered_codes_do_not_outlive_their_pickle(tracer: Tracer) -> None:
    tracer.trace(asm.pickle(asm.call("copyreg", "add_extension", "os", "system", 7)))
    assert calls(tracer.trace(asm.pickle(asm.EXT1(7), asm.EMPTY_TUPLE, asm.REDUCE))) == ["<extension code 7>()"]


@pytest.mark.parametrize(
    "use",
    [
        asm.EMPTY_DICT + asm.MARK + asm.call("m", "C") + asm.value(1) + asm.SETITEMS,
        asm.EMPTY_SET + asm.MARK + asm.call("m", "C") + asm.GLOBAL("m", "D") + asm.ADDITEMS,
        asm.call("m", "C") + asm.MARK + asm.value(1) + asm.value(2) + asm.APPENDS,
        asm.call("m", "C") + asm.value([1]) + asm.value(2) + asm.SETITEM,
        asm.call("m", "C") + asm.MARK + asm.value(1) + asm.ADDITEMS,
        asm.call("m", "C") + asm.value((None, {"slot": 1})) + asm.BUILD,
        asm.GLOBAL("m", "C") + asm.value((None, {"attribute": 1})) + asm.BUILD,
        asm.GLOBAL("m", "C") + asm.MARK + asm.value(1) + asm.APPENDS,
        asm.GLOBAL("m", "C") + asm.value(1) + asm.value(2) + asm.SETITEM,
    ],
)
def test_stand_ins_take_every_use(tracer: Tracer, use: bytes) -> None:
    trace = tracer.trace(asm.pickle(use))
    assert trace.complete, trace.error


def test_changes_of_an_imported_class_are_seen(tracer: Tracer) -> None:
    trace = tracer.trace(asm.pickle(asm.GLOBAL("m", "C"), asm.value((None, {"method": 1})), asm.BUILD))
    built = [e for e in trace.events if e.kind == ev.BUILD]
    assert show(built[0].target) == "m.C"


def test_an_error_after_a_call_is_incomplete_and_keeps_the_call(tracer: Tracer) -> None:
    trace = tracer.trace(asm.pickle(asm.call("os", "system", "id"), b"\xff", stop=False))
    assert not trace.complete
    assert "invalid load key" in trace.error
    assert calls(trace) == ["os.system('id')"]


def test_memory_limit(tracer: Tracer) -> None:
    data = asm.pickle(asm.call("os", "system", "id"), asm.NONE, asm.LONG_BINPUT(200_000_000))
    trace = tracer.trace(data)
    assert not trace.complete
    assert trace.limit
    assert calls(trace) == ["os.system('id')"]
    assert tracer.trace(pickle.dumps([1])).complete


def test_event_limit(tracer: Tracer) -> None:
    parts = [asm.call("m", "f", n) for n in range(600)]
    trace = tracer.trace(asm.pickle(*parts))
    assert trace.limit
    assert len(trace.events) == 500


def test_repeated_calls_are_counted(tracer: Tracer) -> None:
    trace = tracer.trace(asm.pickle(*[asm.call("m", "f", 1)] * 400))
    assert trace.complete
    assert calls(trace) == ["m.f(1)"]
    assert trace.counts["m f"] == 400


def test_a_pickle_that_crashes_the_unpickler_costs_only_itself() -> None:
    """Hashing a tuple that is nested 200,000 deep overflows the C stack; the child is replaced."""
    deep = asm.EMPTY_DICT + asm.EMPTY_TUPLE + asm.TUPLE1 * 200_000 + asm.NONE + asm.SETITEM
    with Tracer(Limits()) as started:
        trace = started.trace(asm.pickle(asm.call("os", "system", "id"), deep))
        assert not trace.complete
        assert trace.limit
        assert calls(trace) == ["os.system('id')"]
        assert started.restarts == 1
        assert started.trace(pickle.dumps([1])).complete


def test_cpu_limit() -> None:
    with Tracer(Limits(pickle_cpu_seconds=1)) as started:
        trace = started.trace(asm.pickle(asm.call("os", "system", "id"), (asm.INT("9" * 4000) + asm.POP) * 12_000))
        assert calls(trace) == ["os.system('id')"]
        assert started.trace(pickle.dumps([1])).complete


def test_regions_of_a_descriptor(tmp_path: Path) -> None:
    body = asm.pickle(asm.value(["x" * 300_000]), asm.call("os", "system", "id"))
    target = tmp_path / "file"
    target.write_bytes(b"head" + body[:1000] + b"between" + body[1000:] + b"tail")
    descriptor = os.open(target, os.O_RDONLY)
    try:
        with Tracer(SMALL) as started:
            started.begin(descriptor=descriptor, regions=[(4, 1000), (1011, len(body) - 1000)], pickle_bytes=len(body))
            trace = started.finish()
    finally:
        os.close(descriptor)
    assert trace.complete, trace.error
    assert calls(trace) == ["os.system('id')"]


def test_an_answer_that_was_not_collected_is_not_taken_for_the_next_pickles() -> None:
    with Tracer(SMALL) as started:
        started.begin(b"cos\nsystem\n.")
        assert started.trace(b"\x80\x04N.").events == []


def test_closing_is_safe_at_any_time() -> None:
    never = Tracer(SMALL)
    never.close()
    early = Tracer(SMALL)
    early.start()
    early.close()
    late = Tracer(SMALL)
    late.begin(pickle.dumps(1))
    late.close()


@pytest.mark.parametrize("size", [100_000, 1_500_000])
def test_memory_grows_with_the_pickle_and_no_faster(size: int) -> None:
    """Each byte of this one costs the unpickler 64; what it would need beyond six is refused."""
    with Tracer(Limits()) as started:
        trace = started.trace(asm.pickle(asm.call("os", "system", "id"), asm.MARK, asm.EMPTY_DICT * size, asm.TUPLE))
        assert trace.complete == (64 * size < (16 << 20) + 6 * size)
        assert trace.limit != trace.complete
        assert calls(trace) == ["os.system('id')"]
        assert started.trace(pickle.dumps([1])).complete
