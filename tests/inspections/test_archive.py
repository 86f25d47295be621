"""The shape of archives is judged; what stands in them is left to others."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from assay.core.finding import Severity
from assay.inspections.archive import Archive, escapes
from tests.support.scan import found, scan


def zipped(*names: str, data: bytes = b"payload") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def tarred(**kinds: tuple[bytes, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (kind, target) in kinds.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return buffer.getvalue()


def test_a_plain_archive_is_clean():
    evidence = scan(Archive, {"a.zip": zipped("a", "b/c"), "b.tar": tarred(x=(tarfile.REGTYPE, ""))})
    assert evidence.outcome.value == "clean"
    assert evidence.covered == ("a.zip", "b.tar")


@pytest.mark.parametrize(
    ("data", "rule", "severity"),
    [
        (zipped("../evil"), "archive-path-escape", Severity.HIGH),
        (zipped("/etc/passwd"), "archive-path-escape", Severity.HIGH),
        (zipped("a/../../evil"), "archive-path-escape", Severity.HIGH),
        (zipped("C:\\windows\\x"), "archive-path-escape", Severity.HIGH),
        (tarred(link=(tarfile.SYMTYPE, "/etc/passwd")), "archive-path-escape", Severity.HIGH),
        (tarred(link=(tarfile.LNKTYPE, "../x")), "archive-path-escape", Severity.HIGH),
        (tarred(link=(tarfile.SYMTYPE, "other")), "archive-link", Severity.LOW),
        (tarred(null=(tarfile.CHRTYPE, "")), "archive-device", Severity.HIGH),
        (tarred(pipe=(tarfile.FIFOTYPE, "")), "archive-device", Severity.HIGH),
        (b"prefix" + zipped("a"), "archive-extra-bytes", Severity.MEDIUM),
        (zipped("a") + b"suffix", "archive-extra-bytes", Severity.MEDIUM),
        (zipped("a") + zipped("b"), "archive-hidden-entry", Severity.HIGH),
        (gzip.compress(b"x", mtime=0) + b"suffix", "archive-extra-bytes", Severity.MEDIUM),
        (zipped("a").replace(b"payload", b"PAYLOAD"), "archive-crc-mismatch", Severity.MEDIUM),
        (zipped("a").replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"),
         "archive-encrypted", Severity.MEDIUM),
        (zipped("a").replace(b"a", b"b", 1), "archive-header-mismatch", Severity.HIGH),
    ],
)  # fmt: skip
def test_shapes_that_are_reported(data, rule, severity):
    findings = found(Archive, {"file.bin": data})
    assert rule in findings, findings
    assert findings[rule].severity is severity


def test_links_in_a_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, target in (("out", "../../x"), ("in", "folder/y")):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
    findings = scan(Archive, {"a.zip": buffer.getvalue()}).findings
    assert [(f.rule, f.facts["target"]) for f in findings] == [
        ("archive-path-escape", "../../x"),
        ("archive-link", "folder/y"),
    ]


def test_tens_of_thousands_of_empty_entries():
    names = [str(number) for number in range(12_000)]
    assert "archive-empty-entries" in found(Archive, {"a.zip": zipped(*names, data=b"")})
    assert found(Archive, {"a.zip": zipped(*names, data=b"x")}) == {}


def test_names_stay_inside_or_not():
    assert not any(map(escapes, ("a", "a/b", "a/../b", "..a", "a..b/c", "archive/data.pkl")))
    assert all(map(escapes, ("..", "../a", "a/../../b", "/a", "\\a", "a\\..\\..\\b", "C:x")))


def test_what_a_nested_archive_is_shows_where():
    (finding,) = scan(Archive, {"outer.zip": zipped("inner.zip", data=zipped("../evil"))}).findings
    assert finding.where.file == "outer.zip"
    assert finding.where.inner == ("inner.zip", "../evil")


def test_cut_archives_are_incomplete():
    evidence = scan(Archive, {"a.zip": zipped("a", "b")[:60]})
    assert evidence.outcome.value == "inconclusive"
    assert evidence.covered == ()


def _tar_of(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_a_tar_that_ends_with_a_zip_is_a_tar():
    """`.nemo`, and `model.tar.gz` of a hosting service, hold a checkpoint that is a zip."""
    plain = _tar_of("model.pth", zipped("archive/data.pkl", "archive/version"))
    packed = gzip.compress(plain, mtime=0)
    evidence = scan(Archive, {"a.tar": plain, "b.tar.gz": packed, "c.zip": zipped("model.tar", data=plain)})
    assert evidence.outcome.value == "clean"


@pytest.mark.parametrize("behind", [0, 600], ids=["at the end", "in the padding"])
def test_a_zip_behind_the_members_of_a_tar_is_inspected(behind: int):
    """A loader of zips sees another content than one of tars."""
    tar, hidden = _tar_of("a.txt", b"harmless"), zipped("../evil")
    at = len(tar) - behind
    data = tar[:at] + hidden + tar[at:]
    assert "archive-path-escape" in {finding.rule for finding in scan(Archive, {"a.tar": data}).findings}


def test_a_zip_that_reaches_out_of_its_member_is_inspected():
    inner = zipped("../evil")
    cut = _tar_of("a.bin", inner[:-10])
    at = cut.index(inner[:-10]) + len(inner) - 10
    data = cut[:at] + inner[-10:] + cut[at + 10 :]
    assert "archive-path-escape" in {finding.rule for finding in scan(Archive, {"a.tar": data}).findings}


def test_a_distributed_checkpoint_is_one_zip_behind_the_other():
    data = zipped("archive/data.pkl") * 3
    assert scan(Archive, {"__0_0.distcp": data}).outcome.value == "clean"
    assert scan(Archive, {"model.pt": data}).outcome.value == "found"
    assert "archive-path-escape" in {f.rule for f in scan(Archive, {"__0_0.distcp": zipped("../evil") + data}).findings}
