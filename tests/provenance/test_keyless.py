"""Keyless signatures of a private Sigstore on loopback: made by sigstore-python and model_signing, verified offline."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assay.cli.main import main
from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault, TrustError, UsageError
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.provenance.artifacts import artifact, check_artifact
from assay.provenance.keyless import Keyless, sign_keyless
from assay.provenance.origin import check_documents
from assay.provenance.trust import Trust
from tests.simulators.serving import serving
from tests.simulators.sigstore import Sigstore, token

IDENTITY, ISSUER = "https://ci.test/org/model/.github/workflows/build.yml@refs/heads/main", "https://ci.test"
NOW = datetime.now(UTC)
DATA = b"text\tlabel\n"
DIGEST = Digest.of(DATA)


@pytest.fixture(scope="module")
def private():
    """The services and where they are."""
    sigstore = Sigstore()
    with serving(sigstore.application()) as url:
        yield sigstore, url


@pytest.fixture(scope="module")
def bundle(private):
    """A data set signed by the workflow."""
    sigstore, url = private
    statement = artifact("test.tsv", DIGEST, kind="dataset", at=NOW)
    return sign_keyless(statement, sigstore.client_config(url), token(IDENTITY, ISSUER))


def trust(sigstore: Sigstore, identity: str = IDENTITY, issuer: str = ISSUER, role: str = "publisher") -> Trust:
    root = json.dumps(sigstore.trusted_root("https://rekor.test"))  # never asked
    return Trust.parse(trust_text(root, identity, issuer, role))


def trust_text(root: str, identity: str = IDENTITY, issuer: str = ISSUER, role: str = "publisher") -> str:
    return (
        f'schema = "assay.trust/v1"\nmax_age_days = 7\n[[keyless]]\nroles = ["{role}"]\nidentity = "{identity}"\n'
        f"issuer = \"{issuer}\"\nroot = '''{root}'''\n"
    )


def verified(bundle, believed: Trust, digest: Digest = DIGEST) -> str:
    return check_artifact(json.loads(json.dumps(bundle)), digest, believed, ("publisher",), NOW)


def test_what_an_identity_signed_is_verified_offline(private, bundle, monkeypatch):
    sigstore, _ = private
    monkeypatch.setattr("socket.socket.connect", None)  # nobody is asked
    assert verified(bundle, trust(sigstore)) == f"keyless:{IDENTITY}"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"identity": "https://ci.test/org/other"}, "SANs do not match"),
        ({"issuer": "https://other.test"}, "Issuer"),
        ({"role": "builder"}, "no identity of the trust file may sign this"),
    ],
)
def test_another_identity_issuer_or_role_does_not_count(private, bundle, said, why):
    with pytest.raises(TrustError, match=why):
        verified(bundle, trust(private[0], **said))


@pytest.mark.parametrize("part", ["ca", "ct", "rekor"])
def test_services_of_somebody_else_are_not_believed(private, bundle, part):
    sigstore, _ = private
    other = replace(sigstore, **{part: getattr(Sigstore(), part)})
    with pytest.raises(TrustError, match="not signed by"):
        verified(bundle, trust(other))


def change_payload(bundle):
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    statement["predicate"]["kind"] = "suite"
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def change_proof(bundle):
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    entry["inclusionProof"]["rootHash"] = base64.b64encode(bytes(32)).decode()


def change_promise(bundle):
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    entry["integratedTime"] = str(int(entry["integratedTime"]) - 60)


def drop_entry(bundle):
    bundle["verificationMaterial"]["tlogEntries"] = []


def drop_certificate(bundle):
    del bundle["verificationMaterial"]["certificate"]


@pytest.mark.parametrize("change", [change_payload, change_proof, change_promise, drop_entry, drop_certificate])
def test_a_bundle_that_was_changed_is_refused(private, bundle, change):
    changed = json.loads(json.dumps(bundle))
    change(changed)
    with pytest.raises(TrustError):
        verified(changed, trust(private[0]))


def test_an_entry_noted_when_the_certificate_had_expired_is_refused(private):
    _, url = private
    late = Sigstore()
    bundle = signed_with_late_log(late, url)
    with pytest.raises(TrustError, match="not valid at validation time"):
        verified(bundle, trust(late))


def signed_with_late_log(sigstore: Sigstore, url: str):
    del url
    with serving(sigstore.application()) as place:
        entry = sigstore.entry
        sigstore.entry = lambda body: later(sigstore, entry, body)
        statement = artifact("test.tsv", DIGEST, kind="dataset", at=NOW)
        return sign_keyless(statement, sigstore.client_config(place), token(IDENTITY, ISSUER))


def later(sigstore: Sigstore, entry, body: bytes):
    sigstore.ahead = timedelta(hours=1)
    return entry(body)


def test_it_is_about_the_file_that_it_names(private, bundle):
    with pytest.raises(TrustError, match="something else"):
        verified(bundle, trust(private[0]), Digest.of(b"other"))


def test_a_bare_signature_of_cosigns_kind_counts_for_its_file(private):
    from sigstore import models, oidc, sign

    sigstore, url = private
    context = sign.SigningContext.from_trust_config(models.ClientTrustConfig.from_json(sigstore.client_config(url)))
    with context.signer(oidc.IdentityToken(token(IDENTITY, ISSUER))) as signer:
        bundle = json.loads(signer.sign_artifact(DATA).to_json())
    assert "messageSignature" in bundle
    assert verified(bundle, trust(sigstore)) == f"keyless:{IDENTITY}"
    with pytest.raises(TrustError):
        verified(bundle, trust(sigstore), Digest.of(b"other"))


def test_a_model_signed_by_model_signing_with_sigstore_is_a_publishers(private, tmp_path):
    from model_signing import hashing, signing

    sigstore, url = private
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_bytes(b"{}")
    (model / "model.safetensors").write_bytes(b"weights")
    config = tmp_path / "config.json"
    config.write_text(sigstore.client_config(url))
    signer = signing.Config().use_sigstore_signer(identity_token=token(IDENTITY, ISSUER), trust_config=config)
    signer.set_hashing_config(hashing.Config()).sign(model, model / "model.sig")
    files = {path.name: path.read_bytes() for path in model.iterdir()}

    def shown(files, believed):
        entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
        snapshot = Snapshot.of(entries, Origin("directory", "file:///x", "org/model"))
        (found,) = check_documents(snapshot, {"model.sig": files["model.sig"]}, believed, NOW)
        return found

    found = shown(files, trust(sigstore))
    assert (found.kind, found.key, found.problem) == ("signature", f"keyless:{IDENTITY}", "")
    changed = shown(files | {"model.safetensors": b"other"}, trust(sigstore))
    assert changed.broken
    assert shown(files, trust(sigstore, issuer="https://other.test")).key == ""


def test_by_the_command(private, tmp_path, monkeypatch, capsys):
    sigstore, url = private
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test.tsv").write_bytes(DATA)
    (tmp_path / "config.json").write_text(sigstore.client_config(url))
    (tmp_path / "token").write_text(token("ada@example.org", ISSUER))
    root = json.dumps(sigstore.trusted_root(url))
    (tmp_path / "trust.toml").write_text(trust_text(root, "ada@example.org"))
    sign = ["attest", "sign", "test.tsv", "--kind", "dataset", "--keyless", "config.json", "--data", "data"]
    assert main([*sign, "--identity-token", "token"]) == 0
    check = ["attest", "verify-file", "test.tsv", "--trust", "trust.toml", "--data", "data"]
    assert main(check) == 0
    assert "keyless:ada@example.org" in capsys.readouterr().out
    (tmp_path / "test.tsv").write_bytes(b"other")
    assert main(check) == 1
    assert main(sign) == 3
    assert "with which key?" in capsys.readouterr().err


def test_services_that_refuse_or_are_not_there(private):
    sigstore, url = private
    statement = artifact("test.tsv", DIGEST, kind="dataset", at=NOW)
    with pytest.raises(UsageError, match="no keyless signature"):
        sign_keyless(statement, sigstore.client_config(url), "no token")
    with pytest.raises(UsageError, match="no keyless signature"):
        sign_keyless(statement, "{}", token(IDENTITY, ISSUER))
    with pytest.raises(EnvironmentFault, match="no keyless signature"):
        sign_keyless(statement, sigstore.client_config("http://127.0.0.1:1"), token(IDENTITY, ISSUER))


def test_without_the_extra_it_says_what_to_install(private, bundle, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match="sigstore is not installed"):
        verified(bundle, trust(private[0]))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"roles": ["scanner"]}, "roles of an identity"),
        ({"identity": ""}, "not empty"),
        ({"root": "x"}, "trusted_root.json"),
        ({"root": "{}"}, "trusted_root.json"),
        ({"root": '{"mediaType": "other"}'}, "not 'other'"),
        ({"more": 1}, "an entry of keyless"),
    ],
)
def test_entries_of_the_trust_file(entry, why):
    root = '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
    whole = {"roles": ["publisher"], "identity": IDENTITY, "issuer": ISSUER, "root": root}
    assert Keyless.parse(whole).identity == IDENTITY
    with pytest.raises(TrustError, match=why):
        Keyless.parse(whole | entry)
