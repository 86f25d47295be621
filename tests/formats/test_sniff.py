"""Content decides what a file is; the name only adds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import resource
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from assay.formats.sniff import HEAD_BYTES, TAIL_BYTES, extension, sniff


def formats(data: bytes, name: str = "x.bin") -> tuple[str, ...]:
    return sniff(data[:HEAD_BYTES], data[-TAIL_BYTES:], len(data), name).formats


class _Calls:
    def __reduce__(self):
        return (print, ("hello",))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [_Calls(), {"a": [1, 2.5, "x"], "b": (None, True)}, None, "text", 10**40])
def test_every_pickle_protocol_is_a_pickle(protocol, value):
    assert "pickle" in formats(pickle.dumps(value, protocol), "evil.weights")


@pytest.mark.parametrize(
    "data",
    [
        b"I0x10\n0cos\nsystem\n(S'x'\ntR.",
        b"N.cos\nsystem\n(S'x'\ntR.",
        b"N0" * 50_000 + b"cos\nsystem\n(S'x'\ntR.",
        b"V" + b"a" * 200_000 + b"\n0cos\nsystem\n(S'x'\ntR.",
        b"(S'x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'x'\no.",
        b"cos\nsystem\n(S'x'\ntR\xff broken afterwards",
        b"(0cos\nsystem\n(S'x'\ntR.",
        b"I" + b"0" * 100_000 + b"1\n0cos\nsystem\n(S'x'\ntR.",
        b"N0V" + b"a" * 100_000 + b"\n0cos\nsystem\n(S'x'\ntR.",
        b"I1\0 what the C unpickler does not read\n0cos\nsystem\n(S'x'\ntR.",
        b"cos\n" + b"a" * 70_000 + b"\n.",
    ],
)
def test_disguised_pickles_are_pickles(data):
    assert "pickle" in formats(data)


@pytest.mark.parametrize(
    "data",
    [
        b"cat\ndog\nelephant\n",
        b"V1.0 of this\nis a text\n",
        b"(in-package :foo)\n(defun x)\n",
        b"import os\nprint(1)\n",
        b"N.B. this is a note\n",
        b"# heading\n",
        b"MZ is no program by itself\n",
        b"[1, 2, 3]",
        b"PK\x03\x04\x14\0\xce\xfb\n\x80\x04}.",  # `P` is an opcode too, but takes ASCII only
    ],
)
def test_text_is_no_pickle(data):
    assert "pickle" not in formats(data, "notes.txt")
    assert "pe" not in formats(data, "notes.txt")


def test_archives_and_streams():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    assert formats(buffer.getvalue()) == ("zip",)
    assert "zip" in formats(b"prepended bytes" * 10 + buffer.getvalue())
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    assert formats(tar.getvalue()) == ("tar",)
    old = bytearray(tar.getvalue())
    old[257:265] = bytes(8)  # no ustar magic: the old format, known by its checksum alone
    old[148:156] = b"%06o\0 " % sum(old[:148] + b" " * 8 + old[156:512])
    assert formats(bytes(old)) == ("tar",)
    text = b"hello " * 100
    assert formats(gzip.compress(text)) == ("gzip",)
    assert formats(bz2.compress(text)) == ("bzip2",)
    assert formats(lzma.compress(text)) == ("xz",)
    assert formats(lzma.compress(text, format=lzma.FORMAT_ALONE)) == ("lzma",)
    assert formats(zlib.compress(text)) == ("zlib",)


def test_a_dictionary_that_a_header_asks_for_is_not_allocated():
    whole = lzma.compress(b"hello " * 100, format=lzma.FORMAT_ALONE)
    largest = whole[:1] + b"\xff\xff\xff\xff" + whole[5:]
    before = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (512 << 20), before[1]))
    try:
        assert formats(largest) == ("lzma",)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_old_lzma_with_other_properties():
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 1, "lc": 2, "lp": 1, "pb": 1}]
    assert formats(lzma.compress(b"hello " * 100, format=lzma.FORMAT_ALONE, filters=filters)) == ("lzma",)


def test_numpy():
    one, many = io.BytesIO(), io.BytesIO()
    np.save(one, np.zeros(3))
    np.savez(many, a=np.zeros(3))
    assert formats(one.getvalue()) == ("npy",)
    assert formats(many.getvalue()) == ("npz", "zip")


def test_polyglot_has_both_readings():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    assert set(formats(pickle.dumps(_Calls(), 0) + buffer.getvalue())) >= {"pickle", "zip"}


def test_safetensors_and_text_kinds():
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    assert formats(len(header).to_bytes(8, "little") + header + bytes(4)) == ("safetensors",)
    assert formats(b'{"a": 1}', "config.json") == ("json", "text")
    assert formats(b"import os\n", "x.txt") == ("python", "text")
    assert formats(b"x = 1\n", "x.py") == ("python", "text")
    assert formats(b"#!/bin/sh\nls\n", "run") == ("shell", "text")
    assert formats(b"{% if x %}{{ x }}{% endif %}", "chat_template.jinja") == ("jinja", "text")
    assert formats(b'{"cells": [], "nbformat": 4}', "x.ipynb") == ("notebook", "json", "text")
    assert formats(b"<PMML xmlns='x'></PMML>", "x.pmml") == ("pmml", "xml", "text")
    assert formats(b"FROM x\nRUN curl a | sh\n", "Dockerfile") == ("shell", "dockerfile", "text")
    assert formats(b"import numpy\n", "x.pyx") == ("cython", "text")
    assert formats(b"!<arch>\n\0\1") == ("object-archive",)
    assert formats("grüße\n".encode(), "README.md") == ("markdown", "text")
    assert formats(b"") == ("empty",)
    assert formats(bytes(range(256)) * 4) == ()


def test_disagreement_with_the_extension():
    data = pickle.dumps(_Calls(), 2)
    assert sniff(data, data, len(data), "model.safetensors").disagrees
    assert not sniff(data, data, len(data), "model.bin").disagrees
    assert not sniff(data, data, len(data), "model.pkl").disagrees


def test_a_stream_shorter_than_it_says_is_unknown():
    assert sniff(b"", b"", 10, "x").formats == ()


def test_extension():
    assert [extension(n) for n in ("a/b.TAR.gz", "Makefile", ".gitattributes", "x.")] == [
        ".gz",
        "makefile",
        ".gitattributes",
        ".",
    ]


def _bitmap() -> bytes:
    return (
        b"BM"
        + (58).to_bytes(4, "little")
        + bytes(4)
        + (54).to_bytes(4, "little")
        + (40).to_bytes(4, "little")
        + bytes(40)
    )


_ICON = b"\0\0\1\0\1\0" + b"\x10\x10\0\0\1\0\x20\0" + (4).to_bytes(4, "little") + (22).to_bytes(4, "little") + b"data"
_VECTORS = b"2 3\ncat " + bytes(12) + b"\ndog " + bytes(12) + b"\n"
_MAP = b"\x82\xa4name\xa1x\xa4list\x90"


@pytest.mark.parametrize(
    ("data", "name", "reading"),
    [
        (_bitmap(), "x.bmp", "bmp"),
        (_ICON, "x.ico", "ico"),
        (_VECTORS, "vectors.bin", "word-vectors"),
        ((793712314).to_bytes(4, "little") + b"\x0c\0\0\0" + bytes(40), "lid.bin", "word-vectors"),
        (_MAP, "ner/model", "msgpack"),
        (b"\xde\0\2\xd9\4name\xa1x\xa4list\x90", "tokenizer", "msgpack"),
        (b"\x81\xcf" + bytes(8) + b"\1", "vocab/key2row", "msgpack"),
        (b"\x1a\x45\xdf\xa3\x01" + bytes(20), "x.mkv", "matroska"),
        (b"MATLAB 5.0 MAT-file Platform: posix" + bytes(100), "x.mat", "matlab-data"),
        (b"______LightGBM_Binary_File_Token______\n" + bytes(20), "x.bin", "lightgbm-data"),
        (b"\x01\xab\xff\xff\x01" + bytes(20), "x.buffer", "xgboost-data"),
    ],
)  # fmt: skip
def test_weak_marks_count_when_nothing_else_fits(data, name, reading):
    assert formats(data, name) == (reading,)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"BM" + bytes(range(128, 200)), "x.bmp"),
        (b"\0\0\1\0\xff\xff" + bytes(40), "x.ico"),
        (_VECTORS + bytes(5000), "vectors.bin"),
        (b"\x81\xa4na\0e\x01", "model"),
        (b"\x81", "model"),
    ],
)
def test_a_weak_mark_that_does_not_fit_is_none(data, name):
    assert not {"bmp", "ico", "word-vectors", "msgpack"}.intersection(formats(data, name))


def test_a_pickle_that_begins_like_a_picture_is_a_pickle():
    data = b"BM\0\0\0" + b"a" * 77 + b"0cos\nsystem\n(S'x'\ntR."
    assert "pickle" in formats(data, "x.bmp")


@pytest.mark.parametrize(
    "data", [b"<unk>\t0\n<s>\t0\n</s>\t0\n\xe2\x96\x81\t-3.1\n", b"<s>\n<pad>\n</s>\n<unk>\nhello\n", b"<blk> 0\n"]
)
def test_a_vocabulary_is_no_document(data):
    assert formats(data, "spiece.vocab") == ("text",)
    assert "xml" in formats(b"<root>" + data + b"</root>", "x.txt")


@pytest.mark.parametrize("name", ["x.pkl", "x.bin", "x.weights"])
@pytest.mark.parametrize("data", [b"cevil\nrun", b"cevil\nrun\n", b"cevil\nrun\n(Vid\nt"])
def test_a_cut_off_import_is_a_pickle(data, name):
    assert "pickle" in formats(data, name)


def test_a_text_that_begins_like_one_is_still_a_text():
    assert formats(b"cats\ndogs\nNewt\n", "labels.txt") == ("text", "import-line")
    assert "pickle" in formats(b"cats\ndogs\n(Vid\ntR.", "labels.txt")
    assert "pickle" in formats(b"csys\nmodules\nVx\nNs.", "labels.txt")


@pytest.mark.parametrize("name", ["model_best.pth.tar", "a/checkpoint.pt.tar", "x/serialized_state_dict.json"])
def test_names_of_checkpoints_that_end_in_something_else(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/version", "3")
    data = buffer.getvalue()
    assert not sniff(data, data, len(data), name).disagrees
    assert sniff(data, data, len(data), "data.json").disagrees


def test_boosters_kept_with_their_settings_and_event_files_by_name():
    assert formats(b"{L\0\0\0\0\0\0\0\x06Config{}") == ("xgboost-ubj",)
    assert formats(b"\x24\0\0\0\0\0\0\0abcd" * 4, "catboost_info/learn/events.out.tfevents") == ("tensorboard-log",)
