"""The OpenSSF model signature, against the real `model_signing` command: ours checked by theirs, theirs by ours."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import Statement
from assay.provenance import dsse
from assay.provenance.bundle import from_bundle, to_bundle
from assay.provenance.keys import PublicKey
from assay.provenance.oms import GIT_PATHS, check_oms, oms_root, oms_statement, read_oms
from tests.provenance.conftest import snapshot_of


def model_signing(*arguments):
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def write_signature(target, snapshot, ring):
    envelope = ring.sign("registry", oms_statement(snapshot, "name"))
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(to_bundle(envelope, ring.public("registry"))))


def verify(folder, key, *flags):
    (folder.parent / "registry.pub").write_text(key.pem)
    return model_signing(
        "verify", "key", "--signature", folder / ".assay" / "model.sig", *flags,
        "--public_key", folder.parent / "registry.pub", folder,
    )  # fmt: skip


def test_the_real_verifier_accepts_ours_with_its_default_settings(folder, snapshot, ring):
    write_signature(folder / ".assay" / "model.sig", snapshot, ring)
    (folder / ".assay" / "manifest.json").write_bytes(snapshot.manifest_bytes())
    result = verify(folder, ring.public("registry"))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("tampering", ["byte", "extra", "removed", "key"])
def test_the_real_verifier_refuses_what_was_changed(folder, snapshot, ring, tampering):
    write_signature(folder / ".assay" / "model.sig", snapshot, ring)
    key = ring.public("registry")
    if tampering == "byte":
        (folder / "model.safetensors").write_bytes(b"\x00" * 99 + b"\x01")
    elif tampering == "extra":
        (folder / "evil.py").write_text("print('hello')")
    elif tampering == "removed":
        (folder / "config.json").unlink()
    else:
        key = ring.public("approver")
    assert verify(folder, key).returncode == 1


def test_the_real_verifier_accepts_a_model_of_nothing_but_git_files(tmp_path, ring):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / ".gitattributes").write_bytes(b"x")
    write_signature(folder / ".assay" / "model.sig", snapshot_of({".gitattributes": b"x"}), ring)
    assert verify(folder, ring.public("registry")).returncode == 1
    assert verify(folder, ring.public("registry"), "--no-ignore-git-paths").returncode == 0


def test_we_read_a_signature_of_the_real_signer(folder, snapshot, tmp_path):
    private = ec.generate_private_key(ec.SECP384R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(private.private_bytes(*form))
    made = model_signing(
        "sign", "key", "--signature", tmp_path / "model.sig", "--private_key", tmp_path / "key.pem", folder
    )
    assert made.returncode == 0, made.stderr
    envelope = from_bundle(json.loads((tmp_path / "model.sig").read_text()))
    assert dsse.verify(envelope, [PublicKey.of(private.public_key())])
    statement = envelope.statement()
    assert statement.subjects[0].digest == oms_root(snapshot)
    assert set(read_oms(statement)) == {e.path for e in snapshot.files} - set(GIT_PATHS)
    check_oms(statement, snapshot)


def test_the_order_is_that_of_path_components(snapshot):
    names = [one["name"] for one in oms_statement(snapshot, "n").predicate["resources"]]
    # As text "a-b/…" sorts before "a/…"; by components it is the other way round.
    assert names == ["README.md", "a/z.json", "a-b/weights.bin", "config.json", "model.safetensors"]


def changed(statement, **fields):
    return replace(statement, predicate={**statement.predicate, **fields})


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: changed(s, resources=[]),
        lambda s: changed(s, resources=s.predicate["resources"][:-1]),
        lambda s: changed(s, resources=[*s.predicate["resources"], s.predicate["resources"][0]]),
        lambda s: changed(s, resources=[{**r, "algorithm": "blake2b"} for r in s.predicate["resources"]]),
        lambda s: changed(s, resources=[{"name": "x", "algorithm": "sha256", "digest": "00"}]),
        lambda s: changed(s, resources=None),
        lambda s: changed(s, serialization={"method": "shards", "hash_type": "sha256"}),
        lambda s: changed(s, serialization={}),
        lambda s: replace(s, predicate_type="https://model_signing/Digests/v0.1"),
        lambda s: replace(s, subjects=s.subjects * 2),
    ],
)
def test_a_broken_signature_statement_is_refused(snapshot, edit):
    with pytest.raises(TrustError):
        read_oms(edit(oms_statement(snapshot, "n")))


def test_a_signature_over_other_files_is_refused(snapshot):
    renamed = replace(snapshot.files[-1], path="model2.safetensors")
    less = replace(snapshot, files=snapshot.files[:-1])
    more = replace(snapshot, files=(*snapshot.files, replace(renamed, path="z.bin")))
    other = replace(snapshot, files=(*snapshot.files[:-1], renamed))
    different = replace(snapshot, files=(*snapshot.files[:-1], replace(snapshot.files[-1], digest=Digest.of(b"?"))))
    check_oms(oms_statement(snapshot, "n"), snapshot)
    for wrong in (less, more, other, different):
        with pytest.raises(TrustError):
            check_oms(oms_statement(wrong, "n"), snapshot)


def test_git_files_may_be_listed_too(snapshot):
    listed = [(e.path, e.digest) for e in snapshot.files]
    root = Digest.of(b"".join(bytes.fromhex(d.hex) for _, d in listed))
    ours = oms_statement(snapshot, "n")
    resources = [{"name": p, "algorithm": "sha256", "digest": d.hex} for p, d in listed]
    complete = Statement(
        (replace(ours.subjects[0], digest=root),), ours.predicate_type, {**ours.predicate, "resources": resources}
    )
    check_oms(complete, snapshot)
