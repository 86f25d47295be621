"""Processes beside the scanning one: the same evidence, whatever becomes of them."""

from __future__ import annotations

import os
import pickle
import signal
from typing import TYPE_CHECKING

import pytest

from assay.inspections import beside, runner
from assay.inspections.pickle import Pickle
from assay.inspections.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from assay.inspections.report import Report


class _Calls:
    def __reduce__(self):
        return (os.getenv, ("HOME",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pickles that are large enough, one of them hostile, one cut off; a small one; a card."""
    filling = [f"{number:09}" for number in range(40_000)]
    for number in range(4):
        value = [filling, _Calls()] if number == 2 else filling
        data = pickle.dumps(value)
        (tmp_path / f"model-{number}.pkl").write_bytes(data[:-100] if number == 3 else data)
    (tmp_path / "small.pkl").write_bytes(pickle.dumps(_Calls()))
    (tmp_path / "README.md").write_text("# a model\n")
    return tmp_path


@pytest.fixture(autouse=True)
def from_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_BESIDE_FROM_BYTES", 1 << 20)


def _said(report: Report) -> list:
    return [evidence.to_json() for scanned in report.snapshots for evidence in scanned.evidence]


@pytest.fixture
def alone(folder: Path) -> list:
    return _said(scan([str(folder)]))


def test_the_evidence_is_the_same(folder: Path, alone: list, monkeypatch: pytest.MonkeyPatch):
    taken: list[str] = []
    take = beside.Beside.take

    def watched(self, entry):
        said, seconds = take(self, entry)
        taken.append(entry.path) if said else None
        return said, seconds

    monkeypatch.setattr(beside.Beside, "take", watched)
    assert _said(scan([str(folder)], processes=2)) == alone
    assert taken == ["model-0.pkl", "model-1.pkl", "model-2.pkl"]  # what is incomplete is done here


def test_facts_of_a_whole_run_come_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All pickles are large, so that the first process traces nothing; each of the others loses its child once."""
    filling = [f"{number:09}" for number in range(60_000)]
    for number in range(2):
        (tmp_path / f"model-{number}.pkl").write_bytes(pickle.dumps(filling))
    alone = {e.inspector: e for e in scan([str(tmp_path)]).snapshots[0].evidence}["pickle"]
    finish = Pickle.finish

    def restarted(self, out):
        self._tracer.restarts += 1
        finish(self, out)

    monkeypatch.setattr(Pickle, "finish", restarted)
    beside_us = {e.inspector: e for e in scan([str(tmp_path)], processes=2).snapshots[0].evidence}["pickle"]
    assert beside_us.facts["sandbox"] == alone.facts["sandbox"]
    assert beside_us.facts["tracer_restarts"] in {1, 2}  # one process may have been quick enough for both
    assert beside_us.findings == alone.findings


def test_what_held_in_one_process_only_did_not_hold():
    facts = {"sandbox": {"seccomp": True, "rlimits": True}, "tracer_restarts": 1}
    beside.join(facts, {"sandbox": {"seccomp": False, "reason": "x"}, "tracer_restarts": 2, "other": 3})
    assert facts == {
        "sandbox": {"seccomp": False, "rlimits": True, "reason": "x"}, "tracer_restarts": 3, "other": 3
    }  # fmt: skip


def test_what_a_process_leaves_undone_is_done_here(folder: Path, alone: list, monkeypatch: pytest.MonkeyPatch):
    parent, file = os.getpid(), runner._Session.file

    def deadly(self, entry):
        if entry.path == "model-1.pkl" and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return file(self, entry)

    monkeypatch.setattr(runner._Session, "file", deadly)
    assert _said(scan([str(folder)], processes=2)) == alone


def test_a_caller_that_gives_up_leaves_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch):
    forked: list[int] = []
    fork = os.fork

    def noted() -> int:
        forked.append(fork())
        return forked[-1]

    monkeypatch.setattr(os, "fork", noted)

    parent, file = os.getpid(), runner._Session.file

    def stopped(self, entry):
        if entry.path == "model-1.pkl" and os.getpid() == parent:
            raise KeyboardInterrupt
        file(self, entry)

    monkeypatch.setattr(runner._Session, "file", stopped)
    with pytest.raises(KeyboardInterrupt):
        scan([str(folder)], processes=2)
    assert len(forked) == 2
    for child in forked:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_results_from_beside_are_kept(folder: Path, alone: list, tmp_path_factory: pytest.TempPathFactory):
    kept = tmp_path_factory.mktemp("cache")
    for _ in range(2):
        assert _said(scan([str(folder)], processes=2, cache_folder=kept)) == alone
