"""Every hostile file that has a loader here really executes; nothing else does.

A file of the corpus proves something only if its payload runs. The loaders run in a child process, under bubblewrap
without network when it is installed (`make test` installs it).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from . import build, oracle
from .sample import EXECUTES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("corpus-oracle")]

# What `make test` installs. A loader outside of it is proven by `make test-all` (tests/corpus/test_frameworks.py).
INSTALLED = {
    "torch",
    "numpy",
    "joblib",
    "sklearn",
    "scipy",
    "transformers",
    "jinja2",
    "yaml",
    "sympy",
    "requests",
    "httpx",
}
MINIMUM_HOSTILE = 150
MINIMUM_PROVEN = 500


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, build.write(build.hostile_samples(), folder)


@pytest.fixture(scope="session")
def results(
    written: tuple[Path, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    folder, entries = written
    able = [e for e in entries if e["loader"] and not e.get("absent")]
    return oracle.run(able, folder, tmp_path_factory.mktemp("oracle"))


def test_every_hostile_file_with_a_loader_executes(
    written: tuple[Path, list[dict[str, Any]]], results: dict[str, dict[str, Any]]
) -> None:
    _, entries = written
    able = [e for e in entries if e["path"] in results and e["expected"] == EXECUTES]
    idle = {e["path"]: results[e["path"]] for e in able if not _ran(results[e["path"]])}
    assert not idle, json.dumps(idle, indent=1)
    proven = sum(results[e["path"]].get("executed", False) for e in able)
    assert proven >= MINIMUM_PROVEN


def test_only_loaders_outside_the_test_extra_are_missing(results: dict[str, dict[str, Any]]) -> None:
    missing = Counter(result["missing"].partition("<")[0] for result in results.values() if result.get("missing"))
    assert not INSTALLED & set(missing), missing


def test_a_hostile_file_without_a_loader_says_why(written: tuple[Path, list[dict[str, Any]]]) -> None:
    _, entries = written
    silent = [e["path"] for e in entries if e["expected"] == EXECUTES and not e["loader"] and not e["unloaded"]]
    assert not silent
    assert sum(e["expected"] == EXECUTES for e in entries) >= MINIMUM_HOSTILE


def test_the_oracle_can_tell_that_nothing_ran(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "quiet.pkl").write_bytes(b"\x80\x02}.")
    marker = f"{build.MARKERS}/quiet"
    entry = {
        "path": "quiet.pkl",
        "loader": "pickle",
        "marker": marker,
        "listens": False,
        "expected": "harmless",
        "needs": [],
    }
    work = tmp_path / "work"
    assert oracle.run([entry], folder, work) == {"quiet.pkl": {"executed": False, "ended": "loaded"}}


@pytest.mark.slow
def test_harmless_files_load_and_run_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    entries, _ = build.write_harmless(folder, [sys.executable])
    work = tmp_path / "work"
    results = oracle.run([e for e in entries if e["loader"]], folder, work)
    assert not {path: result for path, result in results.items() if result.get("executed", False)}
    failed = {path: result for path, result in results.items() if result.get("ended", "loaded") != "loaded"}
    assert not failed, json.dumps(failed, indent=1)


def test_the_generator_is_deterministic(written: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    folder, entries = written
    samples = [s for s in build.hostile_samples() if not s.builder]
    build.write(samples, tmp_path)
    different = [s.path for s in samples if (folder / s.path).read_bytes() != (tmp_path / s.path).read_bytes()]
    assert not different
    assert len(entries) >= len(samples)


def _ran(result: dict[str, Any]) -> bool:
    return bool(result.get("missing")) or bool(result.get("executed"))
