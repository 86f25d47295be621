import json
import stat
from pathlib import Path

import pytest

from assay.cli.main import main
from assay.provenance.keys import ROLES, KeyRing
from assay.provenance.trust import Trust


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_KEY_PASSPHRASE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "new" / "data"


def test_init_makes_keys_and_a_trust_file_that_believes_them(data, capsys):
    assert main(["init", "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert "next: assay vet" in out
    assert "without passphrase" in out
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    ring, trust = KeyRing.load(data / "keys"), Trust.load(data / "trust.toml")
    assert {role: key.public for key in trust.keys for role in key.roles} == {r: ring.public(r) for r in ROLES}
    assert sorted(path.name for path in data.iterdir()) == ["keys", "trust.toml"]


def test_init_says_the_same_in_json(data, capsys):
    assert main(["init", "--data", str(data), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "assay.init/v1"
    assert [key["role"] for key in document["keys"]] == list(ROLES)
    assert document["encrypted"] is False
    assert Path(document["trust"]).exists()


def test_init_overwrites_nothing(data, capsys):
    assert main(["init", "--data", str(data), "--quiet"]) == 0
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert main(["init", "--data", str(data)]) == 3
    assert capsys.readouterr().err.startswith("assay: error: there is keys in")
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_an_interrupted_init_is_completed(data):
    ring = KeyRing.create(data / "keys")
    assert main(["init", "--data", str(data), "--quiet"]) == 0
    assert Trust.load(data / "trust.toml").keys[0].public == ring.public(ROLES[0])


def test_a_trust_file_for_other_keys_is_kept(data, capsys):
    data.mkdir(parents=True)
    (data / "trust.toml").write_text("mine")
    assert main(["init", "--data", str(data)]) == 3
    assert (data / "trust.toml").read_text() == "mine"
    assert not (data / "keys").exists()
    assert "never overwritten" in capsys.readouterr().err


def test_a_passphrase_from_the_environment_encrypts_the_keys(data, monkeypatch, capsys):
    monkeypatch.setenv("ASSAY_KEY_PASSPHRASE", "correct horse")
    assert main(["init", "--data", str(data)]) == 0
    assert "encrypted" in capsys.readouterr().out
    assert KeyRing.encrypted(data / "keys")
    KeyRing.load(data / "keys", "correct horse")


def test_asking_for_a_passphrase_needs_a_terminal(data, capsys):
    assert main(["init", "--data", str(data), "--passphrase"]) == 3
    assert "ASSAY_KEY_PASSPHRASE" in capsys.readouterr().err
    assert not (data / "keys").exists()


def test_a_data_directory_that_can_not_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["init", "--data", str(tmp_path / "file" / "data")]) == 3
    error = capsys.readouterr().err
    assert error.startswith("assay: error: ")
    assert error.count("\n") == 1


def test_roles_that_an_older_version_did_not_know_get_their_keys(tmp_path, capsys):
    data = tmp_path / "data"
    assert main(["init", "--data", str(data)]) == 0
    before = (data / "trust.toml").read_text("utf-8")
    old = {role: (data / "keys" / f"{role}.pem").read_bytes() for role in ROLES}
    (data / "keys" / "evaluator.pem").unlink()
    assert main(["init", "--data", str(data)]) == 0
    assert (data / "trust.toml").read_text("utf-8").startswith(before)
    for role in set(ROLES) - {"evaluator"}:
        assert (data / "keys" / f"{role}.pem").read_bytes() == old[role]
    ring, trust = KeyRing.load(data / "keys"), Trust.load(data / "trust.toml")
    made = [key for key in trust.keys if key.public == ring.public("evaluator")]
    assert [key.roles for key in made] == [frozenset({"evaluator"})]
    assert len(trust.keys) == len(ROLES) + 1
    assert main(["init", "--data", str(data)]) == 3
