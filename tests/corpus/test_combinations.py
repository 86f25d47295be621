"""Every payload in every container is flagged, and the call named: a sample in `make test`, all in `make test-all`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.core.finding import Severity
from assay.inspections.scan import scan

from .combinations import CONTAINERS, PAYLOADS, named, pickle_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_STEP = 13  # no divisor of the number of containers or payloads: every row and column is met


def _missed(folder: Path, pairs: Iterable[tuple[str, str]]) -> list[str]:
    made: dict[str, str] = {}
    for number, (payload, container) in enumerate(pairs):
        path = folder / f"{number:05}" / container
        path.parent.mkdir()
        path.write_bytes(
            CONTAINERS[container](pickle_of(payload, 4 if number % 2 or "." in payload.partition(":")[2] else 2))
        )
        made[str(path)] = payload
    missed = []
    for target in scan([str(folder)]).targets:
        serious = [f for f in target.findings if f.severity >= Severity.MEDIUM]
        text = " ".join(f.message + str(f.facts) for f in serious)
        if named(made.pop(target.path)) not in text:
            missed.append(f"{target.path}: {[f.message for f in serious]}")
    return missed + list(made)


def test_a_sample_of_all_combinations_is_flagged_by_name(tmp_path: Path) -> None:
    pairs = [(payload, container) for payload in PAYLOADS for container in CONTAINERS]
    assert _missed(tmp_path, pairs[::_STEP]) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_combinations_are_flagged_by_name(tmp_path: Path) -> None:
    assert _missed(tmp_path, ((payload, container) for payload in PAYLOADS for container in CONTAINERS)) == []
