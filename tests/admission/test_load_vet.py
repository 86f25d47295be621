"""`load` in an admission: only where a policy names it, and enough to refuse a poisoned model by itself."""

from __future__ import annotations

import dataclasses
import os

import pytest
import torch

from assay.admission.inspectors import INSPECTORS, inspectors_for, second_pass
from assay.core.verdict import Decision
from assay.inspections.load import Load
from assay.policy.decide import decide
from assay.policy.model import load_policy
from assay.sandbox.guest import DEFAULT_REQUIRED
from tests.admission.world import POLICY, World
from tests.inspections.test_load import Calls

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.torch]

LOAD_ALONE = POLICY.replace('["reader"]', '["load"]')


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "data")
    made.policy = load_policy(LOAD_ALONE)
    return made


def test_the_builtin_policy_does_not_run_it():
    assert inspectors_for(load_policy(None)) == INSPECTORS
    assert Load.name not in load_policy(None).required
    assert second_pass(load_policy(None)) == ()


def test_a_policy_that_names_it_runs_it():
    assert [type(i) for i in inspectors_for(load_policy(LOAD_ALONE))[len(INSPECTORS) :]] == [Load]
    listed = load_policy(POLICY + '[run]\ninspectors = ["load"]\nlayers = ["landlock", "cgroup_memory"]\n')
    made = inspectors_for(listed)[-1]
    assert isinstance(made, Load)
    assert made._required == (*DEFAULT_REQUIRED, "landlock", "cgroup_memory")
    (again,) = second_pass(listed)
    assert again().name == "load-triggers"
    assert again()._required == made._required


def test_load_alone_rejects_a_poisoned_model(world, guest, tmp_path):
    """No static inspector runs at all: the model is caught because it was watched."""
    folder = tmp_path / "model"
    folder.mkdir()
    touched = tmp_path / "touched"
    poison = Calls(os.system, f"touch {touched}")
    torch.save({"w": torch.zeros(3), "x": poison}, folder / "pytorch_model.bin")
    vetted = world.vet(folder, inspectors=(Load(guest=guest),))
    assert [one.inspector for one in vetted.evidence] == ["load"]
    assert vetted.verdict.decision is Decision.REJECT
    assert any("load-exec" in reason.text and "touch" in reason.text for reason in vetted.verdict.reasons)
    assert not touched.exists()


def test_a_policy_that_requires_it_is_enough_to_run_it(world, tmp_path):
    """Nothing is handed over: the policy alone makes the admission load and watch."""
    folder = tmp_path / "model"
    folder.mkdir()
    poison = Calls(os.system, "true")
    torch.save({"w": torch.zeros(3), "x": poison}, folder / "pytorch_model.bin")
    vetted = world.vet(folder, inspectors=None)
    watched = next(one for one in vetted.evidence if one.inspector == "load")
    assert [finding.rule for finding in watched.findings] == ["load-exec"]
    assert vetted.verdict.decision is Decision.REJECT


def test_load_alone_admits_a_clean_model(world, guest, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save({"w": torch.zeros(3)}, folder / "pytorch_model.bin")
    vetted = world.vet(folder, inspectors=(Load(guest=guest),))
    assert vetted.verdict.decision is Decision.ADMIT
    assert vetted.evidence[0].facts["layers"]["recording"] is True


def test_a_layer_that_the_policy_asks_for_and_is_missing_holds(world, guest, monkeypatch, tmp_path):
    monkeypatch.setattr(guest, "_required", (*DEFAULT_REQUIRED, "tinfoil"))
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save({"w": torch.zeros(3)}, folder / "pytorch_model.bin")
    vetted = world.vet(folder, inspectors=(Load(guest=guest),))
    assert vetted.verdict.decision is Decision.HOLD
    assert "not active: tinfoil" in vetted.evidence[0].unread[0].reason


def test_a_poisoned_model_is_held_where_it_cannot_be_watched(world, tmp_path, monkeypatch):
    monkeypatch.setattr("assay.sandbox.runtime.find_bubblewrap", lambda: None)
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save({"w": torch.zeros(3)}, folder / "pytorch_model.bin")
    vetted = world.vet(folder, inspectors=(Load(),))
    assert vetted.verdict.decision is Decision.HOLD
    held = dataclasses.replace(vetted.evidence[0], unread=())
    assert decide(vetted.snapshot, [held], world.policy, vetted.verdict.decided_at).decision is Decision.HOLD
