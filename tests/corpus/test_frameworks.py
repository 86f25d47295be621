"""The part of the corpus that needs frameworks beyond the test extra, two versions each (`make test-all`)."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from . import build, detection, environments, oracle
from .detection import CLEAN, INCONCLUSIVE, NOTED
from .sample import EXECUTES
from .test_scan_corpus import HARMLESS_FLAGGED_SHARE, HARMLESS_INCONCLUSIVE_SHARE, WANTED

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {
    "hydra", "jsonargparse", "mlflow", "mmengine", "mmengine-build", "bentoml", "bentoml-model", "langchain",
    "langchain-here", "hickle", "msgpack-numpy",
}  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.xdist_group("corpus-frameworks")]


@pytest.fixture(scope="module")
def pythons() -> list[str]:
    """Interpreters with frameworks; made on first use from hash-checked constraints."""
    for name in environments.names("corpus"):
        if name not in environments.HEAVY:
            environments.ensure("corpus", name)
    return environments.existing("corpus")


@pytest.fixture(scope="module")
def harmless(pythons: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("frameworks")
    entries, absent = build.write_harmless(folder, pythons)
    print("frameworks of no environment:", _nowhere(absent, entries))
    return folder, entries


def _nowhere(absent: dict[str, str], entries: list[dict[str, Any]]) -> set[str]:
    there = {entry["path"].split("/")[1].rpartition("-")[0] for entry in entries}
    return {name.partition(" ")[0] for name in absent} - there


def test_hostile_files_execute_with_the_loaders_of_these_environments(
    pythons: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    entries = [e for e in build.write(build.hostile_samples(), folder) if e["loader"] and not e.get("absent")]
    ran: set[str] = set()
    for python in pythons:
        results = oracle.run(entries, folder, tmp_path_factory.mktemp("oracle"), python)
        ran |= {path for path, result in results.items() if result.get("executed")}
    beyond = {"pandas", "dill", "keras", "keras-safe", "joblib", *PROGRAMS}
    idle = [e["path"] for e in entries if e["expected"] == EXECUTES and e["loader"] in beyond and e["path"] not in ran]
    assert not idle


def test_harmless_files_load_and_run_nothing(
    harmless: tuple[Path, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, entries = harmless
    by_python: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        if entry["loader"]:
            by_python[entry["python"]].append(entry)
    for python, mine in by_python.items():
        results = oracle.run(mine, folder, tmp_path_factory.mktemp("oracle"), python)
        wrong = {path: result for path, result in results.items() if result.get("executed", False)}
        assert not wrong
        failed = {path: result for path, result in results.items() if result.get("ended", "loaded") != "loaded"}
        assert not failed, json.dumps(failed, indent=1)


def test_harmless_files_are_rarely_flagged(harmless: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, entries = harmless
    verdicts = detection.judge(entries, detection.scan(folder), folder)
    print(detection.table(entries, verdicts, WANTED))
    flagged = [path for path, said in verdicts.items() if said not in (CLEAN, NOTED, INCONCLUSIVE)]
    unclear = [path for path, said in verdicts.items() if said == INCONCLUSIVE]
    assert len(flagged) <= HARMLESS_FLAGGED_SHARE * len(entries), flagged
    assert len(unclear) <= HARMLESS_INCONCLUSIVE_SHARE * len(entries), unclear
