"""Archives: their true shape, every reading of a broken one, and a bounded cost."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.containers.members import Budget, slice_of
from assay.formats.containers.npy_array import read_npy
from assay.formats.containers.streams import read_stream
from assay.formats.containers.tar_archive import read_tar
from assay.formats.containers.zip_archive import read_zip
from tests.support.mutate import mutated

LIMITS = Limits()


def make_zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def opened(data: bytes, limits: Limits = LIMITS):
    return read_zip(io.BytesIO(data), len(data), limits)


def contents(archive, packed: int = 1 << 20) -> dict[str, bytes]:
    budget = Budget(LIMITS, packed)
    found = {}
    for member in archive.members:
        if member.kind in {"file", "stray"}:
            with contextlib.suppress(ContentError):
                found.setdefault(member.name, archive.open(member, budget).read())
    return found


def codes(archive) -> set[str]:
    return {a.code for a in archive.anomalies} | {a.code for m in archive.members for a in m.anomalies}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_of_every_method_reads_as_zipfile_does(method):
    data = make_zip(("a/b.txt", b"hello" * 1000), ("ü.bin", bytes(range(256))), method=method)
    archive = opened(data)
    assert contents(archive) == {"a/b.txt": b"hello" * 1000, "ü.bin": bytes(range(256))}
    assert not codes(archive)


def test_stored_members_are_slices_with_their_own_position():
    archive = opened(make_zip(("a", b"0123456789"), ("b", b"abcdef")))
    first, second = (archive.open(m, Budget(LIMITS, 100)) for m in archive.members)
    assert first.read(3) == b"012"
    assert second.read(2) == b"ab"
    assert first.read() == b"3456789"
    assert second.seek(-1, io.SEEK_END) == 5
    assert second.read() == b"f"
    first.close()
    assert second.read() == b""


def test_zip64_entries_are_read():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("big", "w", force_zip64=True) as member:
        member.write(b"x" * 100)
    archive = opened(buffer.getvalue())
    assert contents(archive) == {"big": b"x" * 100}
    assert not codes(archive)


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(signature) + offset
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("signature", "offset", "value", "code"),
    [
        (b"PK\x03\x04", 30, b"b", "name-mismatch"),
        (b"PK\x01\x02", 46, b"b", "name-mismatch"),
        (b"PK\x03\x04", 8, b"\x08\x00", "method-mismatch"),
        (b"PK\x03\x04", 6, b"\x01\x00", "encrypted"),
        (b"PK\x01\x02", 8, b"\x01\x00", "flag-mismatch"),
        (b"PK\x01\x02", 8, b"\x20\x00", "flag-patch"),
        (b"PK\x03\x04", 14, b"\x00\x00\x00\x00", "crc-field-mismatch"),
        (b"PK\x03\x04", 18, b"\x01\x00\x00\x00", "size-mismatch"),
        (b"PK\x05\x06", 10, b"\x09\x00", "entry-count"),
    ],
)
def test_zip_headers_that_disagree(signature, offset, value, code):
    """CVE-2025-1944, CVE-2025-1945: the entry is still read."""
    data = patched(make_zip(("a", b"payload")), signature, offset, value)
    archive = opened(data)
    assert code in codes(archive)
    assert b"payload" in b"".join(contents(archive).values())


def test_wrong_crc_is_seen_by_its_check():
    data = patched(make_zip(("a", b"payload")), b"payload", 0, b"PAYLOAD")
    archive = opened(data)
    (member,) = archive.members
    assert not archive.crc_matches(member, archive.open(member, Budget(LIMITS, 1)))


def test_duplicate_entries_are_both_there():
    with pytest.warns(UserWarning, match="Duplicate"):
        data = make_zip(("a", b"one"), ("a", b"two"))
    archive = opened(data)
    assert [archive.open(m, Budget(LIMITS, 1)).read() for m in archive.members] == [b"one", b"two"]
    assert "duplicate-entry" in codes(archive)


def test_prepended_and_appended_bytes():
    plain = make_zip(("a", b"payload"))
    archive = opened(b"first part" + plain + b"last part!")
    assert {"prepended-bytes", "appended-bytes"} <= codes(archive)
    assert contents(archive)["a"] == b"payload"
    assert {b"first part", b"last part!"} <= set(contents(archive).values())


def test_hidden_entry_between_entries_is_a_member():
    hidden = make_zip(("hidden", b"secret"))
    hidden = hidden[: hidden.index(b"PK\x01\x02")]
    archive = opened(hidden + make_zip(("a", b"payload")))
    assert "hidden-entry" in codes(archive)
    assert contents(archive)["hidden"] == b"secret"


def test_a_second_directory_is_read_too():
    archive = opened(make_zip(("a", b"one")) + make_zip(("b", b"two")))
    assert "several-directories" in codes(archive)
    assert {b"one", b"two"} <= set(contents(archive).values())


def test_a_stored_zip_inside_is_no_second_directory():
    inner = make_zip(("b", b"two"))
    archive = opened(make_zip(("a.zip", inner)))
    assert contents(archive) == {"a.zip": inner}
    assert not codes(archive)


def test_overlapping_entries():
    data = make_zip(("a", b"payload"), ("b", b"payload"))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data = data[: second + 42] + bytes(4) + data[second + 46 :]
    assert "overlap" in codes(opened(data))


def test_zip_without_directory_is_read_by_local_headers():
    data = make_zip(("a", b"payload"), ("b", b"more"))
    archive = opened(data[: data.index(b"PK\x01\x02")])
    assert "no-directory" in codes(archive)
    assert contents(archive) == {"a": b"payload", "b": b"more"}
    with pytest.raises(ContentError):
        opened(b"PK\x05\x06 nothing")


def test_links_directories_and_escapes_in_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../../etc/passwd")
        archive.writestr("folder/", "")
    kinds = {m.name: m.kind for m in opened(buffer.getvalue()).members}
    assert kinds == {"link": "symlink", "folder/": "directory"}


def test_bomb_costs_no_more_than_the_limit():
    data = make_zip(("bomb", bytes(200 << 20)), method=zipfile.ZIP_DEFLATED)
    limits = Limits(expansion_floor_bytes=4 << 20, expansion_ratio=10)
    archive = read_zip(io.BytesIO(data), len(data), limits)
    tracemalloc.start()
    with pytest.raises(LimitExceeded):
        archive.open(archive.members[0], Budget(limits, len(data)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_too_many_entries():
    data = make_zip(*((str(i), b"") for i in range(50)))
    with pytest.raises(LimitExceeded):
        read_zip(io.BytesIO(data), len(data), Limits(members=20))


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_cut_zip_never_fails_otherwise(cut):
    data = make_zip(("a", b"x" * 100), ("b", b"y" * 100), method=zipfile.ZIP_DEFLATED)[:cut]
    with contextlib.suppress(ContentError):
        contents(opened(data))


# tar


def make_tar(*infos: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info, data in infos:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a.txt", "deep/" * 15 + "name.txt"])
def test_tar_of_every_format(form, name):
    data = make_tar((tarfile.TarInfo(name), b"hello"), form=form)
    archive = read_tar(io.BytesIO(data), len(data), LIMITS)
    assert contents(archive) == {name: b"hello"}
    assert not codes(archive)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_long_names(form):
    name = "x" * 300 + "/ü.txt"
    data = make_tar((tarfile.TarInfo(name), b"hello"), form=form)
    assert contents(read_tar(io.BytesIO(data), len(data), LIMITS)) == {name: b"hello"}


def test_tar_links_devices_and_duplicates():
    link, device = tarfile.TarInfo("link"), tarfile.TarInfo("null")
    link.type, link.linkname = tarfile.SYMTYPE, "../../x"
    device.type = tarfile.CHRTYPE
    data = make_tar((link, b""), (device, b""), (tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("a"), b"2"))
    archive = read_tar(io.BytesIO(data), len(data), LIMITS)
    assert [(m.name, m.kind, m.target) for m in archive.members][:2] == [
        ("link", "symlink", "../../x"),
        ("null", "device", ""),
    ]
    assert "duplicate-entry" in codes(archive)


def test_tar_bytes_after_the_end_and_negative_size():
    data = make_tar((tarfile.TarInfo("a"), b"1")) + b"hidden part"
    archive = read_tar(io.BytesIO(data), len(data), LIMITS)
    assert "appended-bytes" in codes(archive)
    assert b"hidden part" in contents(archive).values()
    # CVE-2025-8194: a negative size made Python's tarfile loop for ever
    block = bytearray(make_tar((tarfile.TarInfo("a"), b"1"))[:512])
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    archive = read_tar(io.BytesIO(bytes(block)), 512, LIMITS)
    assert "bad-size" in codes(archive)


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT)[:512])
    block[124:136] = size.ljust(12, b"\0")
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "first",
    [
        header("a/", b"00000001000", b"\0"),  # V7 directory: its size is not skipped
        header("a", b"0\x000001000"),  # a number ends at the first NUL
        header("a", b"00000001000", b"2"),  # a link has no data
    ],
)
def test_tar_entries_are_found_where_tarfile_finds_them(first):
    data = first + header("hidden", b"00000000004") + b"evil".ljust(512, b"\0") + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert "hidden" in archive.getnames()
    assert contents(read_tar(io.BytesIO(data), len(data), LIMITS))["hidden"] == b"evil"


@pytest.mark.parametrize("value", ["abc", "0", " 0 "])
def test_tar_pax_sizes_are_read_as_tarfile_does(value):
    record = f" size={value}\n".encode()
    record = str(len(record) + 2).encode() + record if len(record) + 2 > 9 else b"9" + record
    pax = header("p", b"%011o" % len(record), b"x") + record.ljust(512, b"\0")
    data = (
        pax + header("a", b"00000001000") + header("hidden", b"00000000004") + b"evil".ljust(512, b"\0") + bytes(1024)
    )
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert "hidden" in archive.getnames()
    assert contents(read_tar(io.BytesIO(data), len(data), LIMITS))["hidden"] == b"evil"


@pytest.mark.parametrize("size", [b"77777777777", b"-1", b"nonsense"])
def test_tar_meta_headers_that_are_none_keep_the_entries(size):
    data = header("a", b"00000000001") + b"x".ljust(512, b"\0") + header("meta", size, b"x") + bytes(1024)
    archive = read_tar(io.BytesIO(data), len(data), LIMITS)
    assert contents(archive)["a"] == b"x"
    assert "header-broken" in codes(archive)


def test_zip_and_tar_hold_what_python_reads_from_them():
    """Whatever `zipfile` or `tarfile` makes of a damaged archive, we have too."""
    seeds = [make_zip(("a", b"x" * 50), ("b", b"yz" * 9), method=method) for method in (0, 8)]
    for data in mutated([*seeds, b"head" + seeds[0], seeds[1] + b"tail"], 1500, seed=5):
        theirs = []
        with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                with contextlib.suppress(Exception):
                    theirs.append(archive.read(info))
        if any(theirs):
            ours = list(contents(opened(data)).values())
            assert all(any(content in own for own in ours) for content in theirs if content)


# compressed streams


@pytest.mark.parametrize(
    ("form", "compress"),
    [
        ("gzip", gzip.compress),
        ("bzip2", bz2.compress),
        ("xz", lzma.compress),
        ("zlib", zlib.compress),
        ("lzma", lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)),
    ],
)
def test_streams(form, compress):
    text = random.Random(1).randbytes(1_200_000)  # bzip2 has blocks of 900 kB
    data = compress(text)

    def read(raw: bytes):
        stream = read_stream(io.BytesIO(raw), len(raw), form, "model.pkl.gz")
        return stream, stream.open(stream.members[0], Budget(LIMITS, len(raw))).read()

    assert read(data)[1] == text
    if form in {"gzip", "bzip2", "xz"}:
        assert read(data + compress(b"second"))[1] == text + b"second"
        assert read(data + bytes(512))[0].late == ()
    stream, content = read(data + b"evil tail")
    assert content == text
    if form != "lzma":
        assert stream.trailing is not None
        assert {a.code for a in stream.late} == {"trailing-bytes"}
    cut, content = read(data[: len(data) * 9 // 10])
    assert text.startswith(content)
    assert content
    assert {a.code for a in cut.late} == {"stream-broken"}
    with pytest.raises(ContentError):
        read(data[:2] + b"\xff" * 40)


def test_joblib_zlib_file():
    text = b"payload" * 10
    data = b"ZF" + hex(len(text)).ljust(19).encode() + zlib.compress(text)
    stream = read_stream(io.BytesIO(data), len(data), "zlib", "x")
    assert stream.open(stream.members[0], Budget(LIMITS, len(data))).read() == text


def test_stream_bomb():
    data = gzip.compress(bytes(100 << 20))
    limits = Limits(expansion_floor_bytes=1 << 20, expansion_ratio=2)
    stream = read_stream(io.BytesIO(data), len(data), "gzip", "x.gz")
    with pytest.raises(LimitExceeded):
        stream.open(stream.members[0], Budget(limits, len(data)))


# npy


def npy(array, **kwargs) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["<f4", ">i8", "|b1", "<U5", "|S3", "<c16", "<M8[ns]", "<f2", "<u2", "|u1", "|V3"])
def test_plain_arrays_have_no_members(dtype):
    data = npy(np.zeros((2, 3), dtype))
    array = read_npy(io.BytesIO(data), len(data), LIMITS)
    assert (array.shape, array.members, array.anomalies) == ((2, 3), (), ())


def test_object_arrays_hold_a_pickle():
    data = npy(np.array([{"a": 1}], dtype=object), allow_pickle=True)
    array = read_npy(io.BytesIO(data), len(data), LIMITS)
    (member,) = array.members
    assert array.open(member, Budget(LIMITS, 1)).read()[:1] == b"\x80"
    structured = npy(np.zeros(2, [("a", "O"), ("b", "<f4")]), allow_pickle=True)
    assert read_npy(io.BytesIO(structured), len(structured), LIMITS).members


def test_array_data_that_does_not_fit():
    data = npy(np.zeros(4))
    longer = read_npy(io.BytesIO(data + b"tail"), len(data) + 4, LIMITS)
    assert [a.code for a in longer.anomalies] == ["trailing-bytes"]
    shorter = read_npy(io.BytesIO(data[:-4]), len(data) - 4, LIMITS)
    assert [a.code for a in shorter.anomalies] == ["data-missing"]
    with pytest.raises(ContentError):
        read_npy(io.BytesIO(b"\x93NUMPY\x01\x00" + struct.pack("<H", 5000)), 10, LIMITS)


def test_headers_of_python_2():
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2L,)}".ljust(118)
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)
    array = read_npy(io.BytesIO(data), len(data), LIMITS)
    assert (array.shape, array.anomalies) == ((2,), ())


def test_broken_array_header_is_taken_for_objects():
    header = b"__import__('os').system('x')".ljust(118)
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\x80\x04N."
    array = read_npy(io.BytesIO(data), len(data), LIMITS)
    assert [a.code for a in array.anomalies] == ["header-broken"]
    assert array.members


def test_slice_stays_inside():
    part = slice_of(io.BytesIO(b"0123456789"), 2, 5)
    assert part.read(100) == b"23456"
    part.seek(0)
    buffer = bytearray(3)
    assert part.readinto(buffer) == 3
    assert bytes(buffer) == b"234"
    with pytest.raises(io.UnsupportedOperation):
        part.fileno()
