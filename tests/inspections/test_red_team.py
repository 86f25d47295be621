"""Classes of bypasses that an adversary of our own found, end to end through `scan`. Every payload is harmless."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import pytest

from assay.core.finding import Finding, Severity
from assay.formats.pickle.events import Trace
from assay.inspections.pickle_judgement import Judge
from assay.inspections.scan import scan
from tests.support import pickle_asm as asm

CALL = asm.call("posix", "system", "true")


def findings(tmp_path: Path, data: bytes, name: str = "model.pkl") -> list[Finding]:
    path = tmp_path / name
    path.write_bytes(data)
    report = scan([str(path)])
    return [finding for target in report.targets for finding in target.findings]


def named(found: list[Finding], call: str = "posix.system") -> bool:
    return any(f.severity >= Severity.MEDIUM and call in f.message for f in found)


def npy(descr: str, body: bytes) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


@pytest.mark.parametrize(
    "descr",
    ["'|O'", "'O'", "'object'", "'object_'", "'i4,O'", "'O,i4'", "'3O'", "'<M8[ns],O,<M8[ns]'", "('O', (2,))",
     "[('a', '<i4'), ('b', [('c', 'object')])]"],
)  # fmt: skip
def test_every_spelling_of_an_object_dtype_is_followed(tmp_path: Path, descr: str) -> None:
    assert named(findings(tmp_path, npy(descr, asm.pickle(CALL, proto=2)), "array.npy"))


def load_from_bytes(*argument: bytes) -> bytes:
    return asm.GLOBAL("torch.storage", "_load_from_bytes") + b"".join(argument) + asm.TUPLE1 + asm.REDUCE


def latin1(data: bytes) -> bytes:
    return asm.call("_codecs", "encode", data.decode("latin-1"), "latin1")


@pytest.mark.parametrize("padding", [0, 10_000])
def test_a_nested_pickle_that_protocol_2_writes_as_text_is_followed(tmp_path: Path, padding: int) -> None:
    inner = asm.pickle(asm.BINBYTES(bytes(padding)), asm.POP, CALL, proto=2)
    assert named(findings(tmp_path, asm.pickle(load_from_bytes(latin1(inner)), proto=2)))
    harmless = asm.pickle(asm.BINBYTES(bytes(padding)), proto=2)
    assert not findings(tmp_path, asm.pickle(load_from_bytes(latin1(harmless)), proto=2))


def test_a_nested_pickle_that_is_computed_is_reported(tmp_path: Path) -> None:
    inner = asm.pickle(CALL, proto=2)
    computed = asm.GLOBAL("builtins", "bytes") + asm.value((list(inner),)) + asm.REDUCE
    assert named(findings(tmp_path, asm.pickle(load_from_bytes(computed))), "_load_from_bytes")


def test_nesting_beyond_the_limit_is_reported(tmp_path: Path) -> None:
    data = asm.pickle(CALL, proto=2)
    for _ in range(9):
        data = asm.pickle(load_from_bytes(asm.BINBYTES(data)), proto=2)
    assert named(findings(tmp_path, data), "_load_from_bytes")


@pytest.mark.parametrize(
    "lead", [b"I5\0\n0", b"I5\0junk\n0", b"L5\0xL\n0", b"F1.0\0junk\n0", b"I\t5\n0", b"Np5\0a\n0g5\0b\n0"]
)
def test_numbers_as_the_c_unpickler_reads_them(tmp_path: Path, lead: bytes) -> None:
    assert named(findings(tmp_path, asm.pickle(lead, CALL), "weights.bin"))


# 160,000 repeated bytes and a call, by lz4.frame.compress(block_size=BLOCKSIZE_MAX64KB, block_linked=True)
LZ4_FRAME = (
    "c-mu8@|Ey#P%LC(009<pMh1raP7FY9Vp4KSYFc^*2gCmn4sHjeX8=Qk3m7!~KSp|B{C@!njmf~&!ao3MBl!cbL2^NUab^Wqab<ByYA%;X1PjnDB}JvF"
    "B|&<iL<|5FCx}o"
)


def test_lz4_as_joblib_writes_it_is_expanded(tmp_path: Path) -> None:
    data = zlib.decompress(base64.b85decode(LZ4_FRAME))
    assert named(findings(tmp_path, data, "model.joblib"))
    assert named(findings(tmp_path, data[:-4] + b"\xff\xff\xff\xff", "broken.joblib"))


@pytest.mark.parametrize(
    ("text", "named_in"),
    [
        ("a: !!%70ython/object/apply:os.system ['true']\n", "os.system"),
        ("%TAG !p! tag:yaml.org,2002:py\n---\n!p!thon/object/apply:os.system ['true']\n", "%TAG"),
        ("a: {_target_: os.system, command: 'true'}\n", "os.system"),
        ("a:\n  _target_: torch.hub.load\n  repo_or_dir: x/y\n", "torch.hub.load"),
    ],
)
def test_spellings_of_objects_and_targets_in_yaml(tmp_path: Path, text: str, named_in: str) -> None:
    assert named(findings(tmp_path, text.encode(), "config.yaml"), named_in)


def test_ordinary_yaml_is_clean(tmp_path: Path) -> None:
    text = b"# 100%ab\nmodel:\n  _target_: torch.nn.Linear\n  in_features: 2\nurl: http://x/%20y\nlr: 1e-3\n"
    assert all(f.severity < Severity.MEDIUM for f in findings(tmp_path, text, "config.yaml"))


def test_a_call_behind_thousands_of_pickles_in_a_row(tmp_path: Path) -> None:
    assert named(findings(tmp_path, b"N." * 15_000 + asm.pickle(CALL)))


def test_classes_that_legacy_torch_files_name_by_persistent_id(tmp_path: Path) -> None:
    def module(name: bytes) -> bytes:
        return asm.MARK + asm.value("module") + name + asm.value("x.py") + asm.value("") + asm.TUPLE + asm.BINPERSID

    known = module(asm.GLOBAL("collections", "OrderedDict")) + asm.EMPTY_TUPLE + asm.NEWOBJ
    assert not findings(tmp_path, asm.pickle(known, proto=2))
    hidden = module(asm.GLOBAL("posix", "system")) + asm.value(("true",)) + asm.REDUCE
    assert named(findings(tmp_path, asm.pickle(hidden, proto=2)))


def test_honest_pickles_in_a_row_with_memoize_are_clean(tmp_path: Path) -> None:
    first = asm.pickle(asm.value("long"), asm.MEMOIZE, proto=4)
    second = asm.pickle(
        asm.GLOBAL("collections", "OrderedDict"), asm.MEMOIZE, asm.POP, asm.BINGET(0), asm.EMPTY_TUPLE, asm.REDUCE,
        proto=4,
    )  # fmt: skip
    assert not [f for f in findings(tmp_path, first + second) if f.severity >= Severity.MEDIUM]


def test_a_zip_that_can_be_read_as_a_persistent_id_is_no_pickle(tmp_path: Path) -> None:
    data = b"PK\x03\x04" + bytes(22) + b"\n" + bytes(40) + b"PK\x05\x06" + bytes(18)
    assert "pickle-incomplete" not in {f.rule for f in findings(tmp_path, data, "weights.bin")}


def test_what_was_found_before_a_fault_of_ours_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fails_later(judge: Judge, trace: Trace) -> None:
        calls.append(trace)
        if len(calls) > 1:
            raise KeyError("a fault")
        judge_first(judge, trace)

    judge_first = Judge.judge
    monkeypatch.setattr(Judge, "judge", fails_later)
    assert named(findings(tmp_path, asm.pickle(CALL) + asm.pickle(CALL)))
