"""Files and images that are no models: signed by digest, verified by the trust file."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest

from assay.cli.main import main
from assay.provenance.artifacts import ARTIFACT_KINDS, ARTIFACT_TYPE
from assay.provenance.origin import read_envelopes

IMAGE = "registry.example/team/model-server@sha256:" + "a" * 64


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("ASSAY_KEY_PASSPHRASE", raising=False)
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--quiet"]) == 0
    assert main(["key", "create", "publisher"]) == 0
    assert main(["key", "trust", "publisher.pub", "--role", "publisher"]) == 0
    (tmp_path / "test.tsv").write_text("sentence\tlabel\n")
    capsys.readouterr()
    return tmp_path


def test_a_data_set_is_signed_and_verified_until_it_changes(here, capsys):
    assert main(["attest", "sign", "test.tsv", "--key", "publisher.pem", "--kind", "dataset"]) == 0
    assert main(["attest", "verify-file", "test.tsv"]) == 0
    assert main(["attest", "verify-file", "test.tsv", "--role", "publisher", "--format", "json"]) == 0
    assert main(["attest", "verify-file", "test.tsv", "--role", "reviewer"]) == 1
    (here / "test.tsv").write_text("sentence\tlabel\nx\t1\n")
    capsys.readouterr()
    assert main(["attest", "verify-file", "test.tsv"]) == 1
    assert "something else" in capsys.readouterr().out


def test_the_statement_follows_its_schema(here):
    schema = json.loads(files("assay.provenance").joinpath("data/predicates/artifact.json").read_text("utf-8"))
    for kind in ARTIFACT_KINDS:
        assert main(["attest", "sign", "test.tsv", "--key", "publisher.pem", "--kind", kind]) == 0
        (envelope,) = read_envelopes((here / "test.tsv.sigstore.json").read_bytes())
        statement = envelope.statement()
        assert statement.predicate_type == ARTIFACT_TYPE == schema["x-predicate-type"]
        jsonschema_rs.Draft202012Validator(schema).validate(statement.predicate)


def test_an_image_is_its_digest_and_never_a_tag(here, capsys):
    assert main(["attest", "sign", IMAGE, "--key", "publisher.pem", "--kind", "image"]) == 0
    assert main(["attest", "verify-file", IMAGE]) == 0
    other = IMAGE[:-1] + "b"
    assert main(["attest", "verify-file", other, "--bundle", "model-server.sigstore.json"]) == 1
    assert main(["attest", "verify-file", "registry.example/team/model-server:latest"]) == 3


def test_a_key_that_nobody_trusts_proves_nothing(here, capsys):
    assert main(["key", "create", "publisher", "--out", "other"]) == 0
    assert main(["attest", "sign", "test.tsv", "--key", "other/publisher.pem"]) == 0
    assert main(["attest", "verify-file", "test.tsv"]) == 1
    (here / "test.tsv.sigstore.json").write_text("[]")
    assert main(["attest", "verify-file", "test.tsv"]) == 1
    (here / "test.tsv.sigstore.json").unlink()
    assert main(["attest", "verify-file", "test.tsv"]) == 3
    assert main(["attest", "sign", "test.tsv"]) == 3
