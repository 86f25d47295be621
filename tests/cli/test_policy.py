import json

import pytest

from assay.cli.main import main
from assay.policy.cases import CASES_SCHEMA
from assay.policy.model import builtin_text, load_policy


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_show_prints_the_policy_and_its_digest(capsys):
    assert main(["policy", "show"]) == 0
    out = capsys.readouterr().out
    assert 'name = "builtin-strict"' in out
    assert f"# digest {load_policy(None).digest}" in out
    assert load_policy(out).digest == load_policy(None).digest


def test_show_as_json(capsys):
    assert main(["policy", "show", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "assay.policy.show/v1"
    assert document["digest"] == str(load_policy(None).digest)
    assert document["policy"] == load_policy(None).to_json()


def test_the_policy_of_the_data_directory_is_in_force(data, capsys):
    (data / "policy.toml").write_text(builtin_text().replace("lifetime_days = 90", "lifetime_days = 7"))
    assert main(["policy", "show", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["policy"]["verdict"] == {"lifetime_days": 7}


def test_a_policy_beside_the_settings_that_name_it_is_found_from_anywhere(data, capsys):
    (data / "strict.toml").write_text(builtin_text().replace("lifetime_days = 90", "lifetime_days = 7"))
    (data / "assay.toml").write_text('policy = "strict.toml"\n')
    assert main(["policy", "show", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["policy"]["verdict"] == {"lifetime_days": 7}


def test_a_broken_policy_is_one_line(data, capsys):
    (data / "policy.toml").write_text("nonsense")
    for action in ("show", "test"):
        assert main(["policy", action]) == 3
        assert capsys.readouterr().err.startswith("assay: error: policy: not TOML")


def test_the_builtin_policy_passes(capsys):
    assert main(["policy", "test"]) == 0
    count, _, rest = capsys.readouterr().out.splitlines()[-1].partition(" of ")
    assert int(count) >= 12
    assert rest.startswith(f"{count} cases passed")


def test_a_failing_case_is_exit_1(tmp_path, capsys):
    tests = tmp_path / "tests.toml"
    tests.write_text(f'schema = "{CASES_SCHEMA}"\n[[case]]\nname = "odd\\u001b[2J"\nexpect = "REJECT"\n')
    assert main(["policy", "test", str(tests)]) == 1
    out = capsys.readouterr().out
    assert "expected REJECT, decided ADMIT" in out
    assert "\x1b" not in out
    assert main(["policy", "test", str(tests), "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert document["cases"][0]["decision"] == "ADMIT"


def test_a_policy_of_ones_own_needs_tests_of_its_own(data, capsys):
    (data / "policy.toml").write_text(builtin_text())
    assert main(["policy", "test"]) == 3
    assert "no tests" in capsys.readouterr().err
    (data / "policy.tests.toml").write_text(f'schema = "{CASES_SCHEMA}"\n[[case]]\nname = "x"\nexpect = "ADMIT"\n')
    assert main(["policy", "test", "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("1 of 1 cases passed")


def test_a_named_policy_that_is_missing_is_one_line(capsys):
    assert main(["policy", "show", "--policy", "nowhere.toml"]) == 3
    assert "no policy file nowhere.toml" in capsys.readouterr().err
    assert main(["policy", "show", "tests.toml"]) == 3
