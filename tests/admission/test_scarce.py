"""Two that want what is scarce don't have it at once, on any machine; others go on; a dead one keeps nobody out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay.admission import scarce
from assay.core.evidence import Evidence
from assay.registry.slots import Slots
from tests.admission.world import Reader, World, make_model

ROOT = Path(__file__).resolve().parents[2]
# A process that vets with an inspector that takes a while, and writes down when it was at it.
VET = """
import json, sys, time
from pathlib import Path
from assay.admission import leases
from tests.admission.world import Reader, World
leases.RENEW_SECONDS, leases.LAPSE_SECONDS = 0.2, 2.0
data, model, url, at_once, stays = json.loads(sys.argv[1])
class Slow(Reader):
    name = "reader"
    def inspect(self, subject):
        began = time.time()
        print("begun", flush=True)
        time.sleep(stays)
        Path(model).with_suffix(".times").write_text(json.dumps([began, time.time()]))
        return super().inspect(subject)
vetted = World(Path(data), url or None).vet(model, "org/" + Path(model).name, inspectors=(Slow,), at_once=at_once)
print(vetted.verdict.decision.value, flush=True)
"""


def started(
    world: World, url: str, model: Path, *, at_once: dict[str, int], stays: float = 0.7
) -> subprocess.Popen[str]:
    given = json.dumps([str(world.data), str(model), url, at_once, stays])
    return subprocess.Popen([sys.executable, "-c", VET, given], cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shared(request, tmp_path):
    url = request.getfixturevalue("postgres").new_database() if request.param == "postgresql" else ""
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data", url or None)
    yield world, url
    world.index.close()


def models(folder: Path, count: int) -> list[Path]:
    return [make_model(folder / f"m{number}", **{"note.txt": str(number)}) for number in range(count)]


def overlap(models: list[Path]) -> bool:
    (one, other) = sorted(json.loads(model.with_suffix(".times").read_text()) for model in models)
    return other[0] < one[1]


@pytest.mark.timeout(300)
def test_one_at_a_time_even_after_a_kill(shared, tmp_path):
    world, url = shared
    one, two, three = models(tmp_path, 3)
    dead = started(world, url, one, at_once={"reader": 1}, stays=600)
    assert dead.stdout is not None
    assert dead.stdout.readline() == "begun\n"
    waiting = [started(world, url, model, at_once={"reader": 1}) for model in (two, three)]
    time.sleep(1)
    assert all(process.poll() is None for process in waiting)  # the place is taken
    dead.kill()
    dead.communicate()
    said = [process.communicate(timeout=200)[0] for process in waiting]
    assert said == ["begun\nADMIT\n"] * 2, said
    assert not overlap([two, three])
    assert Slots(world.index, {"reader": 1}).take("reader", "another", lambda _holder: False)  # all were given back


def test_what_is_not_scarce_waits_for_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(scarce, "WAIT_SECONDS", 0.01)
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data")
    slots = Slots(world.index, {"reader": 2, "other": 1})

    def alive(_holder: str) -> bool:
        return False

    assert slots.take("other", "x", alive)
    assert not slots.take("other", "y", alive)
    assert slots.take("unlimited", "y", alive)
    assert slots.take("reader", "x", alive)
    assert slots.take("reader", "x", alive)  # again: it has its place
    assert world.vet(make_model(tmp_path / "m"), at_once={"reader": 2, "other": 1}).revision  # the second place
    # "x" has no lease: the vetting process took it for dead, and its place away
    assert slots.take("reader", "y", alive)
    assert slots.take("reader", "z", alive)
    assert not slots.take("reader", "w", alive)
    assert slots.take("reader", "w", lambda holder: holder == "y")  # whoever is gone keeps nobody out
    world.index.close()


def test_whoever_follows_others_is_told_what_they_found(tmp_path):
    class Follower(Reader):
        name = "follower"

        def after(self, evidence: tuple[Evidence, ...]) -> None:
            self.told = [one.inspector for one in evidence]

        def inspect(self, subject) -> Evidence:
            assert self.told == ["reader"]
            return super().inspect(subject)

    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data")
    vetted = world.vet(make_model(tmp_path / "m"), inspectors=(Reader(), Follower), at_once={"follower": 1})
    assert [one.inspector for one in vetted.evidence] == ["reader", "follower"]
    assert {one.outcome.value for one in vetted.evidence} == {"clean"}
    world.index.close()
