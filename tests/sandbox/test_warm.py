"""Templates that are kept for the next model: the same one, never a dead one, never more than asked for."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assay.core.limits import GIB
from assay.sandbox.guest import Guest, GuestLimits
from assay.sandbox.runtime import make_guest
from assay.sandbox.warm import keep
from tests.sandbox.attack import attack, printed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("sandbox")

WORKER = "assay.workers.converter"  # of those with frameworks, the one that starts soonest
LOADER = "assay.workers.loader"


def limits(number: int = 0) -> GuestLimits:
    """Guests differ by their limits."""
    return GuestLimits(memory_bytes=GIB + number, cpu_seconds=60, start_seconds=60)


def closed(number: int = 0) -> Guest:
    """A guest that was started and is done."""
    with make_guest(WORKER, limits(number)) as guest:
        guest.start()
    return guest


def process_of(guest: Guest) -> int | None:
    return None if guest._process is None else guest._process.pid


def runs(process: int | None) -> bool:
    return process is not None and Path(f"/proc/{process}").exists()


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    """Nothing of other tests waits."""
    with keep(most=0):
        yield


def test_the_next_model_gets_the_template_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    with keep():
        first = closed()
        process, stage = process_of(first), first._stage
        assert runs(process)
        assert stage is not None
        assert not list(stage.root.iterdir())
        with make_guest(WORKER, limits()) as second, make_guest(WORKER, limits()) as at_once:
            assert second is first
            assert at_once is not first, "what is lent is not lent again"
            second.start()
            assert process_of(second) == process
            assert second.restarts == []
        assert make_guest(WORKER, limits(1)) is not first, "other limits are another guest"
        with monkeypatch.context() as without:
            without.setattr("assay.sandbox.runtime.find_bubblewrap", lambda: None)
            assert make_guest(WORKER, limits()) is not first, "it was started otherwise"
    assert not runs(process)
    assert not stage.root.exists()


def test_a_template_that_died_meanwhile_is_not_lent() -> None:
    with keep():
        first = closed()
        process = process_of(first)
        assert process is not None
        os.kill(process, signal.SIGKILL)
        assert first._process is not None
        first._process.wait(10)
        assert make_guest(WORKER, limits()) is not first
        assert process_of(first) is None


def test_no_more_wait_than_asked_for_and_no_longer() -> None:
    with keep(most=1, seconds=3):
        first = closed()
        second = closed(1)
        assert [runs(process_of(guest)) for guest in (first, second)] == [False, True]
        deadline = time.monotonic() + 30
        while process_of(second) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process_of(second) is None


def test_what_is_lent_when_keeping_ends_is_ended_by_whoever_has_it() -> None:
    with keep():
        guest = make_guest(WORKER, limits())
        guest.start()
    assert runs(process_of(guest))
    guest.close()
    assert process_of(guest) is None


def test_a_guest_that_can_not_fork_is_not_kept() -> None:
    with keep():
        guest = make_guest(WORKER, limits())
        guest._nest = False
        with guest:
            guest.start()
            assert guest.why_not_nested == "switched off"
        assert process_of(guest) is None


ATTACK = """
print(tried(open, "/scratch/cache/left", "x"), os.environ.get("LEFT"), hasattr(sys, "left"), end=" ")
print(sorted(os.listdir("/model")), os.getpid())
os.environ["LEFT"] = sys.left = "by the last model"
sys.stdout.flush()
os.fork() or time.sleep(30)
"""


def test_the_next_model_finds_nothing_of_a_hostile_one() -> None:
    """It is another fork of a template that no model touched."""
    told = []
    with keep():
        for extra in ({}, {"another__txt": b"x"}):
            with make_guest(LOADER, limits()) as guest:
                done = attack(guest, ATTACK, seconds=5, **extra)
                told.append((printed(done), process_of(guest)))
    assert told[0][0].startswith("worked None False ['attack.pkl'] ")
    assert told[1] == (told[0][0].replace("['attack.pkl']", "['another.txt', 'attack.pkl']"), told[0][1])
