"""What came signed: a publisher's signature made by the real tool, a builder's provenance, and what a policy says."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assay.core.evidence import Outcome
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.statement import Statement, StatementSubject
from assay.core.verdict import Decision
from assay.inspections.origin import OriginProof
from assay.policy.decide import decide
from assay.policy.model import Action, load_policy
from assay.provenance import dsse
from assay.provenance.bom.build import build
from assay.provenance.bom.cyclonedx import cyclonedx
from assay.provenance.bom.record import VERIFIED
from assay.provenance.bom.spdx import spdx
from assay.provenance.bom.validate import check_cyclonedx, check_spdx
from assay.provenance.bundle import to_bundle
from assay.provenance.keys import KeyRing
from assay.provenance.statements import PROVENANCE_TYPE, fetched
from assay.provenance.trust import trust_entry, write_trust
from assay.sources.directory import fetch_directory
from assay.store.blobs import open_blobs
from assay.store.index import BlobFiles
from tests.gate.admitted import put
from tests.support import admitted

FILES = {"config.json": b"{}", "model.safetensors": bytes(100), "sub/tokenizer.json": b"{}"}
COMMIT = "c" * 40


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    home = tmp_path_factory.mktemp("keys")
    for role in ("publisher", "builder", "reviewer"):
        KeyRing.add(home, role)
    return home


@pytest.fixture(scope="module")
def trust(keys, tmp_path_factory):
    path = tmp_path_factory.mktemp("trust") / "trust.toml"
    since = datetime.now(UTC) - timedelta(days=1)
    entries = [
        trust_entry(KeyRing.read(keys / f"{role}.pem", role).public, [role], now=since)
        for role in ("publisher", "builder")
    ]
    write_trust(path, 'schema = "assay.trust/v1"\nmax_age_days = 30\n' + "".join(entries))
    return path


@pytest.fixture(scope="module")
def published(keys, tmp_path_factory):
    """Signed by the OpenSSF tool, as a publisher would."""
    folder = tmp_path_factory.mktemp("published")
    put(folder, FILES)
    command = [sys.executable, "-m", "model_signing", "sign", "key", "--private_key", keys / "publisher.pem"]
    subprocess.run(
        [*command, "--signature", folder / "model.sig", folder], check=True, capture_output=True, timeout=120
    )
    return {**FILES, "model.sig": (folder / "model.sig").read_bytes()}


def built(keys, snapshot, role="builder", **changes):
    definition = {
        "buildType": "https://ci.example/pipeline/v1",
        "externalParameters": {"workflow": "train.yml"},
        "resolvedDependencies": [
            {"uri": "git+https://git.example/models", "digest": {"gitCommit": COMMIT}},
            {"uri": "train.yml", "digest": {"sha256": "d" * 64}},
        ],
    }
    details = {"builder": {"id": "https://ci.example/runner"}, "metadata": {"invocationId": "run-7"}}
    predicate = {"buildDefinition": definition, "runDetails": details} | changes
    subjects = [StatementSubject(e.path, e.digest) for e in snapshot.files if e.path.endswith(".safetensors")]
    key = KeyRing.read(keys / f"{role}.pem", role)
    envelope = dsse.sign(Statement(tuple(subjects), PROVENANCE_TYPE, predicate), key)
    return envelope, json.dumps(to_bundle(envelope, key.public)).encode()


@pytest.fixture
def look(tmp_path):
    def inspect(files, trust):
        folder = tmp_path / "model"
        put(folder, files)
        blobs = open_blobs(str(tmp_path / "blobs"))
        snapshot = fetch_directory(folder, "org/name", blobs, lambda *_: None)
        return OriginProof(trust).inspect(Subject(snapshot, BlobFiles(snapshot, blobs), Limits())), snapshot

    return inspect


def rules(evidence):
    return {finding.rule for finding in evidence.findings}


def test_a_publisher_and_a_builder_are_believed(look, trust, keys, published, tmp_path):
    _, snapshot = look(FILES, trust)
    envelope, bundle = built(keys, snapshot)
    evidence, full = look({**published, "provenance.sigstore.json": bundle}, trust)
    assert (evidence.outcome, rules(evidence)) == (Outcome.CLEAN, set())
    facts = {one["kind"]: one for one in evidence.facts["documents"]}
    assert facts["provenance"]["builder"] == "https://ci.example/runner"
    assert facts["provenance"]["commit"] == COMMIT
    assert facts["provenance"]["pipeline"] == [{"uri": "train.yml", "sha256": "d" * 64}]
    record = build(full, [evidence], admitted.verdict(full), name="org/name")
    signer = KeyRing.read(keys / "publisher.pem", "publisher").public.id
    assert record.fields["publisher_verification"].standing == VERIFIED
    assert record.value("publisher_verification") == {"signed_by": signer}
    code = {"repository": "https://git.example/models", "commit": COMMIT, "builder": "https://ci.example/runner"}
    assert record.value("training_commit") == code
    document = cyclonedx(record)
    check_cyclonedx(document)
    (component,) = [one for one in document["components"] if one["bom-ref"] == "training-code"]
    assert component["externalReferences"] == [{"type": "vcs", "url": "https://git.example/models"}]
    check_spdx(spdx(record))
    lines = b"\n".join(json.dumps(envelope.to_json()).encode() for _ in range(2))
    (tmp_path / "model" / "provenance.sigstore.json").unlink()
    evidence, _ = look({"build.intoto.jsonl": lines}, trust)
    assert rules(evidence) == set(), "the publisher's signature does not count the provenance beside it as a file"


def test_changed_files_are_found(look, trust, keys, published):
    _, snapshot = look(FILES, trust)
    _, bundle = built(keys, snapshot)
    changed = {**published, "model.safetensors": bytes(101), "provenance.sigstore.json": bundle}
    evidence, _ = look(changed, trust)
    assert evidence.outcome is Outcome.FOUND
    assert rules(evidence) == {"origin-mismatch", "origin-unsigned", "origin-unbuilt", "origin-unproven"}
    assert sum(finding.rule == "origin-mismatch" for finding in evidence.findings) == 2


def test_an_extra_file_is_not_covered(look, trust, published):
    evidence, _ = look({**published, "payload.py": b"print()"}, trust)
    assert "origin-mismatch" in rules(evidence)


def test_what_nobody_trusted_signed_is_in_no_bill_of_materials(look, trust, published):
    evidence, full = look({**published, "model.safetensors": b"other"}, trust)
    record = build(full, [evidence], admitted.verdict(full), name="org/name")
    assert record.value("publisher_verification") is None
    assert record.value("training_commit") is None


def test_what_nobody_trusted_signed_proves_nothing(look, trust, keys, published):
    _, snapshot = look(FILES, trust)
    _, bundle = built(keys, snapshot, role="reviewer")
    evidence, _ = look({**FILES, "provenance.sigstore.json": bundle, "model.sig": b"nonsense"}, trust)
    assert evidence.outcome is Outcome.CLEAN
    assert rules(evidence) == {"origin-unsigned", "origin-unbuilt", "origin-unproven"}
    assert {one["problem"] for one in evidence.facts["documents"]} >= {"not JSON"}


def test_an_import_of_ours_is_no_build_and_broken_provenance_says_so(look, trust, keys):
    _, snapshot = look(FILES, trust)
    key = KeyRing.read(keys / "builder.pem", "builder")
    now = datetime.now(UTC)
    ours = dsse.sign(fetched(snapshot, started=now, finished=now), key)
    for envelope in (ours, built(keys, snapshot, buildDefinition=3)[0]):
        data = json.dumps(envelope.to_json()).encode()
        evidence, _ = look({"a.dsse.json": data}, trust)
        assert "origin-mismatch" in rules(evidence)


def test_without_a_trust_file_nothing_can_be_told(look, tmp_path, published):
    for trust in (None, tmp_path / "missing.toml"):
        evidence, _ = look(published, trust)
        assert evidence.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("rule", ["origin-unsigned", "origin-unbuilt", "origin-unproven"])
def test_a_policy_can_require_either(look, trust, published, rule, tmp_path):
    policy = replace(load_policy(None), required=("origin",), rules={rule: Action.REJECT})
    signed, snapshot = look(published, trust)
    covered = replace(signed, covered=tuple(entry.path for entry in snapshot.files))
    verdict = decide(snapshot, [covered], policy, datetime.now(UTC))
    assert (verdict.decision is Decision.REJECT) is (rule == "origin-unbuilt")
    (tmp_path / "model" / "model.sig").unlink()
    unsigned, snapshot = look({}, trust)
    verdict = decide(snapshot, [unsigned], policy, datetime.now(UTC))
    assert verdict.decision is Decision.REJECT
