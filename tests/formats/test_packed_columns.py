"""Pickles in packed columns: what pyarrow writes is expanded by readers of our own."""

from __future__ import annotations

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats import snappy
from assay.formats.containers import packed_columns
from assay.formats.containers.members import Budget
from assay.formats.containers.packed_columns import read_packed_columns

_TEXT = b"touch " + b"PWNED-" * 200  # long enough for every compression to take it apart
SYSTEM = b"\x80\x04\x8c\x05posix\x8c\x06system\x93X" + len(_TEXT).to_bytes(4, "little") + _TEXT + b"\x85R."


def found(data: bytes) -> set[bytes]:
    container = read_packed_columns(io.BytesIO(data), len(data), Limits())
    return {container.open(member, Budget(Limits(), len(data))).read() for member in container.members}


def parquet(column: pa.Array, **options) -> bytes:
    """Without the statistics, which hold the least and the greatest value as they are."""
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({"n": pa.array(range(len(column))), "v": column}), buffer, write_statistics=False, **options
    )
    return buffer.getvalue()


@pytest.mark.parametrize("codec", ["snappy", "gzip", "zstd", "lz4", "none"])
@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
def test_pages_of_parquet(codec, options):
    data = parquet(pa.array([b"x" * 50, SYSTEM, b"y" * 5000]), compression=codec, **options)
    assert codec == "none" or SYSTEM not in data
    assert SYSTEM in found(data)


def test_nested_columns_and_later_row_groups():
    rows = pa.array([[{"a": b"x", "b": i}] for i in range(50)] + [[{"a": SYSTEM, "b": 1}]])
    assert SYSTEM in found(parquet(rows, compression="zstd", row_group_size=7))


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_buffers_of_arrow(codec):
    buffer = io.BytesIO()
    feather.write_feather(pa.table({"v": [SYSTEM] * 30}), buffer, compression=codec)
    assert SYSTEM not in buffer.getvalue()
    assert found(buffer.getvalue()) == {SYSTEM}


def test_bytes_that_can_not_be_read_are_said_to_be_unread():
    with pytest.raises(ContentError, match="brotli is not read"):
        found(parquet(pa.array([SYSTEM]), compression="brotli"))
    assert not found(parquet(pa.array(["text " * 400]), compression="brotli"))
    data = bytearray(parquet(pa.array([SYSTEM * 3]), compression="snappy"))
    data[60:90] = bytes(30)
    with pytest.raises(ContentError, match="can't be read"):
        found(bytes(data))


def test_a_pickle_in_one_column_hides_no_other_that_is_not_read(monkeypatch):
    buffer = io.BytesIO()
    table = pa.table({"a": pa.array([SYSTEM]), "b": pa.array([SYSTEM])})
    pq.write_table(table, buffer, write_statistics=False, compression={"a": "zstd", "b": "brotli"})
    data = buffer.getvalue()
    (told,) = read_packed_columns(io.BytesIO(data), len(data), Limits()).anomalies
    assert "brotli is not read" in told.detail
    assert SYSTEM in found(data)
    monkeypatch.setattr(packed_columns, "SEARCHED_BYTES", 6000)
    with pytest.raises(ContentError, match="the rest was not searched"):
        found(parquet(pa.array([b"x" * 8000, SYSTEM]), compression="zstd"))


def test_snappy_gives_what_was_packed():
    rng = random.Random(1)
    for size in (0, 1, 59, 60, 61, 300, 70_000):
        data = bytes(rng.choices(b"ab", k=size)) + rng.randbytes(size // 3)
        assert snappy.expand(pa.compress(data, "snappy", asbytes=True), len(data)) == data
    with pytest.raises(ValueError, match="copy"):
        snappy.expand(b"\x05\x05\x01", 100)
