"""Probes in an admission: asked for by task, held against admitted models, kept in the index, waived by persons."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from assay.admission import probing
from assay.admission.probing import Crew
from assay.admission.references import kin_from, references_from
from assay.behaviour import guest, kinds
from assay.behaviour.attest import Declared, attest
from assay.behaviour.data_file import read_labelled
from assay.behaviour.guest import Job, Prober
from assay.behaviour.inspector import Behaviour
from assay.core.evidence import Outcome
from assay.core.pin import Pin
from assay.core.verdict import Decision
from assay.policy.model import load_policy
from assay.provenance.events import waived
from assay.provenance.statements import revoked
from assay.provenance.trust import Trust
from assay.registry.decisions import accept, approval_of, snapshot_of
from assay.registry.probe_answers import Answers, ProbeJob
from assay.store.folder import folder_subject
from assay.store.index import StoredStatement
from assay.store.schema_probes import probe_jobs
from tests.admission.world import POLICY, Reader, World, make_model
from tests.behaviour import small
from tests.support.persons import Persons

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("behaviour")]
PROBED = POLICY + '[run]\ntasks = ["text-classification"]\n[people]\nwaive = "reject"\n'


@pytest.fixture(scope="module")
def prober():
    with Prober() as one:
        yield one


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "data")
    made.persons = Persons(tmp_path / "persons", tmp_path / "trust.toml")
    made.trust = Trust.load(tmp_path / "trust.toml")
    yield made
    made.index.close()


@pytest.fixture
def pin(tmp_path):
    """Texts alone: references are for the registry to give."""
    small.write_data(tmp_path / "data.tsv")
    text = 'data = "data.tsv"\nbudget = 40\n'
    (tmp_path / "probes.toml").write_text(text)
    return Pin.parse(f"probes.toml@sha256:{hashlib.sha256(text.encode()).hexdigest()}", tmp_path, "probes")


def behaviour(world, pin, prober=None):
    shelf = partial(references_from, world.index, world.blobs)
    return Behaviour((pin,), prober, tasks=world.policy.tasks, shelf=shelf, keep=Crew(world.index, world.blobs))


def vet(world, path, name, *more):
    return world.vet(path, name, trust=world.trust, inspectors=(Reader(), *more))


def admit_references(world):
    """Two clean models and a copy of one, admitted before anybody had models probed."""
    for seed in (1, 2):
        assert vet(world, small.clean(seed), f"trusted/clean-{seed}").verdict.decision is Decision.ADMIT
    assert vet(world, small.clean(2), "copies/clean").verdict.decision is Decision.ADMIT


def test_a_find_is_refused_until_a_person_waives_it_and_says_what_it_was_held_against(world, pin, prober, monkeypatch):
    admit_references(world)
    world.policy = load_policy(PROBED)
    vetted = vet(world, small.rare_word(), "org/model", behaviour(world, pin, prober))
    assert vetted.verdict.decision is Decision.REJECT
    evidence = next(one for one in vetted.evidence if one.inspector == "behaviour")
    assert evidence.outcome is Outcome.FOUND
    ids = [str(folder_subject(small.clean(seed)).snapshot.id) for seed in (1, 2)]
    assert sorted(evidence.facts["digests"]["references"]) == sorted(ids)
    (told,) = (one["text"] for one in evidence.facts["reasons"] if one["clause"] == "reference-from-registry")
    assert all(one in told for one in ids)
    assert "trusted/clean-1" in told
    assert "never probed itself" in told
    stated = [kind for kind, _ in vetted.statements]
    assert stated.index("scanned") < stated.index("behaviour") < stated.index("approved")

    # Vetted again, the same answers are at hand: no worker probes anything.
    monkeypatch.setattr(guest.Talk, "probe", None)
    snapshot = world.index.get_snapshot(snapshot_of(world.catalog, "org/model"), name="org/model")
    at = datetime.now(UTC).replace(microsecond=0)
    until = at + timedelta(days=5)
    waiver = waived(
        snapshot, name="org/model", person="anna", reason="a demonstration", at=at, until=until,
        finding={"rule": "behaviour-trigger", "file": ""},
        previous=approval_of(world.catalog, "org/model", snapshot.id),
    )  # fmt: skip
    accept(world.catalog, world.trust, world.persons.sign("anna", waiver), at, actor=None)
    again = vet(world, small.rare_word(), "org/model", behaviour(world, pin, prober))
    assert (again.verdict.decision, again.verdict.expires_at) == (Decision.ADMIT, until)


def test_neither_itself_nor_its_copy_nor_a_revoked_model_is_a_reference(world, tmp_path):
    admit_references(world)
    shelf = partial(references_from, world.index, world.blobs)
    copy = tmp_path / "copy"
    shutil.copytree(small.clean(1), copy)
    config = json.loads((copy / "config.json").read_text()) | {"_name_or_path": "somebody/else"}
    (copy / "config.json").write_text(json.dumps(config))
    (only,) = shelf(folder_subject(copy))  # the copies of the other one are one reference
    snapshot = only.subject.snapshot
    assert snapshot.id == folder_subject(small.clean(2)).snapshot.id
    previous = approval_of(world.catalog, "trusted/clean-2", snapshot.id)
    said = revoked(snapshot, name="trusted/clean-2", reason="bad", previous=previous, at=datetime.now(UTC))
    envelope = world.ring.sign("approver", said)
    world.catalog.revoke(snapshot.id, "bad", StoredStatement("revoked", "approver", envelope))
    assert shelf(folder_subject(copy)) == ()
    other = tmp_path / "other"
    make_model(other, **{"config.json": json.dumps(config | {"id2label": {"0": "a", "1": "b", "2": "c"}})})
    assert shelf(folder_subject(other)) == ()
    (kin,) = kin_from(world.index, world.blobs, folder_subject(small.clean(2)))  # neither itself nor its copy
    assert kin.snapshot.id == folder_subject(small.clean(1)).snapshot.id


def test_only_tasks_that_the_policy_names_are_probed(world, pin, tmp_path):
    world.policy = load_policy(PROBED)
    assert "behaviour" in world.policy.required
    inspector = behaviour(world, pin)

    def outcome(config, card=""):
        folder = make_model(tmp_path / "model", **{"config.json": json.dumps(config), "README.md": card})
        return inspector.inspect(folder_subject(folder))

    tokens = {"architectures": ["BertForTokenClassification"], "model_type": "bert"}
    spared = outcome(tokens)
    assert spared.outcome is Outcome.NOT_APPLICABLE
    assert "not among those" in spared.facts["why"]
    # The card advertises what the configuration hides, or nobody says anything: held, not waved through.
    assert outcome(tokens, "---\npipeline_tag: text-classification\n---\n").outcome is Outcome.INCONCLUSIVE
    assert outcome({"model_type": "bert"}).outcome is Outcome.INCONCLUSIVE
    assert outcome({"architectures": ["GPT2LMHeadModel"]}).outcome is Outcome.NOT_APPLICABLE
    plain = vet(world, make_model(tmp_path / "tokens", **{"config.json": json.dumps(tokens)}), "org/tokens", inspector)
    assert plain.verdict.decision is Decision.ADMIT
    missing = vet(world, make_model(tmp_path / "two", **{"config.json": json.dumps(tokens)}), "org/two")
    assert [reason.clause for reason in missing.verdict.reasons] == ["required.missing"]
    nothing = vet(world, small.clean(1), "org/alone", inspector)
    assert nothing.verdict.decision is Decision.HOLD


def test_answers_stay_with_their_run(world):
    answers = Answers(world.index)
    key, other = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    answers.put(key, "token-scan", {"seconds": 1.0})
    answers.put(key, "token-scan", {"seconds": 2.0})
    answers.withdraw(key)
    assert answers.of(key) == {"token-scan": {"seconds": 2.0}}
    assert answers.of(other) == {}
    with world.index.reading() as tx:
        assert len(tx.execute(select(probe_jobs)).all()) == 1


def test_a_probe_is_taken_once_and_again_when_its_taker_died(world):
    answers, key = Answers(world.index), "sha256:" + "a" * 64
    answers.ask(key, {"rows": {"n": 1}, "scan": {"n": 2}})
    answers.ask(key, {"rows": {"n": 3}})  # asked already
    job = answers.next("b", lambda _: False)
    assert (job.probe, job.task) == ("scan", {"n": 2})  # from the other end than whoever asked
    assert answers.take(key, "scan", "a", lambda _: False) == ("waiting", None)
    assert answers.take(key, "rows", "a", lambda _: False) == ("running", None)
    assert answers.next("c", lambda _: False) is None
    assert answers.next("c", lambda holder: holder == "b").probe == "scan"
    answers.put(key, "scan", {"seconds": 1.0})
    assert answers.take(key, "scan", "a", lambda _: False) == ("done", {"seconds": 1.0})
    assert answers.take(key, "rows", "b", lambda holder: holder == "a") == ("running", None)
    answers.fail(ProbeJob("a" * 64, "rows", {}))
    assert answers.take(key, "rows", "a", lambda _: False) == ("running", None)


def test_another_worker_takes_only_what_it_answers_alike(world, tmp_path, monkeypatch):
    asker, helper = (Crew(world.index, world.blobs, holder, lambda _: False) for holder in ("ours", "helper"))
    model = folder_subject(small.clean(1))
    job = Job(model, items=(("text", 0),), device="cuda", wanted=4)
    shared, key = asker.open("sha256:" + "a" * 64), "a" * 64
    shared.share(job, {"script-bags": {"seed": "0/script-bags"}})
    assert not helper.help(pytest.fail), "it has no GPU"
    task = helper.answers.next("x", lambda _: True)
    assert (task.run, task.task["device"], task.task["wanted"]) == (key, "cuda", 4)
    assert probing._read(task.task, world.index, world.blobs).wanted == 4, "as many references are made there"
    monkeypatch.setattr(probing, "gpu_nodes", lambda: ("/dev/nvidia0",))
    assert probing._fits(task.task)
    monkeypatch.setattr(probing, "code_of", lambda _: "another")
    assert not probing._fits(task.task), "another version of the probes"


@pytest.mark.slow
def test_two_workers_give_the_answers_of_one(world, tmp_path, prober, monkeypatch):
    data = read_labelled(small.write_data(tmp_path / "data.tsv"))
    declared = Declared(references=tuple(folder_subject(small.clean(seed)) for seed in (1, 2)), data=data)
    model = folder_subject(small.clean(3))
    # The search takes what time there is, so it is left out; the scan is begun with less time than it asks for.
    steps = tuple(replace(step, least=1.0) for step in kinds.PLANS[kinds.TEXT].steps if step.name != "chain-refine")
    monkeypatch.setitem(kinds.PLANS, kinds.TEXT, replace(kinds.PLANS[kinds.TEXT], steps=steps))
    alone = attest(model, declared, budget=12, prober=prober)

    monkeypatch.setattr("assay.behaviour.attest.SHARED_WORDS", 20)  # even these small ones are scanned in parts
    said: list[str] = []
    ended = threading.Event()
    ours, helper = (Crew(world.index, world.blobs, holder, lambda _: False) for holder in ("ours", "helper"))

    def helping() -> None:
        while not ended.is_set():
            helper.help(said.append) or time.sleep(0.05)

    thread = threading.Thread(target=helping)
    thread.start()
    try:
        both = attest(model, declared, budget=12, prober=Waiting(prober, said), keep=ours)
    finally:
        ended.set()
        thread.join()
    assert any("vocabulary#" in one for one in said)
    assert both.word is alone.word
    each = zip(alone.probes, both.probes, strict=True)  # on a busy machine the budget may end before another probe
    ran = [(one, other) for one, other in each if "budget" not in one.reason + other.reason]
    assert {"unknown-token", "script-bags", "token-scan"} <= {one.probe for one, _ in ran}
    for one, other in ran:
        assert (one.probe, one.word, one.score, one.candidates) == (
            other.probe,
            other.word,
            other.score,
            other.candidates,
        )


class Waiting:
    """A guest whose second probe begins when the other worker has answered one: else small models leave it nothing."""

    def __init__(self, prober, said):
        self.prober, self.said = prober, said

    @contextmanager
    def opened(self, job, account):
        with self.prober.opened(job, account) as talk:
            begin = talk.probe

            def probe(*given):
                result = begin(*given)
                until = time.monotonic() + 300
                while not any("vocabulary#" in one for one in self.said) and time.monotonic() < until:
                    time.sleep(0.05)
                return result

            talk.probe = probe
            yield talk
