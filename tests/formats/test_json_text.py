"""JSON: duplicate keys are told, depth is limited, nothing else escapes."""

from __future__ import annotations

import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.json_text import read_json


def test_values_and_duplicate_keys():
    document = read_json(b'{"a": 1, "b": {"c": 1, "c": 2, "c": 3}}', depth=10)
    assert document.value == {"a": 1, "b": {"c": 3}}
    assert [a.code for a in document.anomalies] == ["duplicate-key", "duplicate-key"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings(encoding):
    assert read_json('{"ü": "✓"}'.encode(encoding), depth=3).value == {"ü": "✓"}


@pytest.mark.parametrize("data", [b"", b"{", b"nul", b'{"a": 1} x', b"\xff\xfe\xff", b"9" * 5000, b'{"a": "\xff"}'])
def test_no_json(data):
    with pytest.raises(ContentError):
        read_json(data, depth=10)


@pytest.mark.parametrize("depth", [12, 100_000])
def test_depth(depth):
    with pytest.raises(LimitExceeded):
        read_json(b"[" * depth + b"]" * depth, depth=10)
    assert read_json(b"[" * 10 + b"]" * 10, depth=10).value is not None
