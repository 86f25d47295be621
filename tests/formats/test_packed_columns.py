"""Pickles in packed columns: what pyarrow writes is expanded by readers of our own."""

from __future__ import annotations

import base64
import io
import pickle
import random
import zlib

import brotli
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats import snappy
from assay.formats.containers import carved, packed_columns
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


@pytest.mark.parametrize("codec", ["snappy", "gzip", "brotli", "zstd", "lz4", "none"])
@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
def test_pages_of_parquet(codec, options):
    data = parquet(pa.array([b"x" * 50, SYSTEM, b"y" * 5000]), compression=codec, **options)
    assert codec == "none" or SYSTEM not in data
    assert SYSTEM in found(data)


@pytest.mark.parametrize("codec", ["snappy", "gzip", "brotli", "zstd", "lz4", "none"])
@pytest.mark.parametrize(
    "written",
    [lambda: base64.b64encode(SYSTEM), lambda: SYSTEM.hex().encode(), lambda: base64.b64encode(zlib.compress(SYSTEM)),
     lambda: base64.b64encode(b"cposix\nsystem\n(S'touch x'\ntR.")],
    ids=["base64", "hex", "zlib", "protocol-0"],
)  # fmt: skip
def test_columns_of_text(codec, written):
    text = written().decode()
    for options in ({}, {"use_dictionary": False}, {"data_page_version": "2.0"}):
        column = pa.array([f"some words {n}" for n in range(40)] + [text, "more of them"])
        opened = {one[:2] for one in found(parquet(column, compression=codec, **options))}
        assert opened & {SYSTEM[:2], b"\x78\x9c", b"cp"}


@pytest.mark.parametrize("codec", ["zstd", "lz4", "uncompressed"])
@pytest.mark.parametrize("before", ["word", "g", "gAKB", "80020"])
def test_text_in_arrow_has_nothing_around_it(codec, before):
    for text in (base64.b64encode(SYSTEM).decode(), SYSTEM.hex()):
        buffer = io.BytesIO()
        feather.write_feather(pa.table({"v": [before, text, "word"]}), buffer, compression=codec)
        assert SYSTEM in {one[: len(SYSTEM)] for one in found(buffer.getvalue())}


def test_other_text_is_no_pickle():
    rng = random.Random(3)
    column = pa.array([base64.b64encode(rng.randbytes(3000)).decode() for _ in range(300)] + [pickle64([1, {"a": 2}])])
    assert not found(parquet(column, compression="zstd"))
    buffer = io.BytesIO()
    feather.write_feather(pa.table({"v": column}), buffer, compression="uncompressed")
    assert not found(buffer.getvalue())


def pickle64(value: object) -> str:
    return base64.b64encode(pickle.dumps(value, 4)).decode()


def test_what_lies_far_behind_is_searched_or_said_to_be_unread(monkeypatch):
    monkeypatch.setattr(packed_columns, "SEARCHED_BYTES", 4096)
    monkeypatch.setattr(carved, "SEARCHED_BYTES", 4096)
    monkeypatch.setattr(carved, "_STEP_BYTES", 4096)
    data = parquet(pa.array([b"x" * 9000, SYSTEM]), compression="none", use_dictionary=False)
    assert SYSTEM in found(data)
    monkeypatch.setattr(packed_columns, "OPEN_BYTES", 4096)
    with pytest.raises(ContentError, match="the rest was not searched"):
        found(data)


def test_nested_columns_and_later_row_groups():
    rows = pa.array([[{"a": b"x", "b": i}] for i in range(50)] + [[{"a": SYSTEM, "b": 1}]])
    assert SYSTEM in found(parquet(rows, compression="zstd", row_group_size=7))


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_buffers_of_arrow(codec):
    buffer = io.BytesIO()
    feather.write_feather(pa.table({"v": [SYSTEM] * 30}), buffer, compression=codec)
    assert SYSTEM not in buffer.getvalue()
    assert found(buffer.getvalue()) == {SYSTEM}


