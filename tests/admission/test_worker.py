"""The worker: what waits is vetted once, whoever dies meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from assay.admission import worker
from assay.admission.request import HubAccess
from assay.admission.worker import Worker
from assay.core.errors import EnvironmentFault
from assay.core.verdict import Decision
from assay.registry import queue as queue_module
from assay.registry.queue import DONE, FAILED, HUB, SNAPSHOT, WAITING, WorkQueue
from assay.registry.stale import REVETTING
from assay.sources import hub_client
from tests.admission.test_spine_killed import POINTS
from tests.admission.world import Reader, World, make_model
from tests.simulators.hub import HubSimulator

ROOT = Path(__file__).parents[2]


def never(_seconds: float) -> bool:
    return False


def work(world: World, hub_url: str | None = None) -> list[str]:
    said: list[str] = []
    access = HubAccess(allow_private=True)
    with world.admission(access=access) as admission:
        Worker(admission, world.index, world.blobs, access, hub_url).run(never, said.append, once=True)
    return said


def test_a_request_for_a_model_of_the_hub_is_vetted_and_published(tmp_path):
    (tmp_path / "data").mkdir()
    world, hub = World(tmp_path / "data"), HubSimulator()
    hub.add("acme/tiny", {"config.json": b"{}", "model.safetensors": b"weights"})
    queue = WorkQueue(world.index)
    queue.ask(HUB, "acme/tiny", "acme/tiny", asked_by="ann")
    queue.ask(HUB, "acme/none", "acme/none", asked_by="ann")
    with hub.running() as url:
        said = work(world, url)
    assert said[0] == "ADMIT acme/tiny"
    assert "acme/none" in said[1]
    states = {item.name: item.state for name in ("acme/tiny", "acme/none") for item in queue.about(name)}
    assert states == {"acme/tiny": DONE, "acme/none": FAILED}
    assert world.catalog.resolve("acme/tiny").verdict.decision is Decision.ADMIT


def test_a_passing_fault_is_tried_again_later_and_not_for_ever(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    world, hub = World(tmp_path / "data"), HubSimulator()
    hub.add("acme/tiny", {"config.json": b"{}", "model.safetensors": b"weights"})
    monkeypatch.setattr(queue_module, "FIRST_PAUSE", timedelta(0))
    monkeypatch.setattr(hub_client, "_backoff", lambda _failures: 0.0)  # the pauses between tries of one vetting
    queue = WorkQueue(world.index)
    with hub.running() as url:
        nobody = url
    first = queue.ask(HUB, "acme/tiny", "acme/tiny", asked_by="ann")
    said = work(world, nobody)  # the hub is gone
    assert len(said) == queue_module.ATTEMPTS
    assert all("it will be tried again" in line for line in said[:-1])
    failed = queue.get(first.seq)
    assert (failed.state, failed.attempts) == (FAILED, queue_module.ATTEMPTS - 1)
    monkeypatch.setattr(queue_module, "FIRST_PAUSE", timedelta(hours=1))
    second = queue.ask(HUB, "acme/tiny", "acme/tiny", asked_by="ann")
    assert len(work(world, nobody)) == 1
    waiting = queue.get(second.seq)
    assert (waiting.state, waiting.attempts, waiting.ended_at) == (WAITING, 1, None)
    assert waiting.not_before > datetime.now(UTC) + timedelta(minutes=50)
    assert waiting.to_json()["not_before"]
    assert waiting.detail
    assert work(world, nobody) == []
    with world.index.transaction() as tx:
        tx.execute(text("UPDATE work SET not_before = ''"))
    with hub.running() as url:
        assert work(world, url) == ["ADMIT acme/tiny"]


def test_what_lies_in_the_store_is_vetted_again(tmp_path):
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data")
    first = world.vet(make_model(tmp_path / "model"))
    item = WorkQueue(world.index).ask(SNAPSHOT, str(first.snapshot.id), "org/model", asked_by="assay")
    assert work(world) == ["ADMIT org/model"]
    done = WorkQueue(world.index).get(item.seq)
    assert (done.state, done.outcome) == (DONE, "ADMIT")
    assert [one.revision for one in world.catalog.revisions("org/model")] == [first.revision]


def test_a_worker_looks_by_itself_for_what_other_rules_vetted(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data")
    first = world.vet(make_model(tmp_path / "model"))
    queue, access, said = WorkQueue(world.index), HubAccess(), []
    monkeypatch.setattr(worker, "FIRST_LOOK_SECONDS", 0.0)

    def run(seconds):
        with world.admission(access=access) as admission:
            made = Worker(admission, world.index, world.blobs, access, revet_seconds=seconds)
            made.run(never, said.append, once=True)

    run(3600)
    assert queue.about("org/model") == ()  # nothing changed
    monkeypatch.setattr(Reader, "version", "another")
    run(0)
    assert queue.about("org/model") == ()  # switched off
    run(3600)
    (item,) = queue.about("org/model")
    assert (item.source, item.asked_by) == (str(first.snapshot.id), REVETTING)
    assert "another version" in said[-1]
    queue.end(item, FAILED, "", "it could not be read")
    run(3600)
    assert len(queue.about("org/model")) == 1  # still stale, but not over and over within a day


def test_a_blob_that_was_changed_meanwhile_is_no_verdict(tmp_path):
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data")
    first = world.vet(make_model(tmp_path / "model"))
    blob = world.blobs.local_path(first.snapshot.files[1].digest)
    blob.chmod(0o600)
    blob.write_bytes(b"w" * blob.stat().st_size)
    item = WorkQueue(world.index).ask(SNAPSHOT, str(first.snapshot.id), "org/model", asked_by="assay")
    (said,) = work(world)
    assert "is not what its name says" in said
    assert WorkQueue(world.index).get(item.seq).state == FAILED


def test_killed_at_it_another_worker_ends_it_once(tmp_path):
    data, model = tmp_path / "data", make_model(tmp_path / "model")
    data.mkdir()
    world = World(data)
    first = world.vet(model)
    item = WorkQueue(world.index).ask(SNAPSHOT, str(first.snapshot.id), "org/other", asked_by="ann")
    code = (
        "import sys; from pathlib import Path; from tests.admission.killed import arm;"
        "from tests.admission.world import World; from tests.admission.test_worker import work;"
        "world = World(Path(sys.argv[1])); arm(sys.argv[2]); work(world)"
    )
    for point in (POINTS["inspect: in an inspector"], POINTS["publish: done, not recorded"]):
        command = [sys.executable, "-c", code, str(data), point]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == -9
    assert work(world) == ["ADMIT org/other"]
    assert WorkQueue(world.index).get(item.seq).outcome == "ADMIT"
    assert len(world.catalog.revisions("org/other")) == 1
    assert len([kind for kind, body in world.log() if kind == "admitted" and body["name"] == "org/other"]) == 1
    assert world.index.verify_log().ok


def test_a_worker_that_was_taken_for_dead_stops_and_ends_nothing(tmp_path, postgres):
    (tmp_path / "data").mkdir()
    url = postgres.new_database()
    world = World(tmp_path / "data", url)
    source = world.vet(make_model(tmp_path / "model")).snapshot
    queue = WorkQueue(world.index)
    item = queue.ask(SNAPSHOT, str(source.id), "org/again", asked_by="ann")
    with world.admission(lapse=1.0) as admission:
        worker = Worker(admission, world.index, world.blobs, HubAccess())
        queue.claim(admission.holder, admission.dead)
        with world.index.transaction() as tx:
            tx.execute(text("DELETE FROM assay_leases"))
        deadline = time.monotonic() + 60
        while not admission.lost:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(EnvironmentFault, match="taken for dead"):
            worker.run(lambda _: False, lambda _: None, once=True)
    with world.admission() as admission:
        said = []
        Worker(admission, world.index, world.blobs, HubAccess()).run(lambda _: False, said.append, once=True)
    assert said == ["ADMIT org/again"]
    assert queue.get(item.seq).state == DONE
    world.index.close()
    postgres.drop(url)
