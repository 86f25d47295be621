"""Native code, licences, and extensions that promise something else."""

from __future__ import annotations

import pickle

import pytest

from assay.inspections.coverage import Coverage
from assay.inspections.licence import Licence
from assay.inspections.native import NativeCode
from tests.support.scan import found, scan, worst


@pytest.mark.parametrize(
    "head",
    [
        b"\x7fELF\x02\x01\x01" + bytes(60),
        b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0" + bytes(60),
        b"\xac\xed\x00\x05sr\x00\x04" + bytes(9),
        b"\xcf\xfa\xed\xfe" + bytes(60),
        b"\0asm\1\0\0\0",
    ],
)
def test_programs(head):
    assert worst(NativeCode, {"lib": head}) == "medium"


@pytest.mark.parametrize("name", ["a.cpp", "b.js", "c.pyx"])
def test_source_in_other_languages_is_noted(name):
    evidence = scan(NativeCode, {name: b"import x\nint main() {}\n"})
    assert [(f.rule, f.severity.label) for f in evidence.findings] == [("foreign-source", "note")]


def test_no_programs():
    assert scan(NativeCode, {"a.txt": b"text"}).outcome.value == "not-applicable"


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({"a": b"x"}, True),
        ({"README.md": b"# no front matter\nlicense: mit\n"}, True),
        ({"README.md": b"---\nlicense: mit\n---\n"}, False),
        ({"README.md": b"---\ntags: [a]\nlicense_name: own\n---\n"}, False),
        ({"LICENSE": b"Apache License"}, False),
        ({"LICENCE.txt": b"Apache License"}, False),
    ],
)
def test_licence(files, missing):
    assert ("licence-missing" in found(Licence, files)) is missing


@pytest.mark.parametrize(
    ("name", "data", "severity"),
    [
        ("model.safetensors", pickle.dumps({"a": print}), "medium"),
        ("model.safetensors", b"just text", "low"),
        ("photo.png", b"\x7fELF" + bytes(60), "medium"),
        ("model.pt", b"", "note"),
        ("__init__.py", b"", "clean"),
        ("model.bin", pickle.dumps({"a": 1}), "clean"),
        ("model.pkl", pickle.dumps({"a": 1}), "clean"),
    ],
)
def test_extensions(name, data, severity):
    assert worst(Coverage, {name: data}) == severity


def test_an_empty_model_is_unread():
    assert scan(Coverage, {"model.pt": b""}).outcome.value == "inconclusive"


def test_lfs_pointers_are_unread():
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 10\n"
    evidence = scan(Coverage, {"model.safetensors": pointer})
    assert any("Git LFS pointer" in unread.reason for unread in evidence.unread)