def test_brotli_is_expanded_to_a_limit(monkeypatch):
    packed = brotli.compress(bytes(3 << 20))
    assert packed_columns._brotli(packed, 0) == bytes(3 << 20)
    with pytest.raises(ContentError, match="ends early"):
        packed_columns._brotli(packed[:-1], 0)
    monkeypatch.setattr(packed_columns, "_PAGE_BYTES", 1 << 20)
    assert 1 << 20 <= len(packed_columns._brotli(packed, 0)) < (1 << 20) + (512 << 10)
    with pytest.raises(ContentError, match="no brotli"):
        packed_columns._brotli(b"\xff" * 50, 0)


@pytest.mark.parametrize("codec", ["snappy", "gzip", "brotli", "zstd", "lz4"])
def test_what_lies_behind_the_limit_of_a_page_is_said_to_be_unread(codec, monkeypatch):
    monkeypatch.setattr(packed_columns, "_PAGE_BYTES", 1 << 20)
    column = pa.array([SYSTEM, bytes(3 << 20), SYSTEM + b"x"])
    data = parquet(column, compression=codec, use_dictionary=False, data_page_size=8 << 20)
    assert "the rest was not searched" in unread(data) or "can't be read" in unread(data)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_what_lies_behind_the_limit_of_a_buffer_is_said_to_be_unread(codec, monkeypatch):
    buffer = io.BytesIO()
    feather.write_feather(pa.table({"v": [bytes(3 << 20), SYSTEM]}), buffer, compression=codec)
    assert unread(buffer.getvalue()) == ""
    monkeypatch.setattr(packed_columns, "_PAGE_BYTES", 1 << 20)
    assert "a buffer of more than 1 MiB" in unread(buffer.getvalue())


def unread(data):
    """What is said of what was not read; nothing when all was."""
    try:
        return " ".join(one.detail for one in read_packed_columns(io.BytesIO(data), len(data), Limits()).anomalies)
    except ContentError as error:  # and nothing was found in the rest
        return str(error)


def test_bytes_that_can_not_be_read_are_said_to_be_unread(monkeypatch):
    monkeypatch.delitem(packed_columns._EXPANDERS, 4)
    with pytest.raises(ContentError, match="brotli is not read"):
        found(parquet(pa.array([SYSTEM]), compression="brotli"))
    with pytest.raises(ContentError, match="column of text can't be read: brotli"):
        found(parquet(pa.array(["text " * 400]), compression="brotli"))
    data = bytearray(parquet(pa.array([SYSTEM * 3]), compression="snappy"))
    data[60:90] = bytes(30)
    with pytest.raises(ContentError, match="can't be read"):
        found(bytes(data))


def test_a_pickle_in_one_column_hides_no_other_that_is_not_read(monkeypatch):
    monkeypatch.delitem(packed_columns._EXPANDERS, 4)
    buffer = io.BytesIO()
    table = pa.table({"a": pa.array([SYSTEM]), "b": pa.array([SYSTEM])})
    pq.write_table(table, buffer, write_statistics=False, compression={"a": "zstd", "b": "brotli"})
    data = buffer.getvalue()
    (told,) = read_packed_columns(io.BytesIO(data), len(data), Limits()).anomalies
    assert "brotli is not read" in told.detail
    assert SYSTEM in found(data)
    monkeypatch.setattr(packed_columns, "EXPANDED_BYTES", 6000)
    with pytest.raises(ContentError, match="the rest was not searched"):
        found(parquet(pa.array([b"x" * 8000, SYSTEM]), compression="zstd"))


def test_snappy_gives_what_was_packed():
    rng = random.Random(1)
    for size in (0, 1, 59, 60, 61, 300, 70_000):
        data = bytes(rng.choices(b"ab", k=size)) + rng.randbytes(size // 3)
        assert snappy.expand(pa.compress(data, "snappy", asbytes=True), len(data)) == data
    with pytest.raises(ValueError, match="copy"):
        snappy.expand(b"\x05\x05\x01", 100)
