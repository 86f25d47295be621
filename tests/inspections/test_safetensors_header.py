"""Headers that lie are reported at the level that the lie deserves."""

from __future__ import annotations

import base64
import json
import os
import pickle
import random

import pytest

from assay.inspections.safetensors import SafetensorsHeader
from tests.support.scan import found, scan, worst


def build(header: dict, data: bytes) -> dict[str, bytes]:
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return {"model.safetensors": len(raw).to_bytes(8, "little") + raw + data}


def tensor(start: int, end: int) -> dict:
    return {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}


def test_a_good_file_is_clean():
    evidence = scan(SafetensorsHeader, build({"a": tensor(0, 8), "__metadata__": {"format": "pt"}}, bytes(8)))
    assert evidence.outcome.value == "clean"
    assert evidence.facts["tensors"] == {"model.safetensors": 1}


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        (build({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)), "safetensors-header"),
        (build({"a": tensor(0, 8)}, bytes(20)), "safetensors-header"),
        (
            build({"a": tensor(0, 8), "__metadata__": {"x": "__import__('os').system('x')"}}, bytes(8)),
            "safetensors-metadata",
        ),
    ],
)
def test_lies(files, rule):
    assert found(SafetensorsHeader, files)[rule].severity.label == "medium"


class Payload:
    def __reduce__(self):
        return os.system, ("touch x",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Payload()),
        pickle.dumps(Payload(), 0),
        b"\x7fELF\x02\x01\x01" + bytes(57),
        b"PK\x03\x04" + bytes(30) + b"PK\x05\x06" + bytes(18),
        b"#!/bin/sh\nrm -rf x\n",
    ],
)
def test_tensors_that_are_no_numbers(content):
    findings = found(SafetensorsHeader, build({"a": tensor(0, len(content))}, content))
    assert findings["safetensors-hidden-content"].severity.label == "medium"


def test_a_pickle_in_the_metadata():
    text = base64.b64encode(pickle.dumps(Payload())).decode()
    assert "safetensors-hidden-content" in found(SafetensorsHeader, build({"__metadata__": {"x": text}}, b""))


def test_random_tensors_are_numbers():
    rng = random.Random(7)
    data = b"".join(rng.randbytes(64) for _ in range(5000))
    header = {f"t{n}": tensor(64 * n, 64 * n + 64) for n in range(5000)}
    assert worst(SafetensorsHeader, build(header, data)) in {"clean", "note"}


def test_a_cut_file_is_incomplete():
    (path, data) = next(iter(build({"a": tensor(0, 100)}, bytes(100)).items()))
    evidence = scan(SafetensorsHeader, {path: data[:-50]})
    assert evidence.outcome.value == "inconclusive"
    assert worst(SafetensorsHeader, {path: data[:20]}) == "clean"
    assert scan(SafetensorsHeader, {path: data[:20]}).outcome.value == "inconclusive"


def test_large_metadata_is_low():
    files = build({"a": tensor(0, 8), "__metadata__": {"x": "y" * (2 << 20)}}, bytes(8))
    assert worst(SafetensorsHeader, files) == "low"
