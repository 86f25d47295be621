"""Weights in two formats, and indexes of shards."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from assay.inspections.crossfile import CrossFile
from tests.support.scan import found, scan


def safetensors(*tensors: bytes) -> bytes:
    header, at = {}, 0
    for number, data in enumerate(tensors):
        header[f"t{number}"] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [at, at + len(data)]}
        at += len(data)
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw + b"".join(tensors)


def torch(*tensors: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        for number, data in enumerate(tensors):
            archive.writestr(f"archive/data/{number}", data)
    return buffer.getvalue()


A, B, C = b"a" * 100, b"b" * 200, b"c" * 200


@pytest.mark.parametrize(
    ("files", "rules"),
    [
        ({"model.safetensors": safetensors(A, B), "pytorch_model.bin": torch(B, A)}, {"weights-twice": "note"}),
        ({"model.safetensors": safetensors(A, B), "pytorch_model.bin": torch(A, C)}, {"weights-differ": "medium"}),
        ({"model.safetensors": safetensors(A, B), "pytorch_model.bin": torch(A)}, {"weights-differ": "low"}),
        ({"model.safetensors": safetensors(A), "pytorch_model.bin": b"\x80\x02}."}, {"weights-twice": "low"}),
        ({"pytorch_model.bin": torch(A)}, {"weights-only-pickled": "note"}),
        ({"x/model.safetensors": safetensors(A), "y/pytorch_model.bin": torch(A)}, {"weights-only-pickled": "note"}),
        ({"training_args.bin": torch(A)}, {}),
        ({"model.safetensors": safetensors(A, B)}, {}),
        (
            {
                "model-00001-of-00002.safetensors": safetensors(A),
                "model-00002-of-00002.safetensors": safetensors(B),
                "pytorch_model.bin": torch(A, B),
            },
            {"weights-twice": "note"},
        ),
        (
            {"adapter_model.safetensors": safetensors(A), "adapter_model.bin": torch(b"x" * 100)},
            {"weights-differ": "medium"},
        ),
    ],
)
def test_weights(files, rules):
    assert {rule: f.severity.label for rule, f in found(CrossFile, files).items()} == rules


@pytest.mark.parametrize(
    ("shard", "rule", "severity"),
    [
        ("../../etc/passwd", "index-escape", "high"),
        ("/etc/passwd", "index-escape", "high"),
        ("http://192.0.2.1/x.safetensors", "index-escape", "high"),
        ("a/../../b.safetensors", "index-escape", "high"),
        ("pytorch_model.bin", "index-escape", "medium"),
        ("model-2.safetensors", "index-missing-shard", "low"),
    ],
)
def test_indexes(shard, rule, severity):
    index = json.dumps({"metadata": {}, "weight_map": {"t": shard, "u": "model-1.safetensors"}}).encode()
    findings = found(CrossFile, {"model.safetensors.index.json": index, "model-1.safetensors": safetensors(A)})
    assert {r: f.severity.label for r, f in findings.items()} == {rule: severity}


def test_a_good_index_and_no_index():
    index = json.dumps({"weight_map": {"u": "model-1.safetensors"}}).encode()
    assert found(CrossFile, {"a/model.safetensors.index.json": index, "a/model-1.safetensors": safetensors(A)}) == {}
    assert scan(CrossFile, {"x.index.json": b"[1]"}).outcome.value == "clean"


@pytest.mark.parametrize(
    ("name", "text", "beside", "severity"),
    [
        ("notes.txt", b"cevil\nrun\n", "evil.py", "high"),
        ("notes.txt", b"cevil\nrun\nNothing\n", "sub/evil/__init__.py", "high"),
        ("README.md", b"cevil.part\nrun\n# Title\n", "evil.so", "high"),
        ("vocab", b"cevil\nrun\nabc\n", "evil.py", "high"),
        ("labels.txt", b"cats\ndogs\nNewt\nbirds\n", "evil.py", "note"),
        ("vocab.bin", b"cats\ndogs\nbirds\n", "evil.py", "note"),
        ("labels.txt", b"cats and\ndogs\n", "evil.py", ""),
    ],
)
def test_texts_that_a_pickle_loader_takes_for_an_import(name: str, text: bytes, beside: str, severity: str) -> None:
    findings = found(CrossFile, {name: text, beside: b"print(1)\n"})
    assert {rule: f.severity.label for rule, f in findings.items()} == ({"text-imports": severity} if severity else {})
