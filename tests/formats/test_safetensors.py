"""The header of a safetensors file against the file."""

from __future__ import annotations

import io
import json

import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.safetensors import read_safetensors


def build(header, data: bytes = b"", *, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def tensor(start: int, end: int, dtype: str = "F32", shape: tuple[int, ...] | None = None) -> dict:
    return {"dtype": dtype, "shape": list(shape or ((end - start) // 4,)), "data_offsets": [start, end]}


def read(data: bytes, limits: Limits | None = None):
    return read_safetensors(io.BytesIO(data), len(data), limits or Limits())


def codes(data: bytes) -> list[str]:
    return [anomaly.code for anomaly in read(data).anomalies]


def test_a_good_file():
    header = read(build({"__metadata__": {"format": "pt"}, "a": tensor(0, 8), "b": tensor(8, 16)}, bytes(16)))
    assert header.anomalies == ()
    assert [t.name for t in header.tensors] == ["a", "b"]
    assert header.metadata == {"format": "pt"}


def test_what_the_reference_library_writes_is_good(tmp_path):
    numpy = pytest.importorskip("numpy")
    library = pytest.importorskip("safetensors.numpy")
    arrays = {
        f"t{n}": numpy.zeros((n, 3), kind) for n, kind in enumerate(["float32", "float16", "int64", "uint8", "bool"])
    }
    library.save_file(arrays, tmp_path / "x.safetensors", metadata={"a": "b"})
    data = (tmp_path / "x.safetensors").read_bytes()
    assert [a for a in codes(data) if a != "unaligned"] == []


@pytest.mark.parametrize(
    ("header", "data", "code"),
    [
        ({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12), "overlap"),
        ({"a": tensor(0, 8), "b": tensor(12, 16)}, bytes(16), "hole"),
        ({"a": tensor(0, 8)}, bytes(12), "trailing-bytes"),
        ({"a": tensor(0, 8)}, bytes(4), "data-missing"),
        ({"a": tensor(0, 8, shape=(1,))}, bytes(8), "size-mismatch"),
        ({"a": tensor(0, 8, "F33")}, bytes(8), "unknown-dtype"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, bytes(8), "offset-order"),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8), "bad-entry"),
        ({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, bytes(4), "bad-entry"),
        ({"a": [1]}, b"", "bad-entry"),
        ({"a": tensor(0, 8) | {"x": 1}}, bytes(8), "extra-field"),
        ({"__metadata__": {"a": 1}}, b"", "metadata-type"),
        ({"__metadata__": []}, b"", "metadata-type"),
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
         bytes(8), "duplicate-key"),
        (b' {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8), "header-start"),
    ],
)  # fmt: skip
def test_every_lie_is_seen(header, data, code):
    assert code in codes(build(header, data))


def test_huge_shapes_do_not_cost_anything():
    shape = (2**62,) * 50
    assert "size-mismatch" in codes(build({"a": tensor(0, 8, shape=shape)}, bytes(8)))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 9, build({}, length=2**63), build({})[:-1], build(b"[]"), build(b'{"a":')]
)
def test_what_is_no_safetensors(data):
    with pytest.raises(ContentError):
        read(data)


def test_header_limit():
    data = build({"a" * 1000: tensor(0, 8)}, bytes(8))
    with pytest.raises(LimitExceeded):
        read(data, Limits(header_bytes=100))
    with pytest.raises(LimitExceeded):
        read(build(b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"))
