"""The log: whole or not whole, whatever was done to it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from assay.core.errors import EnvironmentFault, UsageError
from assay.store import log
from assay.store.log import GENESIS, LogHead
from assay.store.schema import log as table
from tests.support.admitted import NOW

if TYPE_CHECKING:
    from assay.store.index import Index

_TAMPER = {
    "edited body": ("UPDATE log SET body = '{\"n\":9}' WHERE seq = 3", "entry 3 was changed"),
    "edited time": ("UPDATE log SET at = '2020-01-01T00:00:00Z' WHERE seq = 3", "entry 3 was changed"),
    "edited kind": ("UPDATE log SET kind = 'x' WHERE seq = 3", "entry 3 was changed"),
    "body with a key twice": ('UPDATE log SET body = \'{"n":9,"n":3}\' WHERE seq = 3', "entry 3 was changed"),
    "not JSON": ("UPDATE log SET body = 'x' WHERE seq = 3", "entry 3 was changed"),
    "first removed": ("DELETE FROM log WHERE seq = 1", "entry 1 is missing"),
    "middle removed": ("DELETE FROM log WHERE seq = 3", "entry 3 is missing"),
    "reordered": (
        (
            "UPDATE log SET seq = CASE seq WHEN 3 THEN 104 ELSE 103 END WHERE seq IN (3, 4);"
            "UPDATE log SET seq = seq - 100 WHERE seq > 100"
        ),
        "entry 3 does not follow",
    ),
    "one before the first": (
        (
            "INSERT INTO log (seq, previous, hash, at, kind, body) SELECT 0, previous, kind, at, kind, body FROM log "
            "WHERE seq = 1"
        ),
        "entry 1 is missing",
    ),
}


def _fill(index: Index, count: int = 5) -> None:
    with index.transaction() as tx:
        for n in range(1, count + 1):
            log.append(tx, "test", {"n": n}, NOW)


def _without_triggers(index: Index, sql: str) -> None:
    """What somebody with the database's own tools can do."""
    with index.transaction() as tx:
        if tx.dialect.name == "sqlite":
            tx.execute(sa.text("DROP TRIGGER log_no_update"))
            tx.execute(sa.text("DROP TRIGGER log_no_delete"))
        else:
            tx.execute(sa.text("ALTER TABLE log DISABLE TRIGGER log_append_only"))
        for statement in sql.split(";"):
            tx.exec_driver_sql(statement)


def test_entries_are_numbered_and_chained(index: Index) -> None:
    assert index.verify_log().head == LogHead(0, GENESIS)
    _fill(index)
    with index.reading() as tx:
        entries = list(log.entries(tx))
        assert [entry.body for entry in log.entries(tx, after=3)] == [{"n": 4}, {"n": 5}]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.previous for entry in entries] == [GENESIS, *(entry.hash for entry in entries[:-1])]
    assert len({entry.hash for entry in entries}) == 5
    check = index.verify_log(LogHead(3, entries[2].hash))
    assert (check.ok, check.entries, check.head, check.problem) == (True, 5, LogHead(5, entries[4].hash), None)


@pytest.mark.parametrize("what", _TAMPER)
def test_tampering_shows(index: Index, what: str) -> None:
    sql, problem = _TAMPER[what]
    _fill(index)
    _without_triggers(index, sql)
    check = index.verify_log()
    assert not check.ok
    assert check.problem is not None
    assert problem in check.problem


def test_a_cut_end_shows_against_a_noted_head(index: Index) -> None:
    _fill(index)
    noted = index.verify_log().head
    _without_triggers(index, "DELETE FROM log WHERE seq > 3")
    assert index.verify_log().ok  # a chain alone can't know how long it was
    check = index.verify_log(noted)
    assert (check.ok, check.entries) == (False, 3)
    assert "end was cut off" in str(check.problem)


def test_a_log_written_anew_shows_against_a_noted_head(index: Index) -> None:
    _fill(index)
    noted = index.verify_log().head
    _without_triggers(index, "DELETE FROM log")
    with index.transaction() as tx:
        for n in range(10):
            log.append(tx, "forged", {"n": n}, NOW)
    assert index.verify_log().ok
    assert "entry 5 is not the one that was noted" in str(index.verify_log(noted).problem)


@pytest.mark.parametrize("sql", ["UPDATE log SET kind = 'x'", "DELETE FROM log WHERE seq = 5"])
def test_the_database_refuses_changes(index: Index, sql: str) -> None:
    _fill(index)
    with pytest.raises(EnvironmentFault, match="append-only"), index.transaction() as tx:
        tx.execute(sa.text(sql))
    assert index.verify_log().entries == 5


def test_more_entries_than_one_page(index: Index) -> None:
    _fill(index, 2500)
    check = index.verify_log()
    assert (check.ok, check.entries) == (True, 2500)


def test_a_head_can_be_written_down(index: Index) -> None:
    _fill(index)
    head = index.verify_log().head
    assert LogHead.parse(str(head)) == head
    assert LogHead.parse(f"0:{GENESIS}") == LogHead(0, GENESIS)
    for wrong in ("", "5", "x:" + GENESIS, "5:abc", "-1:" + GENESIS):
        with pytest.raises(UsageError):
            LogHead.parse(wrong)


_APPENDER = """
import sys
from datetime import UTC, datetime
from assay.store import log
from assay.store.index import Index
index = Index.open(sys.argv[1])
for n in range(40):
    with index.transaction() as tx:
        log.append(tx, "test", {"who": sys.argv[2], "n": n}, datetime.now(UTC))
"""


def test_processes_that_append_at_once_never_fork_the_chain(index: Index, index_url: str) -> None:
    command = [sys.executable, "-c", _APPENDER, index_url]
    writers = [subprocess.Popen([*command, str(who)]) for who in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    check = index.verify_log()
    assert (check.ok, check.entries) == (True, 120)
    with index.reading() as tx:
        bodies = [entry.body for entry in log.entries(tx)]
    for who in "012":
        assert [body["n"] for body in bodies if body["who"] == who] == list(range(40))


def test_a_rolled_back_entry_leaves_no_gap(index: Index) -> None:
    _fill(index, 1)
    with pytest.raises(UsageError), index.transaction() as tx:  # noqa: PT012
        log.append(tx, "test", {}, NOW)
        raise UsageError("stop")
    _fill(index, 1)
    with index.reading() as tx:
        assert tx.execute(sa.select(table.c.seq).order_by(table.c.seq)).scalars().all() == [1, 2]
    assert index.verify_log().ok
