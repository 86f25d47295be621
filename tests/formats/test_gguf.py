"""GGUF headers: one of the library's, and those that lie."""

import io
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.gguf import Gguf, read_gguf
from tests.support.builders.gguf import gguf, tensor, text
from tests.support.mutate import mutated

SMALL = (Path(__file__).parent / "fixtures" / "small.gguf").read_bytes()


def read(data: bytes, limits: Limits | None = None) -> Gguf:
    return read_gguf(io.BytesIO(data), len(data), limits or Limits())


def test_a_file_of_the_library() -> None:
    file = read(SMALL)
    assert file.values["general.architecture"] == "llama"
    assert file.values["tokenizer.ggml.tokens"] == ["<s>", "</s>", "a"]
    assert "messages" in file.values["tokenizer.chat_template"]
    assert [(t.name, t.shape, t.size) for t in file.tensors] == [("a.weight", (8, 4), 128), ("b.weight", (32,), 64)]
    assert file.anomalies == []


def test_long_arrays_are_counted_and_not_kept() -> None:
    file = read(gguf({"a": ["x" * 3] * 5000, "b": list(range(5000)), "c": [[1, 2], [3]]}))
    assert (file.counts, len(file.values["a"]), len(file.values["b"])) == ({"a": 5000, "b": 5000, "c": 2}, 1000, 1000)
    assert file.values["c"] == [[1, 2], [3]]


def test_big_endian_and_version_one() -> None:
    big = b"GGUF" + struct.pack(">IQQ", 3, 0, 1) + struct.pack(">Q", 1) + b"k" + struct.pack(">II", 4, 7)
    assert (read(big).values, read(big).big_endian) == ({"k": 7}, True)
    old = b"GGUF" + struct.pack("<III", 1, 0, 1) + struct.pack("<I", 1) + b"k" + struct.pack("<II", 4, 7)
    assert read(old).values == {"k": 7}


@pytest.mark.parametrize(
    ("values", "tensors", "data", "code"),
    [
        ([("k", 1), ("k", 2)], (), b"", "duplicate-key"),
        ({"general.alignment": 3}, (), b"", "bad-alignment"),
        ({}, (tensor("t", (8,), 0, 0),), b"\0" * 31, "tensor-bounds"),
        ({}, (tensor("t", (8,), 0, 0), tensor("t", (8,), 0, 32)), b"\0" * 64, "tensor-bounds"),
        ({}, (tensor("t", (8,), 0, 0), tensor("u", (8,), 0, 0)), b"\0" * 64, "tensor-overlap"),
        ({}, (tensor("t", (1 << 62, 1 << 62), 0, 0),), b"\0" * 64, "tensor-bounds"),
        ({}, (tensor("t", (8,), 0, 7),), b"\0" * 64, "tensor-bounds"),
        ({}, (tensor("t" * 100, (8,), 0, 0),), b"\0" * 64, "tensor-entry"),
        ({}, (tensor("t", (1, 1, 1, 1, 1), 0, 0),), b"\0" * 64, "tensor-entry"),
    ],
)
def test_headers_that_lie(values: Any, tensors: tuple[bytes, ...], data: bytes, code: str) -> None:
    assert code in {a.code for a in read(gguf(values, tensors, data)).anomalies}


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF",
        b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 8, 1 << 60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 0, 1 << 60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 99),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 9, 1) * 50,
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<I", 1000),
    ],
)
def test_broken_headers(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(ContentError):
        read(data)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_limits() -> None:
    with pytest.raises(LimitExceeded):
        read(gguf({"a": "x" * 10_000}), Limits(header_bytes=1000))
    with pytest.raises(LimitExceeded):
        read(b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0))


def test_mutated_headers_end_in_content_errors_only() -> None:
    seeds = [SMALL, gguf({"a": ["x", "y"], "b": True, "c": 1.5, "d": [[1]]}, (tensor("t", (8,), 0, 0),), b"\0" * 32)]
    for data in mutated(seeds, 5000):
        try:
            read(data)
        except ContentError:
            continue
