"""`make fuzz` goes on where it was, tells apart what met other code, and its table says what was really run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "bench"))

import fuzz as bench


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(bench, "STATE", tmp_path / "state.json")
    monkeypatch.setattr(bench, "STRETCH", 100)
    return tmp_path / "state.json"


def test_a_run_goes_on_where_it_was(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, int, int]] = []
    real = bench.stretch

    def counted(name: str, start: int, count: int) -> dict[str, Any]:
        ran.append((name, start, count))
        return real(name, start, count)

    monkeypatch.setattr(bench, "stretch", counted)
    bench.run(["npy"], 150, 2, bench.load())
    bench.run(["npy"], 250, 1, bench.load())
    assert ran == [("npy", 0, 100), ("npy", 100, 50), ("npy", 150, 100)]
    entry = json.loads(kept.read_text())["npy"]
    assert entry["inputs"] == 250
    assert entry["crashed"] == 0
    assert "src/assay/formats/containers/npy_array.py" in entry["modules"]
    assert "| npy | 250 | 250 |" in bench.report({"npy": entry})


def test_inputs_of_other_code_are_told_apart(kept: Path) -> None:
    bench.run(["npy"], 50, 1, {})
    state = bench.load()
    state["npy"]["code"] = "other"
    assert "| npy | 50 | 0 |" in bench.report(state)
    bench.run(["npy"], 80, 1, state)
    assert "| npy | 80 | 30 |" in bench.report(bench.load())
    assert kept.exists()


def test_a_child_that_dies_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    state: bench.State = {}
    bench.add(state, "npy", bench.stretch("no-such-parser", 0, 10))
    assert state["npy"]["crashed"] == 1
    assert "inputs 0 to 9" in state["npy"]["crashes"][0][1]
    assert "1 crashes" in bench.report(state)


def test_the_table_does_not_claim_more_than_was_run() -> None:
    entry = {"inputs": 5, "read": 1, "crashed": 0, "crashes": [], "slowest_seconds": 0.5, "slowest_input": 3,
             "memory_bytes": 0, "modules": [], "code": "", "of_code": 0, "date": "2026-01-01"}  # fmt: skip
    text = bench.report({"npy": entry})
    assert "at least 5 for each parser" in text
    assert "what was really run" in text
    assert "| npy | 5 | 0 |" in text
    assert "Not run yet: sniff" in text
