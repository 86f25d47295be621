import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from assay.cli.main import main
from assay.core.statement import Envelope
from assay.core.verdict import Decision
from assay.gate.stored import find, open_store
from assay.provenance import dsse
from assay.provenance.bundle import to_bundle
from assay.provenance.keys import ROLES, KeyRing, PublicKey, SigningKey, new_private
from assay.provenance.notes import Checkpoint, Note, sign_note
from assay.provenance.statements import revoked
from assay.store.index import StoredStatement
from tests.cli.published import publish
from tests.gate.admitted import FILES, NAME, ROLE_OF, Admission, put


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_KEY_PASSPHRASE", raising=False)
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture
def admission(data):
    return publish(data)


def revoke(data, admission):
    """As the incident commands will."""
    ring = KeyRing.load(data / "keys")
    now = datetime.now(UTC)
    approval = admission.envelopes["approved"][0]
    envelope = ring.sign("approver", revoked(admission.snapshot, name=NAME, reason="bad", previous=approval, at=now))
    statement = StoredStatement("revoked", "approver", envelope, to_bundle(envelope, ring.public("approver")))
    with open_store(f"sqlite:///{data / 'index.sqlite'}", str(data / "blobs")) as store:
        store.catalog.revoke(admission.snapshot.id, "bad", statement)


