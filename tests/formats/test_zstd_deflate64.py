"""Compression that Python's own modules don't have: Zstandard frames, and ZIP method 9."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

import pytest
import zstandard

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.containers.inflate import decompressor, inflate
from assay.formats.containers.members import Budget
from assay.formats.containers.streams import read_stream
from assay.formats.containers.zip_archive import read_zip

RANDOM = random.Random(5).randbytes(300_000)
TEXT = b"weights and biases " * 20_000


def expand(method: str, data: bytes) -> bytes:
    return b"".join(inflate(io.BytesIO(data), decompressor(method)))


@pytest.mark.parametrize("plain", [b"", b"x", TEXT, RANDOM], ids=["empty", "one", "text", "random"])
@pytest.mark.parametrize("checksum", [False, True])
def test_a_zstd_frame_is_expanded(plain: bytes, checksum: bool) -> None:
    for level, sized in ((1, True), (19, False)):
        packer = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=sized)
        assert expand("zstd", packer.compress(plain)) == plain


def test_frames_in_a_row_and_skippable_ones_are_one_content() -> None:
    frame = zstandard.compress(TEXT)
    data = frame + zstandard.compress(b"second") + b"behind"
    skippable = struct.pack("<II", 0x184D2A53, 5) + b"hello"
    assert expand("zstd", skippable + frame) == TEXT
    stream = read_stream(io.BytesIO(data), len(data), "zstd", "model.pkl.zst")
    content = stream.open(stream.members[0], Budget(Limits(), len(data))).read()
    assert content == TEXT + b"second"
    assert stream.trailing is not None
    assert stream.trailing.packed == len(b"behind")
    assert stream.members[0].name == "model.pkl"


def test_each_step_of_a_zstd_bomb_is_small() -> None:
    bomb = zstandard.compress(bytes(64 << 20), 19)
    assert len(bomb) < 20_000
    assert max(len(chunk) for chunk in inflate(io.BytesIO(bomb), decompressor("zstd"))) <= 1 << 17
    stream = read_stream(io.BytesIO(bomb), len(bomb), "zstd", "bomb.zst")
    limits = Limits(expansion_floor_bytes=1 << 20, expansion_ratio=10)
    with pytest.raises(LimitExceeded):
        stream.open(stream.members[0], Budget(limits, len(bomb)))


@pytest.mark.parametrize("broken", [b"\x28\xb5\x2f\xfd", zstandard.compress(TEXT)[:-9], b"nothing at all here"])
def test_broken_zstd_is_content_that_can_not_be_read(broken: bytes) -> None:
    with pytest.raises(ContentError):
        expand("zstd", broken)


def test_deflate64_reads_what_it_shares_with_deflate() -> None:
    for plain in (b"", RANDOM, random.Random(1).choices(b"abcdef", k=50_000)):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, strategy=zlib.Z_HUFFMAN_ONLY)
        assert expand("deflate64", packer.compress(bytes(plain)) + packer.flush()) == bytes(plain)
    for level in (0, 6):  # stored blocks; matches shorter than 258
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        plain = b"".join(bytes([i % 251, i % 7]) * 20 for i in range(2000))
        assert expand("deflate64", packer.compress(plain) + packer.flush()) == plain


class Bits:
    """Writes a block with fixed codes."""

    def __init__(self) -> None:
        self.bits = [1, 1, 0]  # last block, fixed codes

    def code(self, value: int, width: int) -> None:
        self.bits += [value >> place & 1 for place in reversed(range(width))]

    def extra(self, value: int, width: int) -> None:
        self.bits += [value >> place & 1 for place in range(width)]

    def symbol(self, symbol: int) -> None:
        if symbol < 144:
            self.code(0x30 + symbol, 8)
        elif symbol < 256:
            self.code(0x190 + symbol - 144, 9)
        elif symbol < 280:
            self.code(symbol - 256, 7)
        else:
            self.code(0xC0 + symbol - 280, 8)

    def data(self) -> bytes:
        padded = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(sum(bit << i for i, bit in enumerate(padded[at : at + 8])) for at in range(0, len(padded), 8))


def long_match() -> bytes:
    """`a`, then 40,003 times the byte before it, then 10 bytes from 40,000 bytes back, then the end."""
    block = Bits()
    block.symbol(ord("a"))
    block.symbol(285)
    block.extra(40_000, 16)
    block.code(0, 5)
    block.symbol(264)
    block.code(30, 5)
    block.extra(0, 14)  # distance code 30: 32,769 and 14 more bits
    block.symbol(256)
    return block.data()


def test_deflate64_reads_long_lengths_and_far_distances() -> None:
    assert expand("deflate64", long_match()) == b"a" * 40_014


def before_the_start() -> bytes:
    block = Bits()
    block.symbol(257)
    block.code(3, 5)
    return block.data() + bytes(4)


@pytest.mark.parametrize("data", [b"\x07", long_match()[:-3], before_the_start()])
def test_broken_deflate64_is_content_that_can_not_be_read(data: bytes) -> None:
    with pytest.raises(ContentError):
        expand("deflate64", data)


@pytest.mark.parametrize(("method", "packed"), [(93, zstandard.compress(b"a" * 40_014)), (9, long_match())])
def test_members_of_both_methods_are_read(method: int, packed: bytes) -> None:
    plain = b"a" * 40_014
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.bin", packed)
    data = bytearray(buffer.getvalue())
    central = data.find(b"PK\x01\x02")
    for method_at, crc_at, size_at in ((8, 14, 22), (central + 10, central + 16, central + 24)):
        data[method_at : method_at + 2] = struct.pack("<H", method)
        data[crc_at : crc_at + 4] = struct.pack("<I", zlib.crc32(plain))
        data[size_at : size_at + 4] = struct.pack("<I", len(plain))
    archive = read_zip(io.BytesIO(data), len(data), Limits())
    (member,) = archive.members
    content = archive.open(member, Budget(Limits(), len(data)))
    assert content.read() == plain
    assert archive.crc_matches(member, content)
    assert not member.anomalies
