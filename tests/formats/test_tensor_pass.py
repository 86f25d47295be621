"""Tensor digests of one pass are those of a second read, in whatever pieces the bytes come."""

from __future__ import annotations

import hashlib
import io
import json
import random
import threading

import pytest

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault
from assay.core.limits import Limits
from assay.formats import tensor_pass
from assay.formats.tensor_list import tensors_in
from assay.formats.tensor_pass import TensorDigests, TensorWatch
from assay.store.blobs import open_blobs
from tests.support.builders.gguf import gguf, tensor

LIMITS = Limits()


def safetensors(*spans: tuple[int, int], size: int, pad: int = 0) -> bytes:
    entries = {
        f"t{number}": {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}
        for number, (start, end) in enumerate(spans)
    }
    head = json.dumps(entries).encode() + b" " * pad
    return len(head).to_bytes(8, "little") + head + random.Random(size).randbytes(size)


def fed(data: bytes, seed: int) -> dict[tuple[int, int], str]:
    """Fed in pieces of random sizes."""
    cuts, reader, at = random.Random(seed), TensorDigests(len(data), LIMITS), 0
    while at < len(data):
        step = cuts.choice((1, 7, 100, 5000))
        reader.feed(data[at : at + step])
        at += step
    return reader.digests()


def read_again(data: bytes, form: str) -> dict[tuple[int, int], str]:
    places = tensors_in(io.BytesIO(data), len(data), (form,), LIMITS)
    return {(p.start, p.size): hashlib.sha256(data[p.start : p.start + p.size]).hexdigest() for p in places}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "data",
    [
        safetensors((0, 3000), (3000, 3001), (3001, 9000), size=9000),
        safetensors((10, 20), (500, 9000), size=9100, pad=4000),  # holes, and bytes after the last
        safetensors((0, 0), (0, 50), (50, 50), (50, 60), size=60),  # tensors without elements
        safetensors(size=0),
    ],
    ids=["plain", "holes", "empty", "none"],
)
def test_safetensors_in_any_pieces(data: bytes, seed: int) -> None:
    assert fed(data, seed) == read_again(data, "safetensors")


@pytest.mark.parametrize("first", [1 << 20, 16])
def test_gguf_in_any_pieces(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    monkeypatch.setattr(tensor_pass, "_GGUF_FIRST", first)  # a header longer than the first look
    data = gguf(
        {"k": ["x" * 50] * 9}, (tensor("a", (64,), 0, 0), tensor("b", (32, 2), 0, 256)), random.Random(1).randbytes(512)
    )
    expected = read_again(data, "gguf")
    assert len(expected) == 2
    assert fed(data, 3) == expected


def test_of_tensors_that_overlap_one_is_hashed() -> None:
    data = safetensors(*((0, 9000) for _ in range(500)), (9000, 9100), size=9100)
    start = len(data) - 9100
    assert set(fed(data, 0)) == {(start, 9000), (start + 9000, 100)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        b"\xff" * 9000,
        (10**6).to_bytes(8, "little") + b"{" * 5000,  # a header longer than the file
        (5000).to_bytes(8, "little") + b"{" * 9000,
        safetensors((0, 9000), size=8000),  # cut off
        b"GGUF" + b"\xff" * 9000,
        b"GGUF" + (3).to_bytes(4, "little") + b"\0" * 16,
        b"PK\x03\x04" + b"x" * 9000,
    ],
)
def test_nothing_is_learnt_of_what_is_broken(data: bytes) -> None:
    assert fed(data, 1) == {}


def test_through_the_store_and_only_large_files(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, data = open_blobs(tmp_path), safetensors((0, 3000), (3000, 9000), size=9000)
    watch = TensorWatch(LIMITS)
    digest, _ = blobs.put_watched([data[:100], data[100:]], len(data), watch)
    assert watch.known() == {}
    monkeypatch.setattr(tensor_pass, "FROM_BYTES", 1000)
    assert blobs.put_watched([data[:100], data[100:]], len(data), watch)[0] == digest == Digest.of(data)
    assert watch.known() == {digest: read_again(data, "safetensors")}
    again = TensorWatch(LIMITS)
    assert b"".join(blobs.stream_watched(digest, again)) == data
    assert again.known() == watch.known()


def test_a_file_that_breaks_off_leaves_neither_thread_nor_digests(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_pass, "FROM_BYTES", 1000)
    data, watch = safetensors((0, 9000), size=9000), TensorWatch(LIMITS)

    def breaks():
        yield data[:5000]
        raise EnvironmentFault("disk full")

    with pytest.raises(EnvironmentFault):
        open_blobs(tmp_path).put_watched(breaks(), len(data), watch)
    assert watch.known() == {}
    assert not [one for one in threading.enumerate() if one.name == "assay-tensor-digests"]
