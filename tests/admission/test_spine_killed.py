"""kill -9 in the middle of every step: nothing is half published, and the second run finishes the first."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from assay.core.verdict import Decision
from assay.registry.records import Refused
from tests.admission.killed import vet_until
from tests.admission.world import World, make_model
from tests.support.forks import fork

if TYPE_CHECKING:
    from pathlib import Path

POINTS = {
    "fetch: one file stored": "assay.store.blobs:Blobs.put:2:before",
    "fetch: all stored, not listed": "assay.store.index:Index.put_snapshot:1:before",
    "fetch: done, not recorded": "assay.store.index:Index.put_snapshot:1:after",
    "inspect: in an inspector": "tests.admission.world:Reader.inspect:1:before",
    "inspect: evidence in an open transaction": "assay.store.index:Index.put_evidence:1:after",
    "inspect: done, not recorded": "assay.admission.spine:_now:3:after",
    "decide: before the verdict is stored": "assay.store.index:Index.put_verdict:1:before",
    "decide: done, not recorded": "assay.store.index:Index.put_verdict:1:after",
    "bom: done, not recorded": "assay.admission.spine:write_boms:1:after",
    "sign: before signing": "assay.admission.spine:sign_admission:1:before",
    "sign: in an open transaction": "assay.store.index:Index.put_statement:2:after",
    "publish: before signing the ref": "assay.admission.spine:sign_first_ref:1:before",
    "publish: in an open transaction": "assay.store.log:append:10:after",
    "publish: before the log of the ref": "assay.store.log:append:11:before",
    "publish: done, not recorded": "assay.registry.catalog:Catalog.publish:1:after",
    "after the last step": "assay.admission.engine:_result:1:before",
}


def kill(data: Path, model: Path, point: str) -> None:
    ended = fork(data.parent, vet_until, data, model, point)
    assert ended.status == -signal.SIGKILL, ended.out + ended.err


def whole(world: World, model: Path) -> None:
    """Run again and check that everything is there, once."""
    vetted = world.vet(model)
    assert vetted.verdict.decision is Decision.ADMIT
    assert vetted.revision == vetted.main
    assert world.catalog.resolve("org/model").revision == vetted.revision
    assert [revision.revision for revision in world.catalog.revisions("org/model")] == [vetted.revision]
    kinds = Counter(one.kind for one in world.index.statements_for(vetted.snapshot.id))
    assert kinds == {"fetched": 1, "scanned": 1, "cyclonedx": 1, "spdx": 1, "approved": 1, "oms": 1, "ref": 1}
    entries = Counter(kind for kind, _ in world.log())
    assert entries == {"verdict": 1, "statement": 7, "admitted": 1, "published": 1, "ref-moved": 1}
    assert world.index.verify_log().ok
    assert [result for result in world.blobs.scrub() if result.problem] == []


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_killed_there_nothing_is_half_done_and_the_next_run_finishes_it(tmp_path, point):
    data, model = tmp_path / "data", make_model(tmp_path / "model")
    data.mkdir()
    World(data).index.close()
    kill(data, model, point)
    world = World(data)
    assert world.index.verify_log().ok
    published = point.startswith(("assay.registry.catalog:Catalog.publish", "assay.admission.engine"))
    if published:
        assert world.catalog.resolve("org/model").snapshot.files[0].path == "config.json"
    else:
        with pytest.raises(Refused) as refused:
            world.catalog.resolve("org/model")
        assert refused.value.kind == "unknown"
    if point.endswith("_result:1:before"):
        first = world.catalog.resolve("org/model").revision
        assert world.vet(model).revision == first
        assert world.notices == []  # that run was complete: the next one was a new one
        assert len(world.catalog.revisions("org/model")) == 1
        return
    whole(world, model)
    assert world.notices == ["carrying on where an interrupted run stopped"]


def test_killed_at_every_step_in_turn(tmp_path):
    data, model = tmp_path / "data", make_model(tmp_path / "model")
    data.mkdir()
    World(data).index.close()
    for point in list(POINTS.values())[1:13:3]:
        kill(data, model, point)
    whole(World(data), model)


def test_another_process_finishes_it(tmp_path):
    data, model = tmp_path / "data", make_model(tmp_path / "model")
    data.mkdir()
    world = World(data)
    kill(data, model, POINTS["sign: in an open transaction"])
    with world.admission() as admission:
        (vetted,) = admission.carry_on_all()
    assert vetted.verdict.decision is Decision.ADMIT
    assert world.catalog.resolve("org/model").revision == vetted.revision


def test_a_source_that_changed_after_the_kill_is_read_again(tmp_path):
    data, model = tmp_path / "data", make_model(tmp_path / "model")
    data.mkdir()
    world = World(data)
    kill(data, model, POINTS["decide: done, not recorded"])
    (model / "config.json").write_text('{"EVIL": 1}')
    os.utime(model / "config.json", ns=(1, 1))
    vetted = world.vet(model)
    assert vetted.verdict.decision is Decision.REJECT
    assert world.notices == []
    with world.admission() as admission:
        assert admission.carry_on_all() == []
