"""The queue of what waits to be vetted, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from assay.core.errors import UsageError
from assay.registry.queue import DONE, HUB, RUNNING, SNAPSHOT, WAITING, WorkQueue
from assay.store.index import Index
from tests.support.databases import postgres

__all__ = ["postgres"]

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def nobody_died(_holder: str) -> bool:
    return False


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def queue(request, tmp_path):
    url = (
        request.getfixturevalue("postgres").new_database()
        if request.param == "postgresql"
        else f"sqlite:///{tmp_path / 'i.sqlite'}"
    )
    index = Index.open(url)
    yield WorkQueue(index)
    index.close()


def test_the_most_urgent_goes_first_then_whoever_came_first(queue):
    for name, priority in (("a/one", 0), ("a/two", 5), ("a/three", 5)):
        queue.ask(HUB, name, name, asked_by="ann", priority=priority)
    taken = []
    while item := queue.claim("me", nobody_died, NOW):
        taken.append(item.name)
    assert taken == ["a/two", "a/three", "a/one"]
    assert {item.state for item in queue.waiting()} == {RUNNING}


def test_asking_twice_for_the_same_is_one_item_and_the_higher_priority_holds(queue):
    first = queue.ask(HUB, "a/one", "a/one", asked_by="ann", now=NOW)
    second = queue.ask(HUB, "a/one", "a/one", asked_by="bob", priority=7, now=NOW + timedelta(hours=1))
    assert (second.seq, second.priority, second.asked_by) == (first.seq, 7, "ann")
    item = queue.claim("me", nobody_died)
    queue.end(item, DONE, "ADMIT", "")
    assert queue.ask(HUB, "a/one", "a/one", asked_by="bob").seq != first.seq
    assert [one.state for one in queue.about("a/one")] == [WAITING, DONE]


def test_what_a_dead_process_had_is_given_out_again_and_its_end_is_not_believed(queue):
    queue.ask(SNAPSHOT, "sha256:" + "a" * 64, "a/one", asked_by="ann")
    lost = queue.claim("dead", nobody_died)
    assert queue.claim("me", nobody_died) is None
    again = queue.claim("me", lambda holder: holder == "dead")
    assert (again.seq, again.holder) == (lost.seq, "me")
    queue.end(lost, DONE, "ADMIT", "")
    assert queue.get(lost.seq).state == RUNNING
    queue.end(again, DONE, "REJECT", "because")
    assert (queue.get(lost.seq).outcome, queue.get(lost.seq).detail) == ("REJECT", "because")


def test_many_at_once_never_take_the_same(queue):
    for number in range(24):
        queue.ask(HUB, f"a/m{number}", f"a/m{number}", asked_by="ann")

    def work(holder: str) -> list[int]:
        taken = []
        while item := queue.claim(holder, nobody_died):
            taken.append(item.seq)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [seq for one in pool.map(work, "abcd") for seq in one]
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 24


def test_depth_and_refusals(queue):
    assert queue.depth() == (0, None)
    queue.ask(HUB, "a/one", "a/one", asked_by="ann", now=NOW)
    queue.ask(HUB, "a/two", "a/two", asked_by="ann", now=NOW + timedelta(hours=1))
    assert queue.depth() == (2, NOW)
    assert queue.waiting()[0].to_json()["asked_at"] == "2026-05-01T12:00:00Z"
    with pytest.raises(UsageError):
        queue.ask("path", "/etc", "a/one", asked_by="ann")
    with pytest.raises(UsageError):
        queue.ask(HUB, "a/one", "../x", asked_by="ann")
