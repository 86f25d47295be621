"""Revoking, lifting, recording a deployment, and the keys that it takes."""

import json
from contextlib import closing

import pytest

from assay.cli.main import main
from assay.core.errors import TrustError
from assay.gate.record import sign_deployed
from assay.gate.report import Report, Step
from assay.gate.verify import verify_folder
from assay.provenance.keys import KeyRing
from assay.provenance.statements import kind_of
from assay.provenance.trust import Trust
from assay.registry.lineage import Lineage, Node
from assay.store.index import Index
from tests.cli.published import publish
from tests.gate.admitted import FILES, NAME, put


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_KEY_PASSPHRASE", raising=False)
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture
def admission(data):
    return publish(data)


def test_a_revocation_stands_until_another_person_lifts_it(admission, data, tmp_path, capsys):
    assert main(["key", "create", "lift", "--out", "mine"]) == 0
    assert main(["key", "trust", "mine/lift.pub", "--role", "lift"]) == 0
    assert main(["lift", NAME, "--reason", "r", "--key", "mine/lift.pem"]) == 3, "nothing to lift"
    assert main(["revoke", NAME, "--reason", "poisoned weights"]) == 0
    assert main(["verify", NAME]) == 1
    capsys.readouterr()
    assert main(["verify", NAME, "--format", "json"]) == 1
    assert "poisoned weights" in json.loads(capsys.readouterr().out)["reasons"][0]["text"]
    assert main(["attest", "export", NAME, "--out", "revoked"]) == 0
    # The approver, who revoked, holds no lift key; its key signs no lift.
    assert main(["lift", NAME, "--reason", "never mind", "--key", str(data / "keys" / "approver.pem")]) == 1
    assert main(["verify", NAME]) == 1
    assert main(["lift", NAME, "--reason", "false alarm", "--key", "mine/lift.pem"]) == 0
    assert main(["verify", NAME]) == 0
    assert main(["log", "verify"]) == 0
    assert main(["attest", "export", NAME, "--out", "lifted"]) == 0
    put(tmp_path / "model", FILES)
    trust = data / "trust.toml"
    assert verify_folder(tmp_path / "model", trust, tmp_path / "lifted").verified
    assert verify_folder(tmp_path / "model", trust, tmp_path / "revoked").refusal.n == 8
    # A verifier whose trust file gives nobody the role lift still sees the revocation.
    (tmp_path / "strict.toml").write_text(trust.read_text("utf-8").replace('roles = ["lift"]', 'roles = ["reviewer"]'))
    assert verify_folder(tmp_path / "model", tmp_path / "strict.toml", tmp_path / "lifted").refusal.n in {2, 8}
    assert main(["revoke", NAME, "--reason", "after all"]) == 0
    assert main(["verify", NAME]) == 1, "the old lift does not lift a new revocation"


def test_who_revoked_can_not_lift_it_alone(admission, data, capsys):
    assert main(["key", "create", "lift", "--out", "mine"]) == 0
    assert main(["key", "trust", "mine/lift.pub", "--role", "lift", "--role", "reviewer"]) == 0
    assert main(["revoke", NAME, "--reason", "bad", "--key", "mine/lift.pem"]) == 0
    assert main(["lift", NAME, "--reason", "fine", "--key", "mine/lift.pem"]) == 1
    assert "can't lift it alone" in capsys.readouterr().out
    assert main(["key", "create", "lift", "--out", "other"]) == 0
    assert main(["key", "trust", "other/lift.pub", "--role", "lift"]) == 0
    assert main(["lift", NAME, "--reason", "fine", "--key", "other/lift.pem"]) == 0
    assert main(["verify", NAME]) == 0


def test_a_revocation_by_an_unknown_key_is_not_taken(admission, capsys):
    assert main(["key", "create", "reviewer", "--out", "mine"]) == 0
    assert main(["revoke", NAME, "--reason", "bad", "--key", "mine/reviewer.pem"]) == 3
    assert main(["verify", NAME]) == 0


