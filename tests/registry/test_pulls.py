"""The pull ledger: who pulled what, by model and by consumer; nothing is lost but a count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from assay.core.digest import Digest
from assay.registry.pulls import Consumer, PullLedger
from assay.store.index import Index
from assay.store.schema_pulls import pulls
from tests.support.databases import postgres

__all__ = ["postgres"]

NOW = datetime(2026, 5, 1, 12, 59, 58, tzinfo=UTC)
SNAPSHOT = Digest("a" * 64)
ANN = Consumer("ann", "", "hf-cli", "127.0.0.1")
CI = Consumer("ci", '{"repository":"org/app"}', "hf", "10.0.0.9")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def index(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'i.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    made = Index.open(url)
    yield made
    made.close()


def pull(ledger, consumer=ANN, *, name="org/model", revision="r" * 40, at=NOW, size=10):
    ledger.record(name, revision, SNAPSHOT, consumer=consumer, size=size, now=at)


def test_a_row_for_each_consumer_revision_and_hour(index):
    ledger = PullLedger(index)
    for at in (NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=3)):
        pull(ledger, at=at)
    pull(ledger, CI)
    pull(ledger, name="org/other")
    rows = ledger.find(name="org/model")
    counted = [(row.consumer.name, row.files, row.bytes) for row in rows]
    assert counted == [("ann", 1, 10), ("ann", 2, 20), ("ci", 1, 10)]  # newest first
    assert rows[1].last_at - rows[1].first_at == timedelta(seconds=1)
    assert {row.name for row in ledger.find(consumer="ann")} == {"org/model", "org/other"}
    assert len(ledger.find(snapshot_id=SNAPSHOT)) == 4
    assert ledger.find(snapshot_id=Digest("b" * 64)) == ()
    assert [row.files for row in ledger.find(since=NOW + timedelta(seconds=2))] == [1]
    assert rows[2].to_json()["claims"] == CI.claims


def test_a_consumer_is_written_before_anything_leaves(index):
    pull(PullLedger(index))  # and then the process dies: nothing was closed
    with index.reading() as tx:
        assert [row.consumer for row in tx.execute(select(pulls))] == ["ann"]


def test_two_servers_count_together(index):
    ledgers = PullLedger(index), PullLedger(index)

    def many(ledger):
        for _ in range(50):
            pull(ledger)
        ledger.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(many, ledgers * 2))
    (row,) = ledgers[0].find(name="org/model")
    assert (row.files, row.bytes) == (200, 2000)


def test_what_a_client_says_of_itself_is_bounded_and_harmless(index):
    ledger = PullLedger(index)
    pull(ledger, Consumer("ann", "", "x" * 10_000 + "\x1b[31m\0", "::1"))
    (row,) = ledger.find(consumer="ann")
    assert len(row.consumer.client) <= 330
    assert row.consumer.client.isprintable()


def test_old_rows_are_forgotten_when_asked(index):
    ledger = PullLedger(index)
    pull(ledger, at=NOW - timedelta(days=400))
    pull(ledger)
    before = NOW - timedelta(days=365)
    assert ledger.prune(before, NOW, dry_run=True) == 1
    assert len(ledger.find()) == 2
    assert [ledger.prune(before, NOW) for _ in range(2)] == [1, 0]
    assert len(ledger.find()) == 1
