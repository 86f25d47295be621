"""Headers that lie are reported at the level that the lie deserves."""

from __future__ import annotations

import json

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


def test_a_cut_file_is_incomplete():
    (path, data) = next(iter(build({"a": tensor(0, 100)}, bytes(100)).items()))
    evidence = scan(SafetensorsHeader, {path: data[:-50]})
    assert evidence.outcome.value == "inconclusive"
    assert worst(SafetensorsHeader, {path: data[:20]}) == "clean"
    assert scan(SafetensorsHeader, {path: data[:20]}).outcome.value == "inconclusive"


def test_large_metadata_is_low():
    files = build({"a": tensor(0, 8), "__metadata__": {"x": "y" * (2 << 20)}}, bytes(8))
    assert worst(SafetensorsHeader, files) == "low"
