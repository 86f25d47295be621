"""Every reader of hostile bytes against mutated files: refused or read, soon, within memory, and always the same."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import ContentError
from tests.support import fuzz
from tests.support.fuzz_parsers import PARSERS, AsOnDisk

ROOT = Path(__file__).resolve().parent.parent.parent
INPUTS = 1000  # `make fuzz` runs a million
GROWTH_BYTES = 128 << 20  # of the process, over all inputs: inputs are below 100 kB, members expand to 16 MiB at most
SLOW = {"python": 500, "template": 500, "shell": 750}  # a millisecond or more each


def child(*arguments: str, hash_seed: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fuzz", *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def again() -> dict[str, str]:
    """Of every parser the digest of its first inputs, under another hash seed."""
    digests: dict[str, str] = child(hash_seed="2")
    return digests


@pytest.mark.parametrize("name", [parser.name for parser in PARSERS])
def test_mutated_inputs_are_read_or_refused_and_the_same_under_another_hash_seed(
    name: str, again: dict[str, str]
) -> None:
    count = SLOW.get(name, INPUTS)
    result = child(name, "0", str(count), hash_seed="1")
    assert result["crashes"] == []
    assert result["inputs"] == count
    assert result["memory_bytes"] < GROWTH_BYTES
    assert result["read"] > count // 100, "the mutations break everything: nothing behind the first check is reached"
    assert result["first_digest"] == again[name]


def test_every_reader_is_registered() -> None:
    defined, readers = set(), set()
    for room in ("formats", "sourcecode"):
        for path in sorted((ROOT / "src/assay" / room).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT / "src/assay").with_suffix("").parts)
            for node in ast.parse(path.read_bytes()).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    defined.add(f"{module}.{node.name}")
                if isinstance(node, ast.FunctionDef) and node.name.startswith(("read_", "find_", "sniff")):
                    readers.add(f"{module}.{node.name}")
    covered = {name for parser in PARSERS for name in parser.covers}
    assert covered <= defined, "the registry names readers that are gone"
    missing = readers - covered
    assert not missing, f"add a line to tests/support/fuzz_parsers.py for {sorted(missing)}"


def test_names_are_unique() -> None:
    assert len({parser.name for parser in PARSERS}) == len(PARSERS)


def test_input_numbers_name_the_same_bytes() -> None:
    parser = fuzz.parser_named("gguf")
    seeds = list(parser.seeds())
    assert [fuzz.mutation(parser, seeds, n) for n in range(200)] == [
        fuzz.mutation(parser, seeds, n) for n in range(200)
    ]
    assert len({fuzz.mutation(parser, seeds, n) for n in range(len(seeds), len(seeds) + 200)}) > 150


# The harness must be able to fail: each kind of misbehaviour is seen.


def _loop(_: bytes) -> None:
    while True:
        pass


def _grow(_: bytes) -> int:
    return len(bytearray(1 << 30))


def _raise(_: bytes) -> None:
    raise KeyError("x")


def _refuse(_: bytes) -> None:
    raise ContentError("x")


MISBEHAVIOUR = {"loop": _loop, "grow": _grow, "raise": _raise, "refuse": _refuse}
PROBE = """
import sys, json, dataclasses
from tests.support import fuzz
from tests.fuzz.test_parsers import MISBEHAVIOUR
fuzz.INPUT_CPU_SECONDS = 0.2
kind = sys.argv[1]
parser = fuzz.Parser(kind, MISBEHAVIOUR[kind], lambda: [b"a"], (), total=kind == "refuse")
print(json.dumps(dataclasses.asdict(fuzz.run(parser, 0, 2))))
"""


@pytest.mark.parametrize(
    ("kind", "told"),
    [("loop", "OutOfTime"), ("grow", "MemoryError"), ("raise", "KeyError"), ("refuse", "ContentError")],
)
def test_misbehaviour_is_told(kind: str, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, kind], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    result = json.loads(done.stdout)
    assert result["crashed"] == 2
    assert all(told in text for _, text in result["crashes"])


def test_a_refusal_is_no_crash() -> None:
    parser = replace(PARSERS[1], run=_refuse)
    assert fuzz.outcome(parser, b"x") == ("refused", "x")


def test_streams_answer_as_files_do() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        AsOnDisk(b"x").seek(1 << 62)
    with pytest.raises(MemoryError):
        AsOnDisk(b"x").read(1 << 62)
    assert AsOnDisk(b"xy").read(5) == b"xy"