def test_a_deployment_is_recorded_only_when_verified(admission, data, tmp_path, capsys):
    assert main(["verify", NAME, "--record", "production"]) == 0
    assert "recorded as deployed to production" in capsys.readouterr().out
    assert main(["attest", "list", NAME]) == 0
    assert "deployed" in capsys.readouterr().out
    assert main(["log", "verify"]) == 0
    assert main(["verify", NAME, "--record", "production"]) == 0  # once more is once in the lineage
    with closing(Index.open(f"sqlite:///{data / 'index.sqlite'}")) as index:
        assert [edge.relation for edge in Lineage(index).edges(Node("deployment", "production"))] == ["runs"]
    # Somewhere else, without the store: beside the statements.
    assert main(["attest", "export", NAME, "--out", "model/.assay"]) == 0
    put(tmp_path / "model", FILES)
    exported = len(list((tmp_path / "model" / ".assay").glob("*-deployed.dsse.json")))  # one for each second
    assert exported in {1, 2}
    (data / "index.sqlite").rename(tmp_path / "away")
    assert main(["verify", "model", "--record", "edge"]) == 0
    report = verify_folder(tmp_path / "model", data / "trust.toml")
    assert report.verified, report.refusal
    written = sorted(path.name for path in (tmp_path / "model" / ".assay").glob("*-deployed.dsse.json"))
    assert len(written) == exported + 1, "those of the store came with the export"
    (tmp_path / "model" / "config.json").write_bytes(b"{}")
    assert main(["verify", "model", "--record", "edge"]) == 1
    assert len(list((tmp_path / "model" / ".assay").glob("*-deployed.dsse.json"))) == exported + 1
    key = KeyRing.load(data / "keys").key("admission")
    with pytest.raises(TrustError):
        sign_deployed(Report((Step(1, "x", False, "no"),)), "edge", key, now=admission.start)
    assert kind_of(sign_deployed(report, "edge", key, now=admission.start).envelope.statement()) == "deployed"


def test_rotation_keeps_what_was_signed_and_revocation_does_not(admission, data, capsys):
    before = KeyRing.load(data / "keys").public("approver").id
    assert main(["key", "rotate", "approver"]) == 0
    after = KeyRing.load(data / "keys").public("approver").id
    assert after != before
    assert (data / "keys" / "approver.pem.retired").exists()
    assert main(["verify", NAME]) == 0, "what the old key signed before still counts"
    capsys.readouterr()
    assert main(["key", "list", "--format", "json"]) == 0
    keys = {key["id"]: key for key in json.loads(capsys.readouterr().out)["keys"]}
    assert keys[before]["not_after"] <= keys[after]["not_before"]
    assert main(["revoke", NAME, "--reason", "x"]) == 0, "the new key signs"
    assert main(["key", "revoke", "no-such"]) == 3
    assert main(["key", "revoke", before[:12]]) == 0
    assert next(k for k in Trust.load(data / "trust.toml").keys if k.public.id == before).revoked
    assert main(["verify", NAME]) == 1
    assert main(["key", "list"]) == 0
    assert "revoked" in capsys.readouterr().out


def test_what_is_asked_wrongly(data, tmp_path):
    assert main(["init", "--quiet"]) == 0
    for wrong in (
        ["create", "cook"],
        ["create"],
        ["list", "x"],
        ["trust", "none.pub", "--role", "lift"],
        ["trust", "x"],
    ):
        assert main(["key", *wrong]) == 3
    assert main(["key", "create", "lift"]) == 0
    assert main(["key", "create", "lift"]) == 3, "keys are never overwritten"
    assert main(["key", "trust", "lift.pub", "--role", "lift"]) == 0
    assert main(["key", "trust", "lift.pub", "--role", "lift"]) == 3, "it is there already"
    assert main(["key", "trust", "lift.pub", "--role", "log"]) == 3
