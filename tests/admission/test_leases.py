"""A lease says who is dead: at once when it is a file, after a while when it is a row."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, closing

import pytest
import sqlalchemy as sa

from assay.admission import leases
from assay.admission.leases import FileLeases, RowLeases
from assay.core.errors import EnvironmentFault

HOLD = """
import sys, time
from pathlib import Path
from assay.admission import leases
leases.RENEW_SECONDS, leases.LAPSE_SECONDS = 0.1, 1.0
kind, where = sys.argv[1:]
lease = leases.FileLeases(Path(where)) if kind == "file" else leases.RowLeases(where)
print(lease.holder, flush=True)
time.sleep(600)
"""


@pytest.fixture(params=["file", pytest.param("row", marks=pytest.mark.postgres)])
def kind(request, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(leases, "LAPSE_SECONDS", 1.0)
    return request.param


@pytest.fixture
def where(kind, tmp_path, request):
    return str(tmp_path / "leases") if kind == "file" else request.getfixturevalue("postgres").new_database()


@pytest.fixture
def take(kind, where, tmp_path):
    """Make a lease of this process; all are given up at the end."""
    with ExitStack() as stack:

        def take():
            lease = FileLeases(tmp_path / "leases") if kind == "file" else RowLeases(where)
            return stack.enter_context(closing(lease))

        yield take


@pytest.fixture
def other(kind, where):
    """Start a process that holds a lease; all are killed at the end."""
    started = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", HOLD, kind, where], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def taken(lease, holder: str) -> bool:
    with lease.take_over(holder) as ours:
        return ours


def test_the_living_keep_their_lease_and_the_killed_lose_it(take, other):
    mine = take()
    process, holder = other()
    time.sleep(1.5)
    assert not taken(mine, holder)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while not taken(mine, holder):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_one_only_takes_over(take):
    first, second = take(), take()
    with first.take_over("vet-1-dead") as ours:
        assert ours
        assert not taken(second, "vet-1-dead")
    assert taken(second, "vet-1-dead")


def test_nobody_takes_over_from_itself_or_from_the_living(take):
    first, second = take(), take()
    assert not taken(first, first.holder)
    assert not taken(first, second.holder)


def test_a_lease_given_up_is_free(take, kind, where, tmp_path):
    mine = take()
    ended = FileLeases(tmp_path / "leases") if kind == "file" else RowLeases(where)
    ended.close()
    assert taken(mine, ended.holder)


def test_file_leases_leave_no_files_behind(tmp_path):
    lease = FileLeases(tmp_path / "l")
    taken(lease, "vet-2-dead")
    assert [path.name for path in (tmp_path / "l").iterdir()] == [lease.holder]
    lease.close()
    assert list((tmp_path / "l").iterdir()) == []


def test_a_directory_that_can_not_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="Not a directory"):
        FileLeases(tmp_path / "file" / "leases")


@pytest.mark.postgres
def test_a_process_that_was_taken_for_dead_learns_of_it(postgres, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    url = postgres.new_database()
    stalled = RowLeases(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM assay_leases"))
    engine.dispose()
    deadline = time.monotonic() + 10
    while not stalled.lost:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stalled.close()


@pytest.mark.postgres
def test_an_unreachable_server_is_one_clear_error(postgres):
    with pytest.raises(EnvironmentFault, match=r"workflow database: .*(does not exist|failed)"):
        RowLeases(postgres.url("nosuchdatabase"))