def test_list_names_every_statement(admission, capsys):
    assert main(["attest", "list", NAME]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["fetched", "scanned", "approved", "oms", "ref", "5"]
    assert main(["attest", "list", NAME, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "assay.attest/v1"
    assert document["subject"]["id"] == str(admission.snapshot.id)
    assert [one["digest"] for one in document["statements"]] == [
        str(envelope.digest) for envelope, _ in admission.envelopes.values()
    ]


def test_show_prints_what_was_stated(admission, capsys):
    assert main(["attest", "show", NAME, "--kind", "approved"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["statements"]
    assert one["statement"]["predicate"]["verificationResult"] == "PASSED"
    assert main(["attest", "show", NAME, "--kind", "waived"]) == 3
    assert "assay attest list" in capsys.readouterr().err


def test_verify_checks_the_stored_model(admission, capsys):
    assert main(["attest", "verify", NAME]) == 0
    assert main(["attest", "verify", NAME, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out.split("\n", 12)[-1])["outcome"] == "verified"


def test_a_revoked_model_is_refused_and_still_listed(data, admission, capsys):
    revoke(data, admission)
    assert main(["attest", "verify", NAME]) == 1
    assert "refused at step 8: org/name was revoked" in capsys.readouterr().out
    assert main(["verify", NAME]) == 1
    assert main(["attest", "list", NAME]) == 0
    assert "revoked" in capsys.readouterr().out
    put(data.parent / "model", FILES)
    assert main(["attest", "export", NAME, "--out", "model/.assay"]) == 0
    assert "not served: org/name was revoked" in capsys.readouterr().out
    assert main(["verify", "model"]) == 1
    assert "refused at step 8: revoked on" in capsys.readouterr().out


def test_export_writes_what_the_contract_names(admission, tmp_path, capsys):
    assert main(["attest", "export", NAME, "--out", "proof"]) == 0
    assert "signed now by the registry" in capsys.readouterr().out
    written = sorted(path.relative_to(tmp_path / "proof").as_posix() for path in (tmp_path / "proof").rglob("*.*"))
    kinds = ["01-fetched", "02-scanned", "03-approved", "04-ref", "05-view"]
    statements = [f"{kind}.{form}.json" for kind in kinds for form in ("dsse", "sigstore")]
    keys = [f"keys/{role}.pub" for role in ROLES]
    proofs = [f"proofs/{kind}.json" for kind in (*kinds[:-1], "oms")]  # the view is signed beside the log
    assert written == sorted([*statements, *keys, *proofs, "manifest.json", "model.sig"])
    assert (tmp_path / "proof" / "manifest.json").read_bytes() == admission.snapshot.manifest_bytes()
    envelope = Envelope.from_json(json.loads((tmp_path / "proof" / "05-view.dsse.json").read_text()))
    key = PublicKey.parse((tmp_path / "proof" / "keys" / "registry.pub").read_bytes())
    assert dsse.verify(envelope, [key])
    assert len(envelope.statement().predicate["logHead"]) == 64


def test_an_export_verifies_and_the_openssf_verifier_agrees(admission, tmp_path, capsys):
    put(tmp_path / "model", FILES)
    assert main(["attest", "export", NAME, "--out", "model/.assay", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == "model/.assay"
    assert main(["verify", "model"]) == 0
    command = [sys.executable, "-m", "model_signing", "verify", "key", "--signature", "model/.assay/model.sig"]
    command += ["--public_key", "model/.assay/keys/registry.pub", "model"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_an_export_renews_the_view_of_the_registry(data, tmp_path, capsys):
    admission = publish(data, started=datetime.now(UTC) - timedelta(days=40))
    folder = admission.write(tmp_path / "model")
    assert main(["verify", "model"]) == 2
    assert main(["attest", "export", NAME, "--out", str(folder / ".assay")]) == 0
    assert main(["verify", "model"]) == 0


def log_required(data):
    trust = data / "trust.toml"
    trust.write_text(trust.read_text().replace("max_age_days", "log_required = true\nmax_age_days", 1))


def test_proofs_that_the_log_holds_the_statements_are_checked_offline(data, admission, tmp_path, capsys):
    put(tmp_path / "model", FILES)
    assert main(["attest", "export", NAME, "--out", "model/.assay"]) == 0
    assert "proofs that the log holds them: 5 of 5" in capsys.readouterr().out
    log_required(data)
    (data / "index.sqlite").rename(data / "gone.sqlite")  # nothing of the registry is asked
    assert main(["verify", "model"]) == 0
    assert "5 statements are in the log of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("none", "without a proof"),
        ("of another statement", "without a proof"),
        ("another entry", "does not show entry 4"),
        ("a log of its own", "not signed"),
        ("broken", "not JSON"),
    ],
)
@pytest.mark.usefixtures("admission")
def test_a_statement_that_the_log_does_not_hold_is_refused(data, tmp_path, capsys, case, says):
    put(tmp_path / "model", FILES)
    assert main(["attest", "export", NAME, "--out", "model/.assay"]) == 0
    log_required(data)
    path = tmp_path / "model/.assay/proofs/02-scanned.json"
    proof = json.loads(path.read_text())
    match case:
        case "none":
            path.unlink()
        case "of another statement":
            path.write_bytes((path.parent / "01-fetched.json").read_bytes())
        case "another entry":
            proof["hashes"][0] = "00" * 32
        case "a log of its own":
            other = SigningKey("log", new_private("log"))
            note = Checkpoint.of(Note.parse(proof["checkpoint"]))
            proof["checkpoint"] = str(sign_note(note.text(), note.origin, other))
        case "broken":
            path.write_text("{")
    if case in {"another entry", "a log of its own"}:
        path.write_text(json.dumps(proof))
    capsys.readouterr()
    assert main(["verify", "model"]) == 1
    out = capsys.readouterr().out
    assert "refused at step 11" in out
    assert says in out


def test_export_replaces_an_export_and_nothing_else(admission, tmp_path, capsys):
    assert main(["attest", "export", NAME]) == 0
    (tmp_path / ".assay" / "99-old.dsse.json").write_text("{}")
    assert main(["attest", "export", NAME]) == 0
    assert not (tmp_path / ".assay" / "99-old.dsse.json").exists()
    put(tmp_path / "mine", {"thesis.tex": b"dear to me"})
    assert main(["attest", "export", NAME, "--out", "mine"]) == 3
    assert "is not an export: thesis.tex" in capsys.readouterr().err
    assert main(["attest", "export", NAME, "--out", "mine/thesis.tex"]) == 3
    assert (tmp_path / "mine" / "thesis.tex").read_bytes() == b"dear to me"


def test_export_without_the_private_key_signs_no_view(data, admission, tmp_path, capsys):
    (data / "keys" / "registry.pem").unlink()
    assert main(["attest", "export", NAME, "--out", "proof"]) == 0
    assert "view of the registry: none of today: no key" in capsys.readouterr().out
    assert not (tmp_path / "proof" / "05-view.dsse.json").exists()


def test_an_unknown_model_is_exit_3(admission, capsys):
    for action in ("list", "show", "verify", "export"):
        assert main(["attest", action, "org/other"]) == 3
        assert "never vetted" in capsys.readouterr().err


def test_only_statements_of_the_name_are_given(data, admission):
    """The same bytes rejected under another name do not speak about this one, and its admission not about that."""
    other = Admission(admission.ring, name="0rg/name", start=admission.start, decision=Decision.REJECT).run()
    with open_store(f"sqlite:///{data / 'index.sqlite'}", str(data / "blobs")) as store:
        index = store.catalog.index
        for kind in ("fetched", "scanned", "approved"):
            envelope, bundle = other.envelopes[kind]
            index.put_statement(other.snapshot.id, kind, ROLE_OF[kind], envelope, bundle)
        store.catalog.record_refusal("0rg/name", other.verdict(other.evidence))
        good, bad = find(store.catalog, NAME), find(store.catalog, "0rg/name")
    assert [one.kind for one in good.statements] == ["fetched", "scanned", "approved", "oms", "ref"]
    assert [one.kind for one in bad.statements] == ["fetched", "scanned", "approved"]
    assert bad.refused.kind == "rejected"
    assert main(["attest", "verify", "0rg/name"]) == 1
