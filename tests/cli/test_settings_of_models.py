"""A model brings no settings: an assay.toml in the working directory is refused when it is part of what is judged."""

import pytest

from assay.cli.main import main


@pytest.mark.parametrize("command", [["vet", ".", "--as", "org/name"], ["verify", "."], ["verify", ".."]])
def test_a_policy_or_trust_file_from_the_model_is_not_used(tmp_path, monkeypatch, capsys, command):
    model = tmp_path / "model"
    (model / "sub").mkdir(parents=True)
    where = model / "sub" if ".." in command else model
    (where / "assay.toml").write_text('policy = "lax.toml"\ntrust = "mine.toml"\n')
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(where)
    assert main(command) == 3
    assert "there is an assay.toml inside" in capsys.readouterr().err


def test_ones_own_settings_beside_the_model_are_used(tmp_path, monkeypatch, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "assay.toml").write_text('trust = "mine.toml"\n')
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "model"]) == 3
    assert "no trust file mine.toml" in capsys.readouterr().err
