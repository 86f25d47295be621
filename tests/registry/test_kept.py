"""Figures of a large index are kept for a while, those of a small one never; the census counts only what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from assay.core.verdict import format_time
from assay.registry.catalog import Catalog
from assay.registry.census import Census
from assay.registry.kept import LARGE, Kept
from assay.registry.queue import HUB, WorkQueue
from assay.registry.teams import Unseen
from assay.store.blobs import open_blobs
from assay.store.schema import revisions
from tests.support import admitted
from tests.support.admitted import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from assay.store.index import Index


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("assay.registry.kept.time.monotonic", lambda: now[0])
    return now


class Counting:
    """Takes half a second, and gives the number of times it was asked."""

    def __init__(self, clock: list[float]) -> None:
        self.clock, self.times = clock, 0

    def __call__(self) -> int:
        self.clock[0] += 0.5
        self.times += 1
        return self.times


def test_little_is_counted_anew_each_time(clock: list[float]) -> None:
    kept, count = Kept(), Counting(clock)
    assert [kept.figure("names", None, count, rows=LARGE - 1, state=7) for _ in range(3)] == [1, 2, 3]


def test_much_is_kept_twenty_times_as_long_as_it_took(clock: list[float]) -> None:
    kept, count = Kept(), Counting(clock)
    assert kept.figure("days", None, count, rows=LARGE) == 1
    clock[0] += 9.9
    assert kept.figure("days", None, count, rows=LARGE) == 1
    clock[0] += 0.2
    assert kept.figure("days", None, count, rows=LARGE) == 2


def test_what_follows_from_the_log_is_kept_while_the_log_stays(clock: list[float]) -> None:
    kept, count = Kept(), Counting(clock)
    for _ in range(2):
        assert kept.figure("names", None, count, rows=LARGE, state=7) == 1
        clock[0] += 1000
    assert kept.figure("names", None, count, rows=LARGE, state=8) == 2


def test_figures_are_kept_for_those_who_see_the_same(clock: list[float]) -> None:
    kept, count = Kept(), Counting(clock)
    patterns = (("risk/*", "risk"), ("ops/*", "ops"))
    mine, same, other = (Unseen(patterns, frozenset(teams)) for teams in (["risk"], ["risk"], ["ops"]))
    later = Unseen((*patterns, ("more/*", "risk")), frozenset({"risk"}))
    asked = [kept.figure("names", who, count, rows=LARGE) for who in (None, mine, same, other, later, None)]
    assert asked == [1, 2, 2, 3, 4, 1]
    assert [one("risk/m") for one in (mine, other)] == [False, True]
    assert not mine("free/m")


def test_the_census_counts_what_came_since_and_gets_what_counting_all_gets(index: Index, tmp_path: Path) -> None:
    blobs, catalog, going = open_blobs(tmp_path / "blobs"), Catalog(index), Census(index)

    def store(content: bytes) -> admitted.Snapshot:
        return admitted.store(index, blobs, {"config.json": content}, "org/m")

    def publish(name: str, content: bytes) -> None:
        subject = store(content)
        judged = admitted.verdict(subject)
        catalog.publish(name, subject.id, judged, admitted.chain(subject, judged, name), NOW, blobs=blobs)

    def unsigned(name: str, content: bytes) -> None:
        row = {"name": name, "revision": content.hex(), "parent": "", "snapshot_id": store(content).id.hex}
        with index.transaction() as tx:
            tx.execute(insert(revisions).values(**row, published_at=format_time(NOW)))

    steps = (
        lambda: publish("org/a", b"1"),
        lambda: publish("org/a", b"2"),
        lambda: unsigned("org/b", b"3"),
        lambda: WorkQueue(index).ask(HUB, "org/c", "org/c", asked_by="ann", now=NOW),
        lambda: publish("org/c", b"3"),  # signs what is in org/b too
        lambda: unsigned("org/d", b"4"),
    )
    found = []
    for step in steps:
        step()
        found.append(going.read())
        assert found[-1] == Census(index).read() == going.read()
    assert [one["unsigned_revisions"] for one in found] == [0, 0, 1, 1, 0, 1]
    assert [one["unvetted_models"] for one in found] == [0, 0, 0, 1, 0, 0]
    assert (found[-1]["models"], found[-1]["revisions"]) == (4, 5)
