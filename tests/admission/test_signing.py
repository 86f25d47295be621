"""The chain that an admission signs, with all that may stand between scan and approval."""

from dataclasses import replace
from datetime import timedelta

import pytest

from assay.admission.signing import sign_admission
from assay.core.errors import TrustError
from assay.core.evidence import Evidence, Outcome
from assay.gate.statements import export_files
from assay.gate.verify import verify_folder
from assay.policy.decide import decide
from assay.policy.model import load_policy
from assay.provenance import statements as st
from assay.provenance.keys import KeyRing
from tests.gate.admitted import FILES, NAME, NOW, START, put, snapshot_of, trust_of
from tests.provenance.test_kinds import CYCLONEDX, SPDX

POLICY = replace(load_policy(None), required=("pickle",))


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return KeyRing.create(tmp_path_factory.mktemp("ring") / "keys")


def evidence_of(snapshot, behaviour=Outcome.CLEAN):
    paths = tuple(entry.path for entry in snapshot.files)
    return [
        Evidence(snapshot.id, "pickle", "1", {}, Outcome.CLEAN, paths),
        Evidence(snapshot.id, "evaluation", "1", {"suites": []}, Outcome.CLEAN, paths, facts={"metrics": []}),
        Evidence(snapshot.id, "behaviour", "1", {}, behaviour, paths if behaviour is Outcome.CLEAN else ()),
    ]


def signed(ring, snapshot, **more):
    evidence = more.pop("evidence", evidence_of(snapshot))
    times = tuple(START + timedelta(seconds=n) for n in range(3))
    verdict = decide(snapshot, evidence, POLICY, times[-1])
    return sign_admission(snapshot, evidence, verdict, ring=ring, policy=POLICY, name=NAME, times=times, **more)


def test_what_was_measured_and_the_bills_stand_in_the_chain_and_verify(ring, tmp_path):
    snapshot = snapshot_of()
    chain = signed(ring, snapshot, bills={"spdx": SPDX, "cyclonedx": CYCLONEDX})
    kinds = [one.kind for one in chain]
    assert kinds == ["fetched", "scanned", "evaluated", "behaviour", "cyclonedx", "spdx", "approved", "oms"]
    assert [one.role for one in chain[2:6]] == ["evaluator", "evaluator", "scanner", "scanner"]
    approval = chain[-2].envelope.statement()
    assert st.inputs_of(approval) == tuple(one.envelope.digest for one in chain[:-2])
    put(tmp_path / "model", FILES)
    exported = export_files(snapshot.manifest_bytes(), [(one.kind, one.envelope, one.bundle) for one in chain])
    put(tmp_path / "model" / ".assay", exported)
    report = verify_folder(tmp_path / "model", trust_of(ring), now=NOW)
    assert report.verified, report.refusal
    assert " <- ".join(f"{n:02}-{kind}" for n, kind in enumerate(kinds[:-1], 1)) in report.steps[6].detail
    for path in [name for name in exported if "-behaviour" in name]:
        (tmp_path / "model" / ".assay" / path).unlink()
    report = verify_folder(tmp_path / "model", trust_of(ring), now=NOW)
    assert (report.refusal.n, report.refusal.ok) == (7, False)


def test_what_does_not_apply_is_not_stated(ring):
    snapshot = snapshot_of()
    chain = signed(ring, snapshot, evidence=evidence_of(snapshot, Outcome.NOT_APPLICABLE))
    assert [one.kind for one in chain] == ["fetched", "scanned", "evaluated", "approved", "oms"]


def test_a_bill_that_is_none_signs_nothing(ring):
    with pytest.raises(TrustError, match="CycloneDX"):
        signed(ring, snapshot_of(), bills={"cyclonedx": {"bomFormat": "other"}})
