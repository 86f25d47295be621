"""What `assay scan` says about the whole corpus: nothing that runs is clean, and the call is named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from . import build, detection
from .detection import CLEAN, ERROR, FLAGGED, INCONCLUSIVE, NAMED, NOTED
from .sample import ABUSES, EXECUTES, HARMLESS, MALFORMED

pytestmark = [pytest.mark.timeout(1800), pytest.mark.xdist_group("corpus-scan")]

NAMED_SHARE = 0.97  # of everything that executes; inconclusive is not a way out
HARMLESS_FLAGGED_SHARE = 0.03  # at medium or above
HARMLESS_INCONCLUSIVE_SHARE = 0.02
MINIMUM_HARMLESS = 120
WANTED = {
    EXECUTES: {NAMED},
    ABUSES: {NAMED, FLAGGED, NOTED, INCONCLUSIVE},
    MALFORMED: {NAMED, FLAGGED, INCONCLUSIVE, NOTED},
    HARMLESS: {CLEAN, NOTED},
}


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, str]]:
    folder: Path = tmp_path_factory.mktemp("scanned")
    entries = [e for e in build.write(build.hostile_samples(), folder) if not e.get("absent")]
    verdicts = detection.judge(entries, detection.scan(folder), folder)
    print(detection.table(entries, verdicts, WANTED))
    return entries, verdicts


def _known_misses() -> set[str]:
    lines = Path(__file__).with_name("known_misses.txt").read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


def _of(scanned: tuple[list[dict[str, Any]], dict[str, str]], expected: str) -> dict[str, str]:
    entries, verdicts = scanned
    return {e["path"]: verdicts[e["path"]] for e in entries if e["expected"] == expected}


def test_nothing_that_executes_is_clean(scanned: tuple[list[dict[str, Any]], dict[str, str]]) -> None:
    missed = {path: said for path, said in _of(scanned, EXECUTES).items() if said in (CLEAN, NOTED, ERROR)}
    assert not missed


def test_the_call_is_named_for_almost_everything_that_executes(
    scanned: tuple[list[dict[str, Any]], dict[str, str]],
) -> None:
    said = _of(scanned, EXECUTES)
    weak = {path: verdict for path, verdict in said.items() if verdict != NAMED}
    assert 1 - len(weak) / len(said) >= NAMED_SHARE, weak


def test_what_abuses_a_loader_without_running_code_is_flagged(
    scanned: tuple[list[dict[str, Any]], dict[str, str]],
) -> None:
    said = _of(scanned, ABUSES)
    missed = {path for path, verdict in said.items() if verdict in (CLEAN, ERROR)}
    assert missed == _known_misses()


def test_broken_content_is_never_clean_and_never_an_error(
    scanned: tuple[list[dict[str, Any]], dict[str, str]],
) -> None:
    missed = {path: said for path, said in _of(scanned, MALFORMED).items() if said in (CLEAN, ERROR)}
    assert not missed


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("harmless")
    entries, _ = build.write_harmless(folder, [sys.executable])
    verdicts = detection.judge(entries, detection.scan(folder), folder)
    print(detection.table(entries, verdicts, WANTED))
    return verdicts


def test_harmless_files_are_rarely_flagged(harmless: dict[str, str]) -> None:
    assert len(harmless) >= MINIMUM_HARMLESS
    flagged = [path for path, said in harmless.items() if said not in (CLEAN, NOTED, INCONCLUSIVE)]
    assert len(flagged) <= HARMLESS_FLAGGED_SHARE * len(harmless), flagged


def test_harmless_files_are_rarely_inconclusive(harmless: dict[str, str]) -> None:
    unclear = [path for path, said in harmless.items() if said == INCONCLUSIVE]
    assert len(unclear) <= HARMLESS_INCONCLUSIVE_SHARE * len(harmless), unclear
