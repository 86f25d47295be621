"""Every tampering is refused at the step that it concerns."""

import base64
import json
import os
import shutil
import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from assay.core.digest import Digest
from assay.core.statement import StatementSubject
from assay.core.verdict import Decision
from assay.gate.verify import verify_folder
from tests.gate.admitted import FILES, NOW, START, Admission, outcome, put, snapshot_of, trust_of


def change_byte(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[500] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def rename(folder):
    (folder / "model.safetensors").rename(folder / "model2.safetensors")


def link_outside(folder):
    (folder.parent / "outside.json").write_bytes(FILES["config.json"])
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(folder.parent / "outside.json")


def hide(path):
    def tamper(folder):
        put(folder, {path: b"import os\n"})

    return tamper


@pytest.mark.parametrize(
    ("tamper", "step"),
    [
        (change_byte, 5),
        (lambda f: (f / "model.safetensors").write_bytes(bytes(999)), 4),
        (lambda f: (f / "config.json").unlink(), 4),
        (lambda f: (f / ".gitattributes").unlink(), 4),
        (rename, 4),
        (link_outside, 4),
        (hide("extra.py"), 4),
        (hide(".hidden"), 4),
        (hide(".git/hooks/post-checkout"), 4),
        (hide(".gitignore"), 4),
        (hide("sub/.gitattributes"), 4),
        (hide(".assay/evil.py"), 4),
        (hide(".assay/keys/evil.py"), 4),
        (hide(".assay/sub/manifest.json"), 4),
        (hide(".cache/huggingface/evil.py"), 4),
        (hide(".cache/huggingface/download/model.bin.incomplete"), 4),
        (lambda f: put(f, {".cache/huggingface/download/a.metadata": bytes(5000)}), 4),
        (lambda f: os.mkfifo(f / "pipe"), 4),
        (lambda f: (f / "dangling").symlink_to("nowhere"), 4),
        (lambda f: (f / "loop").symlink_to("."), 4),
    ],
)
def test_a_changed_folder_is_refused(folder, trust, tamper, step):
    tamper(folder)
    report = verify_folder(folder, trust, now=NOW)
    assert outcome(report) == (step, False)
    assert report.exit_code == 1
    assert report.to_json()["outcome"] == "refused"


def test_a_swap_of_two_files_is_refused(folder, trust):
    """The OMS root would change too; the manifest names which file has which bytes."""
    one, two = folder / "model.safetensors", folder / "other"
    one.rename(two)
    (folder / "config.json").rename(one)
    two.rename(folder / "config.json")
    report = verify_folder(folder, trust, now=NOW)
    assert [step.n for step in report.steps if not step.ok] == [4, 5]


def test_a_link_inside_the_folder_is_followed(folder, trust):
    (folder / "config.json").rename(folder / "sub" / "moved.json")
    (folder / "config.json").symlink_to("sub/moved.json")
    report = verify_folder(folder, trust, now=NOW)
    assert outcome(report) == (4, False)
    assert "not in the manifest: sub/moved.json" in report.refusal.detail


def replace_statement(name, document):
    def tamper(folder):
        (folder / ".assay" / name).write_text(document if isinstance(document, str) else json.dumps(document))

    return tamper


def edit_payload(name, edit):
    """Change what is inside an envelope, in both forms, and leave the signature as it is."""

    def tamper(folder):
        for form in ("dsse", "sigstore"):
            path = folder / ".assay" / f"{name}.{form}.json"
            document = json.loads(path.read_text())
            envelope = document if form == "dsse" else document["dsseEnvelope"]
            payload = json.loads(base64.b64decode(envelope["payload"]))
            edit(payload)
            envelope["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
            path.write_text(json.dumps(document))

    return tamper


def remove(*names):
    def tamper(folder):
        for name in names:
            (folder / ".assay" / name).unlink()

    return tamper


def swap(one, two):
    def tamper(folder):
        for form in ("dsse", "sigstore"):
            a, b = (folder / ".assay" / f"{name}.{form}.json" for name in (one, two))
            kept = a.read_bytes()
            a.write_bytes(b.read_bytes())
            b.write_bytes(kept)

    return tamper


def both(name):
    return (f"{name}.dsse.json", f"{name}.sigstore.json")


@pytest.mark.parametrize(
    ("tamper", "step", "says"),
    [
        (lambda f: shutil.rmtree(f / ".assay"), 1, "nothing vouches"),
        (remove("manifest.json"), 1, "manifest"),
        (remove("model.sig"), 1, "no 'oms'"),
        (remove(*both("01-fetched")), 1, "no 'fetched'"),
        (remove(*both("02-scanned")), 1, "no 'scanned'"),
        (remove(*both("03-approved")), 1, "no 'approved'"),
        (swap("02-scanned", "03-approved"), 1, "is not a 'scanned' statement"),
        (replace_statement("01-fetched.dsse.json", "{"), 1, "not JSON"),
        (replace_statement("01-fetched.dsse.json", "[" * 100_000), 1, "not JSON"),
        (replace_statement("01-fetched.dsse.json", {}), 1, "broken"),
        (replace_statement("01-fetched.dsse.json", {"payload": "", "payloadType": "", "signatures": []}), 1, "proves"),
        (replace_statement("01-fetched.sigstore.json", {}), 1, "not a Sigstore bundle"),
        (replace_statement("model.sig", "null"), 1, "not a Sigstore bundle"),
        (replace_statement("manifest.json", "{}"), 1, "manifest"),
        (replace_statement("manifest.json", "nonsense"), 1, "not JSON"),
        (replace_statement("manifest.json", {"schema": "assay.manifest/v1", "files": []}), 1, "without files"),
        (
            replace_statement(
                "manifest.json", {"schema": "assay.manifest/v1", "files": [{"path": 3, "size": 1, "sha256": "0" * 64}]}
            ),
            1,
            "broken manifest",
        ),
        (
            lambda f: (f / ".assay" / "manifest.json").write_bytes(
                (f / ".assay" / "manifest.json").read_bytes() + b"\n"
            ),
            1,
            "canonical",
        ),
        (lambda f: shutil.copy(f / ".assay/02-scanned.dsse.json", f / ".assay/01-fetched.dsse.json"), 1, "differ"),
        (edit_payload("03-approved", lambda p: p["predicate"].update(verificationResult="PASSED!")), 2, "03-approved"),
        (edit_payload("03-approved", lambda p: p["predicate"]["assay_verdict"].update(decision="ADMIT ")), 2, "03-"),
        (
            edit_payload(
                "03-approved", lambda p: p["predicate"]["assay_verdict"].update(expires_at="2099-01-01T00:00:00Z")
            ),
            2,
            "no key in the trust file",
        ),
        (edit_payload("01-fetched", lambda p: p["subject"].pop()), 2, "01-fetched"),
        (edit_payload("02-scanned", lambda p: p["predicate"].update(evidence=[])), 2, "02-scanned"),
        (edit_payload("04-ref", lambda p: p["predicate"].update(ref="production")), 2, "04-ref"),
    ],
)
def test_changed_statements_are_refused(folder, trust, tamper, step, says):
    tamper(folder)
    report = verify_folder(folder, trust, now=NOW)
    assert outcome(report) == (step, False)
    assert says in report.refusal.detail
    assert all(step.ok is None for step in report.steps[step:])


def with_subject(statement):
    extra = StatementSubject("other.bin", Digest.of(b"other"))
    return replace(statement, subjects=(*statement.subjects, extra))


def other_predicate(**changes):
    return lambda statement: replace(statement, predicate={**statement.predicate, **changes})


def at(statement_time):
    return {"runDetails": {"builder": {}, "metadata": {"finishedOn": statement_time}}}


def rests_on_something_else(statement):
    inputs = statement.predicate["inputAttestations"]
    absent = {"uri": "urn:x", "digest": {"sha256": "0" * 64}}
    return replace(statement, predicate={**statement.predicate, "inputAttestations": [absent, *inputs]})


OTHER = snapshot_of({**FILES, "model.safetensors": bytes(1001)})


@pytest.mark.parametrize(
    ("changes", "step", "says"),
    [
        ({"roles": {"approved": "scanner"}}, 2, "is trusted as scanner, not as approver"),
        ({"roles": {"scanned": "approver"}}, 2, "is trusted as approver, not as scanner"),
        ({"roles": {"fetched": "registry"}}, 2, "is trusted as registry, not as importer"),
        ({"roles": {"oms": "approver"}}, 6, "is trusted as approver, not as registry"),
        ({"start": START - timedelta(days=1)}, 2, "not valid yet"),
        ({"start": START + timedelta(days=1096)}, 2, "future"),
        ({"edit": {"fetched": other_predicate(**at("2099-01-01T00:00:00Z"))}}, 2, "future"),
        ({"edit": {"fetched": other_predicate(runDetails={})}}, 2, "does not say when"),
        ({"edit": {"scanned": with_subject}}, 3, "02-scanned: about another model"),
        ({"edit": {"approved": lambda s: replace(s, subjects=s.subjects[1:])}}, 3, "03-approved: not about this model"),
        ({"edit": {"approved": other_predicate(assay_name=None)}}, 3, "under which name"),
        ({"edit": {"oms": lambda s: replace(s, subjects=(StatementSubject("x", Digest.of(b"")),))}}, 6, "root"),
        ({"edit": {"scanned": other_predicate(previous="sha256:" + "0" * 64)}}, 7, "nothing here"),
        ({"edit": {"scanned": other_predicate(previous=None)}}, 7, "does not name"),
        ({"edit": {"approved": other_predicate(inputAttestations=[])}}, 7, "does not name"),
        ({"edit": {"approved": rests_on_something_else}}, 7, "which is not here"),
        ({"edit": {"scanned": other_predicate(scannedAt="2026-03-01T12:00:00Z")}}, 7, "dated before"),
        ({"edit": {"ref": other_predicate(previous="sha256:" + "0" * 64)}}, 7, "04-ref must follow"),
        ({"decision": Decision.HOLD}, 8, "the verdict is HOLD"),
        ({"decision": Decision.REJECT}, 8, "the verdict is REJECT"),
        ({"edit": {"approved": other_predicate(verificationResult="FAILED")}}, 8, "contradict"),
    ],
)
def test_a_chain_that_should_not_have_been_signed_is_refused(ring, tmp_path, changes, step, says):
    folder = Admission(ring, **changes).run().write(tmp_path / "model")
    report = verify_folder(folder, trust_of(ring), now=NOW)
    assert outcome(report) == (step, False)
    assert says in report.refusal.detail


def test_a_reordered_chain_is_refused(ring, trust, tmp_path):
    """The scan names another import of the same files than the one that lies here."""
    other = Admission(ring, start=START + timedelta(minutes=1)).run()
    mine = Admission(ring).run()
    mine.envelopes["fetched"] = other.envelopes["fetched"]
    report = verify_folder(mine.write(tmp_path / "model"), trust, now=NOW)
    assert outcome(report) == (7, False)


def test_statements_of_another_model_are_refused(ring, trust, tmp_path):
    other = Admission(ring, snapshot=OTHER).run()
    folder = Admission(ring).run().write(tmp_path / "model")
    put(folder / ".assay", {k: v for k, v in other.exported().items() if k.startswith("03-approved")})
    report = verify_folder(folder, trust, now=NOW)
    assert outcome(report) == (3, False)
    assert "03-approved" in report.refusal.detail
    # All of them together, with their own manifest, are about other files than those in the folder.
    put(folder / ".assay", other.exported())
    assert outcome(verify_folder(folder, trust, now=NOW)) == (4, False)


def test_the_model_signature_of_another_model_is_refused(ring, trust, tmp_path):
    folder = Admission(ring).run().write(tmp_path / "model")
    put(folder / ".assay", {"model.sig": Admission(ring, snapshot=OTHER).run().exported()["model.sig"]})
    assert outcome(verify_folder(folder, trust, now=NOW)) == (6, False)


def test_a_foreign_key_ring_is_refused_though_its_keys_lie_in_the_folder(stranger, trust, tmp_path):
    folder = Admission(stranger).run().write(tmp_path / "model")
    report = verify_folder(folder, trust, now=NOW)
    assert outcome(report) == (2, False)
    assert "no key in the trust file" in report.refusal.detail
    assert verify_folder(folder, trust_of(stranger), now=NOW).verified


def test_replaced_keys_in_the_folder_change_nothing(folder, stranger, trust):
    for role in ("importer", "scanner", "approver", "registry"):
        (folder / ".assay" / "keys" / f"{role}.pub").write_text(stranger.public(role).pem)
    assert verify_folder(folder, trust, now=NOW).verified
    shutil.rmtree(folder / ".assay" / "keys")
    assert verify_folder(folder, trust, now=NOW).verified
    assert outcome(verify_folder(folder, trust_of(stranger), now=NOW)) == (2, False)


@pytest.mark.parametrize("kind", ["fetched", "scanned", "approved", "ref", "oms"])
def test_one_foreign_signature_is_enough_to_refuse(ring, stranger, trust, tmp_path, kind):
    folder = Admission(ring, rings={kind: stranger}).run().write(tmp_path / "model")
    assert outcome(verify_folder(folder, trust, now=NOW)) == (6 if kind == "oms" else 2, False)


@pytest.mark.parametrize("role", ["importer", "scanner", "approver", "registry"])
def test_a_revoked_key_is_refused(folder, ring, trust, role):
    keys = tuple(replace(key, revoked=key.revoked or role in key.roles) for key in trust.keys)
    report = verify_folder(folder, replace(trust, keys=keys), now=NOW)
    assert outcome(report) == (2, False)
    assert "revoked" in report.refusal.detail


def test_an_expired_key_is_refused(folder, trust):
    keys = tuple(replace(key, not_after=START + timedelta(seconds=1)) for key in trust.keys)
    report = verify_folder(folder, replace(trust, keys=keys), now=NOW)
    assert outcome(report) == (2, False)
    assert "expired" in report.refusal.detail


def test_what_was_signed_before_a_key_expired_still_counts(folder, trust):
    keys = tuple(replace(key, not_after=START + timedelta(hours=1)) for key in trust.keys)
    assert verify_folder(folder, replace(trust, keys=keys), now=NOW).verified


def test_an_expired_verdict_is_refused(folder, trust):
    report = verify_folder(folder, replace(trust, max_age=timedelta(days=999)), now=START + timedelta(days=91))
    assert outcome(report) == (8, False)
    assert "expired" in report.refusal.detail


def test_a_revoked_model_is_refused(ring, trust, tmp_path):
    folder = Admission(ring).run(revoked=True).write(tmp_path / "model")
    report = verify_folder(folder, trust, now=NOW)
    assert outcome(report) == (8, False)
    assert "revoked on 2026-03-01" in report.refusal.detail


def test_hostile_names_are_shown_escaped(folder, trust):
    put(folder, {"evil\x1b[2J\n\u202e.py": b""})
    report = verify_folder(folder, trust, now=NOW)
    assert outcome(report) == (4, False)
    assert report.refusal.detail.isprintable()


@pytest.mark.parametrize("content", [b"", b"\xff" * 10])
def test_a_statements_directory_that_is_a_trap_is_refused(folder, trust, content):
    (folder / ".assay" / "07-view.dsse.json").unlink(missing_ok=True)
    os.mkfifo(folder / ".assay" / "07-view.dsse.json")
    assert outcome(verify_folder(folder, trust, now=NOW)) == (1, False)
    (folder / ".assay" / "07-view.dsse.json").unlink()
    (folder / ".assay" / "07-view.dsse.json").write_bytes(content)
    assert outcome(verify_folder(folder, trust, now=NOW)) == (1, False)


def test_a_socket_in_the_folder_is_refused(folder, trust, monkeypatch):
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        assert outcome(verify_folder(folder, trust, now=NOW)) == (4, False)
