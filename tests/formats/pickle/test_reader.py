"""Our own reading: every protocol and opcode family, offsets, limits, memory."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import joblib
import numpy as np
import pytest

from assay.core.limits import Limits
from assay.formats.pickle import events as ev
from assay.formats.pickle.events import Trace
from assay.formats.pickle.reader import Reader
from assay.formats.pickle.show import show_call
from tests.support import pickle_asm as asm


def read(data: bytes, start: int = 0, **options: Any) -> Trace:
    return Reader(io.BytesIO(data), len(data), Limits()).read(start, **options)


def calls(data: bytes) -> list[str]:
    return [show_call(e.target, e.arguments) for e in read(data).events if e.kind == ev.CALL]


NESTED = {
    "a": [1, 2.5, None, True, "ä" * 300, b"y" * 5000, (1, 2, 3, 4), {3}, frozenset({4}), 10**30],
    "b": {"c": [[]]},
}


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol(protocol: int) -> None:
    data = pickle.dumps(NESTED, protocol)
    trace = read(data)
    assert trace.complete
    assert trace.end == len(data)
    if protocol >= 4:
        assert not trace.events


@pytest.mark.parametrize("protocol", range(6))
def test_calls_of_every_protocol(protocol: int) -> None:
    value = [OrderedDict(a=1), datetime(2026, 1, 2, tzinfo=UTC), PurePosixPath("a/b"), {"x": OrderedDict(b=2)}]
    data = pickle.dumps(value, protocol)
    trace = read(data)
    assert trace.complete
    names = {f"{e.target[1]}.{e.target[2]}" for e in trace.events if e.kind == ev.CALL}
    assert {"collections.OrderedDict", "datetime.datetime", "pathlib.PurePosixPath"} <= names
    for event in trace.events:
        assert event.offset is not None
        assert data[event.offset : event.offset + 1] in b"cRb\x93ius\x81e"


@pytest.mark.parametrize(
    ("opcodes", "shown"),
    [
        (asm.call("posix", "system", "id"), "posix.system('id')"),
        (asm.GLOBAL("m", "C") + asm.EMPTY_TUPLE + asm.NEWOBJ, "m.C()"),
        (asm.GLOBAL("m", "C") + asm.value((1,)) + asm.value({"k": 2}) + asm.NEWOBJ_EX, "m.C(1, {'k': 2})"),
        (asm.MARK + asm.value("id") + asm.INST("os", "system"), "os.system('id')"),
        (asm.MARK + asm.GLOBAL("os", "system") + asm.value("id") + asm.OBJ, "os.system('id')"),
        (asm.GLOBAL("os", "system") + asm.value(["id"]) + asm.REDUCE, "os.system(*['id'])"),
        (asm.SHORT_UNICODE("os") + asm.MEMOIZE + asm.SHORT_UNICODE("system") + asm.MEMOIZE + asm.BINGET(0)
         + asm.BINGET(1) + asm.STACK_GLOBAL + asm.value("id") + asm.TUPLE1 + asm.REDUCE, "os.system('id')"),
        (asm.INT("0x10") + asm.POP + asm.call("os", "system", "id"), "os.system('id')"),
        (asm.SHORT_UNICODE("math") + asm.POP + asm.call("os", "system", "id"), "os.system('id')"),
        (asm.MARK + asm.POP + asm.call("os", "system", "id"), "os.system('id')"),
        (asm.GLOBAL("os", "system") + asm.PUT(7) + asm.POP + asm.GET(7) + asm.value(("id",)) + asm.REDUCE,
         "os.system('id')"),
        (asm.call("copyreg", "add_extension", "os", "system", 300) + asm.EXT2(300) + asm.value(("id",)) + asm.REDUCE,
         "os.system('id')"),
        (asm.PERSID("x") + asm.EMPTY_TUPLE + asm.REDUCE, "<persistent id 'x'>()"),
        (asm.NEXT_BUFFER + asm.READONLY_BUFFER + asm.EMPTY_TUPLE + asm.REDUCE, "<buffer>()"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("padding", [b"", asm.value([[i, "x"] for i in range(40)]) + asm.POP])
def test_every_way_to_call(opcodes: bytes, shown: str, padding: bytes) -> None:
    assert calls(asm.pickle(padding, opcodes))[-1] == shown


def test_computed_names_are_seen() -> None:
    part = asm.call("builtins", "str", "os")
    data = asm.pickle(part, asm.SHORT_UNICODE("system"), asm.STACK_GLOBAL, asm.value(("id",)), asm.REDUCE)
    imports = [e.target for e in read(data).events if e.kind == ev.IMPORT]
    assert imports[-1] == ["computed", ["result", 1, ["global", "builtins", "str"]], "system"]


@pytest.mark.parametrize("cut", range(1, 30))
def test_truncated_streams_keep_what_ran(cut: int) -> None:
    data = asm.pickle(asm.call("os", "system", "id"), asm.value([1, 2, "x" * 20]))
    trace = read(data[:-cut])
    assert not trace.complete
    assert trace.error
    assert any(e.kind == ev.CALL for e in trace.events)


def test_several_pickles_and_a_kept_memo() -> None:
    first = asm.pickle(asm.SHORT_UNICODE("os"), asm.MEMOIZE, asm.SHORT_UNICODE("system"), asm.MEMOIZE, asm.TUPLE2)
    second = asm.pickle(asm.BINGET(0), asm.BINGET(1), asm.STACK_GLOBAL, asm.value(("id",)), asm.REDUCE)
    reader = Reader(io.BytesIO(first + second), len(first + second), Limits())
    one = reader.read(0)
    assert one.end == len(first)
    assert reader.read(one.end, keep_memo=True).complete
    assert "was never stored" in reader.read(one.end).error


def test_memo_entries_inside_runs_of_data() -> None:
    padding = b"".join(asm.SHORT_UNICODE(f"word{i}") + asm.MEMOIZE for i in range(200))
    data = asm.pickle(
        asm.MARK, padding, asm.SHORT_UNICODE("os"), asm.MEMOIZE, asm.value(list(range(50))),
        asm.SHORT_UNICODE("system"), asm.MEMOIZE, asm.POP_MARK, asm.BINGET(200), asm.BINGET(201),
        asm.STACK_GLOBAL, asm.value(("id",)), asm.REDUCE,
    )  # fmt: skip
    assert calls(data) == ["os.system('id')"]


def test_memo_entry_that_is_overwritten_later() -> None:
    data = asm.pickle(
        asm.SHORT_UNICODE("os"), asm.BINPUT(0), asm.SHORT_UNICODE("system"), asm.BINPUT(1),
        asm.value([1] * 60), asm.POP,
        asm.MARK, asm.BINGET(0), asm.BINGET(1), asm.value([2] * 60), asm.POP, asm.TUPLE, asm.BINPUT(2), asm.POP,
        asm.SHORT_UNICODE("math"), asm.BINPUT(0), asm.SHORT_UNICODE("floor"), asm.BINPUT(1), asm.POP, asm.POP,
        asm.GLOBAL("m", "f"), asm.BINGET(2), asm.REDUCE,
    )  # fmt: skip
    assert calls(data) == ["m.f('os', 'system')"]


def test_deep_nesting_needs_no_recursion() -> None:
    depth = 100_000
    data = b"\x80\x04" + asm.EMPTY_LIST * depth + asm.APPEND * (depth - 1) + asm.TUPLE1 * depth + b"."
    assert read(data).complete
    data = asm.pickle(asm.GLOBAL("m", "f"), asm.EMPTY_TUPLE, asm.TUPLE1 * depth, asm.REDUCE)
    assert read(data).complete


def test_marks_without_end() -> None:
    assert "ends" in read(asm.MARK * 3_000_000).error


def test_many_collections_that_cannot_be_skipped_are_limited() -> None:
    text = asm.BINUNICODE("x" * 60)
    data = asm.pickle((asm.MARK + text) * 1_100_000, stop=False)
    trace = read(data)
    assert trace.limit
    assert "open marks" in trace.error


def test_memory_stays_small_for_opcode_heavy_data() -> None:
    data = b"\x80\x04" + asm.EMPTY_LIST + asm.MARK + (asm.EMPTY_LIST + asm.MEMOIZE) * 1_000_000 + asm.APPENDS + b"."
    stream = io.BytesIO(data)
    tracemalloc.start()
    trace = Reader(stream, len(data), Limits()).read(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert trace.complete
    assert peak < 3 * len(data)


def test_large_literals_are_not_copied() -> None:
    data = asm.pickle(asm.BINBYTES8(bytes(30 << 20)), asm.POP, asm.call("os", "system", "id"))
    stream = io.BytesIO(data)
    tracemalloc.start()
    trace = Reader(stream, len(data), Limits()).read(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert trace.complete
    assert peak < 4 << 20


def test_a_literal_that_lies_about_its_length() -> None:
    trace = read(asm.pickle(asm.call("os", "system", "id"), asm.BINBYTES8(b"x", claim=1 << 62)))
    assert "does not fit" in trace.error


def test_frames_that_lie_are_followed_as_the_python_unpickler_does() -> None:
    body = asm.call("os", "system", "id") + asm.STOP
    assert calls(asm.PROTO(4) + asm.FRAME(body, claim=1 << 20)) == ["os.system('id')"]
    assert calls(asm.PROTO(4) + asm.FRAME(body, claim=3)) == ["os.system('id')"]


ARRAYS: list[Any] = [
    np.arange(1000.0),
    np.arange(12, dtype=">i2").reshape(3, 4),
    np.array(["a", "bcd"]),
    np.array([b"xyz"]),
    np.zeros(3, dtype=[("x", "f4"), ("y", "i8")]),
    np.array(["2026-01-01"], dtype="M8[D]"),
    np.array(5.0),
    np.array([True, False]),
    np.array([1, "x", None], dtype=object),
    np.zeros((0, 3)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}-{a.shape}")
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_joblib_arrays_are_stepped_over(array: Any, protocol: int) -> None:
    target = io.BytesIO()
    joblib.dump({"before": 1, "array": array, "after": [array, "end"]}, target, protocol=protocol)
    data = target.getvalue()
    trace = read(data)
    assert trace.complete, trace.error
    assert trace.end == len(data)
    assert sum(e.kind == ev.ARRAY for e in trace.events) >= 1
    assert all(inner.complete for inner in trace.nested)


def test_hostile_object_array_inside_joblib_is_read() -> None:
    wrapper = asm.GLOBAL("joblib.numpy_pickle", "NumpyArrayWrapper") + asm.EMPTY_TUPLE + asm.NEWOBJ
    dtype = asm.GLOBAL("numpy", "dtype") + asm.value(("O8", False, True)) + asm.REDUCE
    fields = asm.value("shape") + asm.value((1,)) + asm.value("dtype") + dtype
    state = asm.EMPTY_DICT + asm.MARK + fields + asm.SETITEMS
    inner = asm.pickle(asm.call("os", "system", "id"), proto=2)
    data = asm.pickle(wrapper, state, asm.BUILD, inner, asm.TUPLE1, proto=3)
    trace = read(data)
    assert trace.complete, trace.error
    assert [e.kind for e in trace.nested[0].events] == [ev.IMPORT, ev.CALL]


@pytest.mark.parametrize(
    "line",
    [b"V" + b"a" * (3 << 20), b"P" + b"a" * (3 << 20), b"S'" + b"a" * (3 << 20) + b"' ", b"I1\0" + b"a" * (3 << 20),
     b"N\nL1\0" + b"a" * (3 << 20), b"F1.5\0" + b"a" * (3 << 20), b"Np7\0" + b"a" * (3 << 20)],
)  # fmt: skip
def test_lines_of_any_length_are_stepped_over(line: bytes) -> None:
    data = line.replace(b"N\n", b"N") + b"\n0cos\nsystem\n(S'id'\ntR."
    assert calls(data) == ["os.system('id')"]
    cut = read(line)
    assert not cut.complete
    assert not cut.limit


@pytest.mark.parametrize("line", [b"V\\", b"S'\\", b"I"])
def test_long_lines_that_mean_something_else_are_left_to_the_c_unpickler(line: bytes) -> None:
    trace = read(line + b" " * (3 << 20) + b"'\n0cos\nsystem\n(S'id'\ntR.")
    assert trace.limit
